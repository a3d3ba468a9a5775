import type { ComponentChildren, RefObject, VNode } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { path, query } from "../../api/client";
import type { Cell, Grid } from "../../api/types";
import { type Line, lines, stateOf } from "../../layout/grid";
import { duration, exact, millis } from "../../layout/times";
import { useLoad } from "../../live/load";
import { useMarkImages } from "../../parts/markImages";
import { Empty, Loading, Problem } from "../../parts/Notice";
import { useSight } from "../../parts/useSight";
import { useZone } from "../../parts/Zone";
import { to } from "../../route";
import { byUrgency, look } from "../../states";

const CELL = 24;
const TALL = 76;
const BARS = 92;
const STEP = 5 * CELL;
/** More cells than this, and only those in sight are made. */
const MOST_CELLS = 3000;

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
  return <Drawn grid={data} rows={rows} box={box} onToggle={(line) => setChosen(toggled(chosen, line))} />;
}

interface DrawnProps {
  grid: Grid;
  rows: Line[];
  box: RefObject<HTMLDivElement>;
  onToggle: (line: Line) => void;
}

/** Of a large grid only what is in sight is made; and a row that was made is not looked at again. */
function Drawn({ grid, rows, box, onToggle }: DrawnProps) {
  useMarkImages();
  const runs = useMemo(() => [...grid.runs].reverse(), [grid]);
  const sight = useSight(box, runs.length * rows.length > MOST_CELLS, STEP);
  const [first, last] = range(sight ? sight.y - BARS : undefined, sight?.height, rows.length);
  const [left, right] = range(sight?.x, sight?.width, runs.length);
  const longest = Math.max(...runs.map((cell) => cell.run.duration ?? 0), 0.001);
  const seen = useMemo(() => runs.slice(left, right), [runs, left, right]);
  const made = useMemo(() => new Map<number, VNode>(), [seen, rows]);
  const before = left > 0 && <span class="gap" style={{ width: `${left * CELL}px` }} />;
  const row = (index: number) => {
    const known = made.get(index);
    if (known) return known;
    const vnode = (
      <Row key={rows[index]!.name} line={rows[index]!} cells={seen} before={before} onToggle={onToggle} />
    );
    made.set(index, vnode);
    return vnode;
  };
  return (
    <div class="grid" ref={box} tabIndex={0} role="group" aria-label="Runs by tasks">
      <div class="inner" style={{ "--runs": runs.length }}>
        <div class="line bars">
          <span class="name small">
            {duration(longest)}
            <br />
            at most
          </span>
          {before}
          {seen.map((cell) => (
            <Bar key={cell.run.id} cell={cell} longest={longest} />
          ))}
        </div>
        <div style={{ height: `${first * CELL}px` }} />
        {Array.from({ length: last - first }, (_, place) => row(first + place))}
        <div style={{ height: `${(rows.length - last) * CELL}px` }} />
      </div>
    </div>
  );
}

/** Which of so many rows or columns are within a part of the picture. */
function range(from: number | undefined, size: number | undefined, count: number): [number, number] {
  if (from === undefined || size === undefined) return [0, count];
  const first = Math.min(count, Math.max(0, Math.floor(from / CELL)));
  return [first, Math.min(count, Math.max(first, Math.ceil((from + size) / CELL)))];
}

function toggled(chosen: ReadonlyMap<string, boolean>, line: Line): ReadonlyMap<string, boolean> {
  return new Map([...chosen, [line.name, !line.open]]);
}

interface RowProps {
  line: Line;
  cells: Cell[];
  before: ComponentChildren;
  onToggle: (line: Line) => void;
}

function Row({ line, cells, before, onToggle }: RowProps) {
  return (
    <div class="line">
      {line.kind === "group" ? (
        <button
          type="button"
          class="name cut group-name"
          aria-expanded={line.open}
          onClick={() => onToggle(line)}
        >
          <span aria-hidden="true">{line.open ? "▾" : "▸"}</span> {line.label}
        </button>
      ) : (
        <span class="name cut" title={line.name} style={{ paddingLeft: `${16 + line.depth * 16}px` }}>
          {line.label}
        </span>
      )}
      {!(line.kind === "group" && line.open) && (
        <>
          {before}
          {cells.map((cell) => (
            <One key={cell.run.id} cell={cell} line={line} />
          ))}
        </>
      )}
    </div>
  );
}

function Bar({ cell, longest }: { cell: Cell; longest: number }) {
  const { run } = cell;
  const { tone, label } = look(run.state);
  const zone = useZone();
  const at = millis(run.logical_time ?? run.started_at ?? run.created_at);
  const told = `Run ${run.id.slice(0, 6)}, ${label}${run.duration === null ? "" : `, ${duration(run.duration)}`}${at === null ? "" : `, ${exact(at, zone)}`}`;
  return (
    <a class={`bar tone-${tone}`} href={to.run(run.id)} title={told} aria-label={told}>
      <i style={{ height: `${Math.round(((run.duration ?? 0) / longest) * TALL)}px` }} />
    </a>
  );
}

function One({ cell, line }: { cell: Cell; line: Line }) {
  const state = stateOf(line, cell.states);
  if (state === null) return <span class="cell" />;
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
    <a
      class={`cell${again ? " again" : ""}${parts ? "" : ` mark-image of-${state}`}`}
      href={href}
      title={told}
      aria-label={told}
    >
      {parts && (
        <span class="split">
          {parts.map(([one, count]) => (
            <i key={one} class={`tone-${look(one).tone}`} style={{ flexGrow: count }} />
          ))}
        </span>
      )}
    </a>
  );
}
