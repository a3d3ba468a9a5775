/** A run with what its stream has told meanwhile. */
import type { Attempt, RunDetail, RunUpdate, Task } from "../api/types";

export function merge(run: RunDetail, told: RunUpdate): RunDetail {
  const { state, started_at, ended_at, wakes_at, duration, error, counts } = told.run;
  const head = { state, started_at, ended_at, wakes_at, duration, error, counts };
  const tasks = mergedTasks(run, told.tasks);
  const states = new Map(told.tasks.map((task) => [nameOf(task), task]));
  const graph = run.graph && {
    ...run.graph,
    tasks: run.graph.tasks.map((node) => {
      const map = told.maps[node.id];
      if (map) return { ...node, counts: map };
      const task = states.get(node.id);
      return task ? { ...node, state: task.state, error: task.error ?? null } : node;
    }),
  };
  return {
    ...run,
    ...(Object.fromEntries(
      Object.entries(head).filter(([, value]) => value !== undefined),
    ) as Partial<RunDetail>),
    tasks,
    graph,
    attempts: run.attempts && mergedAttempts(run.attempts, told.attempts),
    position: told.position,
  };
}

/** A task's name, of an instance with its index. */
export function nameOf(task: Pick<Task, "id" | "map_index">): string {
  return task.map_index === null || task.map_index === undefined ? task.id : `${task.id}[${task.map_index}]`;
}

/** Instances of maps that go well are counted in the graph and not listed. */
function mergedTasks(run: RunDetail, changed: Task[]): Task[] {
  const now = new Map(changed.map((task) => [nameOf(task), task]));
  const kept = run.tasks.map((task) => {
    const name = nameOf(task);
    const found = now.get(name);
    now.delete(name);
    return found ? { ...found, usual: found.usual ?? task.usual } : task;
  });
  const more = [...now.values()].filter((task) => task.map_index === null || task.state === "failed");
  return [...kept, ...more];
}

function mergedAttempts(known: Attempt[], told: Attempt[]): Attempt[] {
  const key = (one: Attempt) => `${one.task} ${one.generation} ${one.attempt}`;
  const now = new Map(told.map((one) => [key(one), one]));
  const kept = known.map((one) => {
    const found = now.get(key(one));
    now.delete(key(one));
    return found ?? one;
  });
  return [...kept, ...now.values()];
}
