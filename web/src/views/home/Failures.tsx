import type { Failure } from "../../api/types";
import { plural } from "../../layout/sizes";
import { tail } from "../../layout/traceback";
import { Mark } from "../../parts/Mark";
import { Empty } from "../../parts/Notice";
import { params } from "../../parts/params";
import { Ago } from "../../parts/Time";
import { to } from "../../route";

/** The newest failures, each with its error and the line that failed. */
export function Failures({ failures }: { failures: Failure[] }) {
  return (
    <section class="card" aria-labelledby="failures">
      <header>
        <h2 id="failures">Failures</h2>
        <a class="small" href="/runs?state=failed">
          All failures
        </a>
      </header>
      {failures.length === 0 ? (
        <Empty title="Nothing has failed">
          Failures are shown here with their error, as soon as they happen.
        </Empty>
      ) : (
        <ul class="list">
          {failures.map((failure) => (
            <li key={failure.run.id} class="stack">
              <One failure={failure} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function One({ failure }: { failure: Failure }) {
  const { run, task } = failure;
  const given = params(run.params);
  return (
    <>
      <div class="row">
        <Mark state="failed" />
        <a href={to.run(run.id)}>
          <strong>{run.workflow}</strong>
        </a>
        {task && (
          <>
            <span class="muted" aria-hidden="true">
              ›
            </span>
            <a href={to.task(run.id, task)}>{task}</a>
          </>
        )}
        {given && <span class="muted small cut">{given}</span>}
        <span class="grow" />
        <span class="muted small">
          <Ago at={run.ended_at} zone={run.zone} />
        </span>
      </div>
      <div>
        <p class="error-text">{failure.error}</p>
        {failure.line && <code class="code-line">{failure.line}</code>}
        {failure.place && (
          <span class="place" title={failure.place}>
            {tail(failure.place)}
          </span>
        )}
      </div>
      <div class="row">
        {task && (
          <a class="button" href={to.task(run.id, task)}>
            Log at the error
          </a>
        )}
        <a class="button" href={`${to.run(run.id)}?ask=rerun`}>
          Rerun…
        </a>
        <span class="muted small">
          {failure.attempts > 1 ? `after ${plural(failure.attempts, "attempt")}` : ""}
          {failure.more > 0 ? ` ${plural(failure.more, "other task")} failed too` : ""}
        </span>
      </div>
    </>
  );
}
