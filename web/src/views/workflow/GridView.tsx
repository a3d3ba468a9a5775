import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { path, query } from "../../api/client";
import type { Cell, Grid } from "../../api/types";
import { type Line, lines, stateOf } from "../../layout/grid";
import { clock, duration, millis } from "../../layout/times";
import { useLoad } from "../../live/load";
import { Mark } from "../../parts/Mark";
import { Empty, Loading, Problem } from "../../parts/Notice";
import { Rows } from "../../parts/Rows";
import { to } from "../../route";
import { byUrgency, look } from "../../states";

const CELL = 24;
const TALL = 76;

/** Runs by tasks, the newest at the right and always in sight. */
export function GridView({ workflow, changes }: { workflow: string; changes: number }) {
  const { data, error, reload } = useLoad<Grid>(path`/workflows/${workflow}/grid` + query({ limit: 100 }));
  const [chosen, setChosen] = useState<ReadonlyMap<string, boolean>>(new Map());
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (changes) reload();
  }, [changes]);
  const rows = useMemo(() => (data ? lines(data, chosen) : []), [data, chosen]);
  const newest = data?.runs[0]?.run.id;
  useLayoutEffect(() => {
    if (box.current) box.current.scrollLeft = box.current.scrollWidth;
  }, [newest]);
  if (!data) return error ? <Problem error={error} retry={reload} /> : <Loading />;
  if (data.runs.length === 0)
    return <Empty title="No runs yet">Each run becomes a column here, each task a row.</Empty>;
  const runs = [...data.runs].reverse();
  const longest = Math.max(...runs.map((cell) => cell.run.duration ?? 0), 0.001);
  const columns = { gridTemplateColumns: `var(--names) repeat(${runs.length}, ${CELL}px)` };
  const toggle = (line: Line) => setChosen(new Map([...chosen, [line.name, !line.open]]));
  return (
    <div class="grid" ref={box} tabIndex={0} role="group" aria-label="Runs by tasks">
      <div class="inner">
        <div class="line bars" style={columns}>
          <span class="name small">
            {duration(longest)}
            <br />
            at most
          </span>
          {runs.map((cell) => (
            <Bar key={cell.run.id} cell={cell} longest={longest} />
          ))}
        </div>
        <Rows count={rows.length} height={CELL}>
          {(index) => {
            const line = rows[index]!;
            return (
              <div key={line.name} class="line" style={columns}>
                {line.kind === "group" ? (
                  <button
                    type="button"
                    class="name cut group-name"
                    aria-expanded={line.open}
                    onClick={() => toggle(line)}
                  >
                    <span aria-hidden="true">{line.open ? "▾" : "▸"}</span> {line.label}
                  </button>
                ) : (
                  <span
                    class="name cut"
                    title={line.name}
                    style={{ paddingLeft: `${16 + line.depth * 16}px` }}
                  >
                    {line.label}
                  </span>
                )}
                {runs.map((cell) =>
                  line.kind === "group" && line.open ? (
                    <span key={cell.run.id} />
                  ) : (
                    <One key={cell.run.id} cell={cell} line={line} />
                  ),
                )}
              </div>
            );
          }}
        </Rows>
      </div>
    </div>
  );
}

function Bar({ cell, longest }: { cell: Cell; longest: number }) {
  const { run } = cell;
  const { tone, label } = look(run.state);
  const at = millis(run.logical_time ?? run.started_at ?? run.created_at);
  const told = `Run ${run.id.slice(0, 6)}, ${label}${run.duration === null ? "" : `, ${duration(run.duration)}`}${at === null ? "" : `, ${clock(at, 0)}`}`;
  return (
    <a class={`bar tone-${tone}`} href={to.run(run.id)} title={told} aria-label={told}>
      <i style={{ height: `${Math.round(((run.duration ?? 0) / longest) * TALL)}px` }} />
    </a>
  );
}

function One({ cell, line }: { cell: Cell; line: Line }) {
  const state = stateOf(line, cell.states);
  if (state === null) return <span />;
  const counts = line.kind === "task" ? cell.counts[line.name] : undefined;
  const tries = line.kind === "task" ? (cell.tries[line.tasks[0]!] ?? 0) : 0;
  const again = state === "success" && tries > 1;
  const parts = counts && Object.keys(counts).length > 1 ? byUrgency(counts) : null;
  const what = parts
    ? parts.map(([one, count]) => `${count} ${look(one).label}`).join(", ")
    : look(state).label;
  const told = `${line.name}, run ${cell.run.id.slice(0, 6)}: ${what}${again ? `, needed ${tries} tries` : ""}`;
  const href = line.kind === "task" ? to.task(cell.run.id, line.name) : `${to.run(cell.run.id)}?view=tasks`;
  return (
    <a class={again ? "cell again" : "cell"} href={href} title={told} aria-label={told}>
      {parts ? (
        <span class="split">
          {parts.map(([one, count]) => (
            <i key={one} class={`tone-${look(one).tone}`} style={{ flexGrow: count }} />
          ))}
        </span>
      ) : (
        <Mark state={state} />
      )}
    </a>
  );
}
