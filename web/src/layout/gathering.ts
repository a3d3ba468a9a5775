/** Tasks in lines: the instances of a map of which the same is said are one line. */
import type { Again } from "../api/types";
import { nameOf } from "./merging";

export interface Gathered {
  name: string;
  state: string;
  because: string;
}

export function gathered(tasks: readonly Again[]): Gathered[] {
  const found = new Map<string, Again[]>();
  for (const task of tasks) {
    const key = task.map_index === null ? task.id : `${task.id}[] ${task.state} ${task.because}`;
    const same = found.get(key);
    if (same) same.push(task);
    else found.set(key, [task]);
  }
  return [...found.values()].map((same) => {
    const first = same[0]!;
    const name = same.length > 1 ? `${first.id}, ${same.length} instances` : nameOf(first);
    return { name, state: first.state, because: first.because };
  });
}
