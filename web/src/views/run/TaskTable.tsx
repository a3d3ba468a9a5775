import { useEffect, useMemo } from "preact/hooks";
import { path, query } from "../../api/client";
import type { Page, RunDetail, Task } from "../../api/types";
import { base } from "../../layout/gantt";
import { nameOf } from "../../layout/merging";
import { plural } from "../../layout/sizes";
import { useLoad } from "../../live/load";
import { Mark } from "../../parts/Mark";
import { Empty } from "../../parts/Notice";
import { Rows } from "../../parts/Rows";
import { Took } from "../../parts/Time";
import { go, place, to, withQuery } from "../../route";
import { byUrgency, look } from "../../states";
import { reason } from "./reasons";

const HEIGHT = 36;

/** The tasks of a run, in a table; a map is one line, and its instances are one click away. */
export function TaskTable({ run }: { run: RunDetail }) {
  const search = place.value.search;
  const state = search.get("state");
  const ofMap = search.get("task");
  const text = search.get("find") ?? "";
  const asked = ofMap
    ? path`/runs/${run.id}/tasks` + query({ task: ofMap, limit: 500, state: state ?? undefined })
    : null;
  const { data: instances, reload } = useLoad<Page<Task>>(asked);
  useEffect(reload, [run.position]);
  const rows = useMemo(() => lines(run), [run]);
  const shown = (ofMap ? (instances?.items ?? []).map(ofTask) : rows).filter(
    (row) =>
      (!state || row.states.includes(state)) &&
      (!text || row.name.includes(text) || row.label.includes(text)),
  );
  return (
    <div>
      <div class="row graph-tools">
        <input
          class="field"
          type="search"
          aria-label="Find a task"
          placeholder="Find a task"
          value={text}
          onInput={(event) => go(withQuery("find", event.currentTarget.value), { replace: true })}
        />
        <div class="chips">
          {byUrgency(run.counts).map(([one, count]) => (
            <a
              key={one}
              class="chip"
              href={withQuery("state", one === state ? null : one)}
              aria-current={one === state}
            >
              <Mark state={one} />
              {count} {look(one).label}
            </a>
          ))}
          {ofMap && (
            <a class="chip" href={withQuery("task", null)} aria-current="true">
              instances of {ofMap} ✕
            </a>
          )}
        </div>
      </div>
      {shown.length === 0 && instances === undefined && ofMap ? null : shown.length === 0 ? (
        <Empty title="No task is like that">
          <a href={`${place.value.path}?view=tasks`}>Show all</a>
        </Empty>
      ) : (
        <div class="tasks">
          <Rows count={shown.length} height={HEIGHT}>
            {(index) => <Line key={shown[index]!.name} row={shown[index]!} run={run.id} />}
          </Rows>
        </div>
      )}
      {instances?.next && (
        <p class="graph-tools muted small">The first {plural(500, "instance")} are shown.</p>
      )}
    </div>
  );
}

interface Row {
  name: string;
  label: string;
  note: string;
  state: string;
  states: string[];
  map: boolean;
  reason: string | null;
  task: Task | null;
}

/** A line a task; of a map one for the whole and one for each instance that needs somebody. */
function lines(run: RunDetail): Row[] {
  const tasks = new Map<string, Task[]>();
  for (const task of run.tasks) tasks.set(base(task.id), [...(tasks.get(base(task.id)) ?? []), task]);
  return (run.graph?.tasks ?? []).flatMap((node) => {
    const own = tasks.get(node.id) ?? [];
    if (!node.mapped) return own.map(ofTask);
    const counts = byUrgency(node.counts ?? {});
    const told = counts.map(([state, count]) => `${count} ${look(state).label}`).join(", ");
    const states = counts.length ? counts.map(([state]) => state) : [node.state ?? "pending"];
    const head = {
      name: node.id,
      label: node.id,
      note: "map",
      state: states[0]!,
      states,
      map: true,
      task: null,
    };
    return [
      { ...head, reason: told || own[0]?.reason || null },
      ...own.filter((one) => one.map_index !== null).map(ofTask),
    ];
  });
}

function ofTask(task: Task): Row {
  const name = nameOf(task);
  return {
    name,
    label: name,
    note: task.map_name ?? "",
    state: task.state,
    states: [task.state],
    map: false,
    reason: reason(task),
    task,
  };
}

function Line({ row, run }: { row: Row; run: string }) {
  const { tone, label } = look(row.state);
  const href = row.map ? withQuery("task", row.name) : to.task(run, row.name);
  return (
    <a class={`task tone-${tone}`} href={href} title={row.reason ?? label}>
      <Mark state={row.state} />
      <span class="cut">
        {row.label} <span class="muted small">{row.note}</span>
        <span class="hidden">, {label}</span>
      </span>
      <span class="reason cut">{row.reason ?? ""}</span>
      <span class="small muted">
        {row.task?.started_at ? (
          <Took from={row.task.started_at} to={row.task.ended_at} seconds={row.task.duration} />
        ) : (
          ""
        )}
      </span>
    </a>
  );
}
