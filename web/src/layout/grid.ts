/** The lines of a grid of runs by tasks: groups fold, and one with a failure opens by itself. */
import type { Grid } from "../api/types";
import { worst } from "../states";

export interface Line {
  name: string;
  label: string;
  kind: "group" | "task";
  depth: number;
  /** Which of the grid's tasks stand in this line. */
  tasks: number[];
  open: boolean;
}

/** More tasks than this, and groups begin folded. */
const MANY = 60;

export function lines(grid: Grid, chosen: ReadonlyMap<string, boolean>): Line[] {
  const found: Line[] = [];
  const byGroup = new Map<string, number[]>();
  grid.groups.forEach((group, place) => {
    if (group !== null) byGroup.set(group, [...(byGroup.get(group) ?? []), place]);
  });
  const done = new Set<string>();
  grid.tasks.forEach((task, place) => {
    const group = grid.groups[place] ?? null;
    if (group === null) {
      found.push({ name: task, label: task, kind: "task", depth: 0, tasks: [place], open: true });
      return;
    }
    if (done.has(group)) return;
    done.add(group);
    const members = byGroup.get(group)!;
    const open = chosen.get(group) ?? (grid.tasks.length <= MANY || hasFailure(grid, members));
    found.push({ name: group, label: group, kind: "group", depth: 0, tasks: members, open });
    if (!open) return;
    for (const member of members) {
      const name = grid.tasks[member]!;
      const label = name.startsWith(`${group}.`) ? name.slice(group.length + 1) : name;
      found.push({ name, label, kind: "task", depth: 1, tasks: [member], open: true });
    }
  });
  return found;
}

function hasFailure(grid: Grid, tasks: number[]): boolean {
  const newest = grid.runs[0];
  return newest !== undefined && tasks.some((place) => newest.states[place] === "failed");
}

/** The state of a line in a run; null if the run has nothing there. */
export function stateOf(line: Line, states: (string | null)[]): string | null {
  const counts: Record<string, number> = {};
  for (const place of line.tasks) {
    const state = states[place];
    if (state) counts[state] = (counts[state] ?? 0) + 1;
  }
  return Object.keys(counts).length ? worst(counts) : null;
}
