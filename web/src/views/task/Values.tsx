import type { TaskDetail, Value } from "../../api/types";
import { bytes } from "../../layout/sizes";
import { to } from "../../route";

/** What a task was given by others, and what it returned, in short. */
export function Values({ task }: { task: TaskDetail }) {
  if (task.inputs.length === 0 && task.value === null) return null;
  return (
    <section class="card" aria-labelledby="values">
      <header>
        <h2 id="values">Values</h2>
      </header>
      <ul class="list">
        {task.inputs.map((input) => (
          <li key={input.task}>
            <div class="small muted">
              from <a href={to.task(task.run, input.task)}>{input.task}</a>
            </div>
            <Shown value={input.value} />
          </li>
        ))}
        {task.value && (
          <li>
            <div class="small muted">returned</div>
            <Shown value={task.value} />
          </li>
        )}
      </ul>
    </section>
  );
}

function Shown({ value }: { value: Value }) {
  return (
    <div>
      <code class="value">{value.preview}</code>
      {value.format && (
        <span class="small muted">
          {" "}
          {value.format}, {bytes(value.size)}
        </span>
      )}
    </div>
  );
}
