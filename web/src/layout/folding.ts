/** Which tasks of a graph are drawn as one: groups that are folded, and many siblings that are alike. */
import type { Counts, Graph, Node } from "../api/types";
import { worst } from "../states";

/** So many alike are drawn one by one; more as one. */
const MOST_ALIKE = 8;
/** Of those that are drawn as one, so many that failed are drawn out by name. */
const DRAWN_OUT = 4;

export interface Unit {
  id: string;
  label: string;
  /** The group it is drawn in. */
  group: string | null;
  kind: "task" | "map" | "group" | "alike";
  state: string;
  counts: Counts | null;
  tasks: string[];
  note: string | null;
  error: string | null;
}

export interface Folded {
  units: Unit[];
  edges: [string, string][];
  /** Which unit a task is in. */
  home: Map<string, string>;
}

export function fold(graph: Graph, closed: ReadonlySet<string>): Folded {
  const around = new Map(graph.groups.map((group) => [group.id, group.group ?? null]));
  const units: Unit[] = [];
  const home = new Map<string, string>();
  const open: Node[] = [];
  for (const task of graph.tasks) {
    const group = outermost(task.group ?? null, around, closed);
    if (group === null) open.push(task);
    else home.set(task.id, group);
  }
  for (const group of graph.groups) {
    const tasks = graph.tasks.filter((task) => home.get(task.id) === group.id);
    if (tasks.length) units.push(groupUnit(group.id, group.group ?? null, tasks));
  }
  for (const alike of families(open, graph)) {
    if (alike.length <= MOST_ALIKE) for (const task of alike) units.push(taskUnit(task));
    else units.push(...gathered(alike));
  }
  for (const unit of units) for (const task of unit.tasks) home.set(task, unit.id);
  return { units, edges: edgesOf(graph, home), home };
}

/** The outermost closed group that a group is in or is. */
function outermost(
  group: string | null,
  around: Map<string, string | null>,
  closed: ReadonlySet<string>,
): string | null {
  let found: string | null = null;
  for (let one = group; one !== null; one = around.get(one) ?? null) if (closed.has(one)) found = one;
  return found;
}

/** Tasks that have the same above and below them, and the same group. */
function families(tasks: Node[], graph: Graph): Node[][] {
  const below = new Map<string, string[]>();
  for (const task of graph.tasks) {
    for (const above of task.upstreams) {
      const list = below.get(above);
      if (list) list.push(task.id);
      else below.set(above, [task.id]);
    }
  }
  const found = new Map<string, Node[]>();
  for (const task of tasks) {
    const key = task.mapped
      ? task.id
      : JSON.stringify([task.group, task.upstreams, below.get(task.id) ?? [], task.kind]);
    const family = found.get(key);
    if (family) family.push(task);
    else found.set(key, [task]);
  }
  return [...found.values()];
}

function gathered(alike: Node[]): Unit[] {
  const failed = alike.filter((task) => task.state === "failed").slice(0, DRAWN_OUT);
  const rest = alike.filter((task) => !failed.includes(task));
  const first = rest[0] ?? alike[0]!;
  const counts = countOf(rest);
  const unit: Unit = {
    id: `alike:${first.id}`,
    label: `${rest.length} tasks like ${short(first.id, first.group ?? null)}`,
    group: first.group ?? null,
    kind: "alike",
    state: worst(counts),
    counts,
    tasks: rest.map((task) => task.id),
    note: null,
    error: null,
  };
  return [...failed.map(taskUnit), unit];
}

function taskUnit(task: Node): Unit {
  return {
    id: task.id,
    label: short(task.id, task.group ?? null),
    group: task.group ?? null,
    kind: task.mapped ? "map" : "task",
    state:
      (task.mapped && task.counts && Object.keys(task.counts).length ? worst(task.counts) : task.state) ??
      "pending",
    counts: task.counts ?? null,
    tasks: [task.id],
    note: task.kind ?? null,
    error: task.error ?? null,
  };
}

function groupUnit(id: string, around: string | null, tasks: Node[]): Unit {
  const counts: Counts = {};
  for (const task of tasks) {
    const own =
      task.counts && Object.keys(task.counts).length ? task.counts : { [task.state ?? "pending"]: 1 };
    for (const [state, number] of Object.entries(own)) counts[state] = (counts[state] ?? 0) + number;
  }
  const names = tasks.map((task) => task.id);
  const error = tasks.find((task) => task.error)?.error ?? null;
  return {
    id,
    label: short(id, around),
    group: around,
    kind: "group",
    state: worst(counts),
    counts,
    tasks: names,
    note: null,
    error,
  };
}

function countOf(tasks: Node[]): Counts {
  const counts: Counts = {};
  for (const task of tasks) counts[task.state ?? "pending"] = (counts[task.state ?? "pending"] ?? 0) + 1;
  return counts;
}

function edgesOf(graph: Graph, home: Map<string, string>): [string, string][] {
  const seen = new Set<string>();
  const edges: [string, string][] = [];
  for (const task of graph.tasks) {
    const to = home.get(task.id)!;
    for (const above of task.upstreams) {
      const from = home.get(above);
      const key = `${from}\n${to}`;
      if (from === undefined || from === to || seen.has(key)) continue;
      seen.add(key);
      edges.push([from, to]);
    }
  }
  return edges;
}

/** A name without that of the group around it. */
export function short(id: string, group: string | null): string {
  return group !== null && id.startsWith(`${group}.`) ? id.slice(group.length + 1) : id;
}
