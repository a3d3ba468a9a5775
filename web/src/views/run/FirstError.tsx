import type { RunDetail, Task } from "../../api/types";
import { nameOf } from "../../layout/merging";
import { plural } from "../../layout/sizes";
import { failing, tail } from "../../layout/traceback";
import { Mark } from "../../parts/Mark";
import { to } from "../../route";

const MOST = 3;

/** The errors of a run, each with the user's line that failed, before anything else. */
export function FirstError({ run }: { run: RunDetail }) {
  const failed = run.tasks
    .filter((task) => task.state === "failed" || (task.state === "retrying" && task.error))
    .sort((one, other) => ((one.ended_at ?? "") < (other.ended_at ?? "") ? -1 : 1));
  if (failed.length === 0) return null;
  return (
    <section class="card" aria-label="Errors">
      <ul class="list">
        {failed.slice(0, MOST).map((task) => (
          <li key={nameOf(task)} class="stack">
            <One run={run} task={task} />
          </li>
        ))}
        {failed.length > MOST && (
          <li>
            <a href={`${to.run(run.id)}?view=tasks&state=failed`}>
              {plural(failed.length - MOST, "more task")} failed
            </a>
          </li>
        )}
      </ul>
    </section>
  );
}

function One({ run, task }: { run: RunDetail; task: Task }) {
  const frame = task.traceback ? failing(task.traceback) : null;
  const link = to.task(run.id, nameOf(task));
  return (
    <>
      <div class="row">
        <Mark state={task.state} />
        <a href={link}>
          <strong>{nameOf(task)}</strong>
        </a>
        {task.map_name && <span class="muted">{task.map_name}</span>}
        {task.attempts > 1 && <span class="muted small">after {plural(task.attempts, "attempt")}</span>}
        <span class="grow" />
        <a href={link} class="small">
          Log at the error
        </a>
      </div>
      <div>
        <p class="error-text">{task.error}</p>
        {frame && frame.code.length > 0 && <code class="code-line">{frame.code[0]}</code>}
        {frame && (
          <span class="place" title={frame.file}>
            {tail(frame.file)}:{frame.line} in {frame.name}
          </span>
        )}
      </div>
    </>
  );
}
