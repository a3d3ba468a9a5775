import type { TaskDetail } from "../../api/types";
import { capital } from "../../layout/told";
import { Mark } from "../../parts/Mark";
import { Told } from "../../parts/Told";
import { to } from "../../route";

/** Why the task stands where it does, down to the first cause, with links. */
export function Reasons({ task }: { task: TaskDetail }) {
  const { why } = task;
  if (task.state === "success" && why.notes.length === 0 && !task.reason) return null;
  const text = why.text.replace(/^Task \S+ /, "");
  const chain = why.steps.filter((step) => step.task !== task.name);
  return (
    <div class="stack">
      {task.state !== "failed" && task.state !== "success" && (
        <p class="why">
          <Told text={capital(text)} />
        </p>
      )}
      {task.state === "success" && task.reason && (
        <p class="why">
          <Told text={capital(task.reason)} />
        </p>
      )}
      {chain.length > 0 && (
        <ol class="stack why-chain">
          {chain.map((step) => (
            <li key={step.task} class="row">
              <Mark state={step.state} />
              <a href={to.task(task.run, step.task)}>{step.task}</a>
              <span class="muted">
                <Told text={step.text} />
              </span>
            </li>
          ))}
        </ol>
      )}
      {why.notes.map((note) => (
        <p key={note} class="muted">
          <Told text={note} />
        </p>
      ))}
    </div>
  );
}
