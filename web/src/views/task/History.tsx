import { useEffect, useMemo } from "preact/hooks";
import { path, query } from "../../api/client";
import type { Past, TaskDetail } from "../../api/types";
import { type Column, columnsOf } from "../../layout/history";
import { bytes, plural } from "../../layout/sizes";
import { duration, exact, millis } from "../../layout/times";
import { useLoad } from "../../live/load";
import { Mark } from "../../parts/Mark";
import { useZone } from "../../parts/Zone";
import { to } from "../../route";
import { look } from "../../states";

const TALL = { time: 54, memory: 24 };

/** How long the task waited and ran in the newest runs, and how much memory it took. One run alone says nothing. */
export function History({ task }: { task: TaskDetail }) {
  const asked = path`/workflows/${task.workflow}/history` + query({ task: task.name, limit: 50 });
  const { data, reload } = useLoad<Past[]>(asked);
  useEffect(reload, [task.ended_at]);
  const chart = useMemo(() => columnsOf(data ?? []), [data]);
  if (chart.columns.length < 2) return null;
  return (
    <section class="card" aria-labelledby="history">
      <header>
        <h2 id="history">Over {plural(chart.columns.length, "run")}</h2>
        <span class="legend">
          <span>
            <i class="l-running" />
            ran
          </span>
          <span>
            <i class="l-waiting" />
            waited
          </span>
          {chart.most > 0 && (
            <span>
              <i class="l-memory" />
              memory at most
            </span>
          )}
        </span>
      </header>
      <div class={chart.most > 0 ? "history" : "history no-memory"}>
        <div class="axis number" aria-hidden="true">
          <span>{duration(chart.longest)}</span>
          {chart.most > 0 && <span>{bytes(chart.most)}</span>}
        </div>
        <div class="pasts">
          {chart.columns.map((column) => (
            <One key={column.past.run} column={column} task={task} />
          ))}
        </div>
      </div>
    </section>
  );
}

function One({ column, task }: { column: Column; task: TaskDetail }) {
  const { past } = column;
  const { tone, label } = look(past.state);
  const zone = useZone();
  const at = millis(past.logical_time ?? past.started_at ?? past.created_at);
  const told = [
    `Run ${past.run.slice(0, 6)}`,
    ...(at === null ? [] : [exact(at, zone)]),
    label,
    ...(past.duration === null ? [] : [`ran ${duration(past.duration)}`]),
    ...(past.waited ? [`waited ${duration(past.waited)}`] : []),
    ...(past.memory === null ? [] : [bytes(past.memory)]),
    ...(past.tries.length > 1 ? [plural(past.tries.length, "attempt")] : []),
  ].join(", ");
  return (
    <a
      class={`past tone-${tone}`}
      href={to.task(past.run, task.name)}
      aria-current={past.run === task.run ? "true" : undefined}
      aria-label={told}
      title={told}
    >
      <span class="took">
        {past.state !== "success" && <Mark state={past.state} />}
        <i class="waited" style={{ height: `${column.waited * TALL.time}px` }} />
        <i class="ran" style={{ height: `${column.ran * TALL.time}px` }} />
      </span>
      {column.memory > 0 && (
        <span class="used">
          <i style={{ height: `${column.memory * TALL.memory}px` }} />
        </span>
      )}
    </a>
  );
}
