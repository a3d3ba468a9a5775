/** For each task that did not succeed, a sentence why. */
import type { RunDetail, Task } from "../../api/types";
import { nameOf } from "../../layout/merging";
import { look } from "../../states";

export function reasons(run: RunDetail): Map<string, string> {
  const found = new Map<string, string>();
  for (const task of run.tasks) {
    const text = reason(task);
    if (text) found.set(nameOf(task), text);
  }
  for (const step of run.why?.steps ?? []) if (!found.has(step.task)) found.set(step.task, step.text);
  return found;
}

/** Why a task is where it is, as far as the task itself tells. */
export function reason(task: Task): string | null {
  if (task.state === "success") return task.attempts > 1 ? `needed ${task.attempts} attempts` : null;
  if (task.error) return task.error;
  if (task.reason) return `${look(task.state).label}: ${task.reason}`;
  if (task.state === "pending") return "waits for what comes before it";
  if (task.state === "ready") return "waits for a worker";
  if (task.state === "deferred") return "waits for its time, a message or somebody's decision";
  return null;
}
