/** Where the time of a run went: for each task how long it waited for a worker, ran, and waited before it was tried again. */
import type { Attempt, Graph } from "../api/types";
import { millis } from "./times";

export type Piece = "waiting" | "running" | "backoff";

export interface Bar {
  piece: Piece;
  /** Seconds after the start of the run. */
  from: number;
  to: number;
  state: string;
  attempt: number;
}

export interface Band {
  /** How many instances ran in each part of the time. */
  heights: number[];
  from: number;
  to: number;
  most: number;
  failed: number[];
}

export interface Row {
  task: string;
  bars: Bar[];
  band: Band | null;
  critical: boolean;
}

export interface Gantt {
  rows: Row[];
  seconds: number;
  start: number;
}

const PARTS = 120;
const SHORTEST = 0.001;

export function gantt(
  graph: Graph,
  attempts: Attempt[],
  critical: readonly string[],
  run: { started_at?: string | null; ended_at?: string | null },
  now: number,
): Gantt {
  const begins = attempts.map((one) => millis(one.started_at)).filter((one) => one !== null);
  const start = Math.min(millis(run.started_at) ?? now, ...begins);
  const since = (time: string | null | undefined, otherwise: number) =>
    ((millis(time) ?? otherwise) - start) / 1000;
  const ends = attempts.map((one) => since(one.ended_at, now));
  const seconds = Math.max(since(run.ended_at, attempts.length ? start : now), ...ends, SHORTEST);

  const own = new Map<string, Attempt[]>();
  for (const attempt of attempts) {
    const key = base(attempt.task);
    const list = own.get(key);
    if (list) list.push(attempt);
    else own.set(key, [attempt]);
  }
  const ended = new Map<string, number>();
  for (const [task, list] of own) ended.set(task, Math.max(...list.map((one) => since(one.ended_at, now))));
  const marked = new Set(critical.map(base));
  const rows: Row[] = [];
  for (const node of graph.tasks) {
    const list = own.get(node.id);
    if (!list) continue;
    const ready = Math.max(0, ...node.upstreams.map((above) => ended.get(above) ?? 0));
    const band = node.mapped ? bandOf(list, seconds, (time) => since(time, now)) : null;
    const bars = band ? waited(ready, band.from) : barsOf(list, ready, (time) => since(time, now));
    rows.push({ task: node.id, bars, band, critical: marked.has(node.id) });
  }
  rows.sort((one, other) => beginning(one) - beginning(other));
  return { rows, seconds, start };
}

/** The task of which this is an instance. */
export function base(name: string): string {
  const at = name.endsWith("]") ? name.lastIndexOf("[") : -1;
  return at > 0 ? name.slice(0, at) : name;
}

function barsOf(
  attempts: Attempt[],
  ready: number,
  since: (time: string | null | undefined) => number,
): Bar[] {
  const bars: Bar[] = [];
  let free = ready;
  attempts.forEach((attempt, place) => {
    const from = since(attempt.started_at);
    const to = Math.max(since(attempt.ended_at), from);
    const gap = place === 0 ? "waiting" : "backoff";
    if (from - free > SHORTEST)
      bars.push({ piece: gap, from: free, to: from, state: "ready", attempt: place + 1 });
    bars.push({ piece: "running", from, to, state: attempt.state, attempt: attempt.attempt });
    free = to;
  });
  return bars;
}

function waited(ready: number, from: number): Bar[] {
  return from - ready > SHORTEST
    ? [{ piece: "waiting", from: ready, to: from, state: "ready", attempt: 1 }]
    : [];
}

function bandOf(
  attempts: Attempt[],
  seconds: number,
  since: (time: string | null | undefined) => number,
): Band {
  const spans = attempts.map((one) => ({
    from: since(one.started_at),
    to: since(one.ended_at),
    state: one.state,
  }));
  const from = Math.min(...spans.map((one) => one.from));
  const to = Math.max(...spans.map((one) => one.to));
  const parts = Math.max(1, Math.min(PARTS, Math.ceil(((to - from) / seconds) * PARTS * 2)));
  const size = (to - from) / parts || SHORTEST;
  const heights = new Array<number>(parts).fill(0);
  for (const span of spans) {
    const first = Math.min(parts - 1, Math.floor((span.from - from) / size));
    const last = Math.max(first, Math.min(parts - 1, Math.ceil((span.to - from) / size) - 1));
    for (let part = first; part <= last; part++) heights[part]! += 1;
  }
  const failed = spans.filter((one) => one.state === "failed").map((one) => one.to);
  return { heights, from, to, most: Math.max(1, ...heights), failed };
}

function beginning(row: Row): number {
  return Math.min(
    row.band?.from ?? Infinity,
    ...row.bars.filter((bar) => bar.piece === "running").map((bar) => bar.from),
  );
}
