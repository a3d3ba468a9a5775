import { useCallback, useEffect } from "preact/hooks";
import { path } from "../../api/client";
import type { Attempt, RunUpdate, TaskDetail } from "../../api/types";
import { bytes } from "../../layout/sizes";
import { tail } from "../../layout/traceback";
import { useLoad, useThrottled } from "../../live/load";
import { listen } from "../../live/stream";
import { Badge } from "../../parts/Badge";
import { Tally } from "../../parts/Counts";
import { Fact } from "../../parts/Fact";
import { Loading, Problem } from "../../parts/Notice";
import { At, Took } from "../../parts/Time";
import { Zone } from "../../parts/Zone";
import { place, to, withQuery } from "../../route";
import { look } from "../../states";
import { useTitle } from "../../title";
import { ApprovalForm } from "./ApprovalForm";
import { Asked } from "./Asked";
import { Attempts, keyOf } from "./Attempts";
import { History } from "./History";
import { Log } from "./Log";
import { Reasons } from "./Reasons";
import { Values } from "./Values";

/** A task of a run: why it stands where it does, what it wrote, took and gave. */
export function Task({ run, name }: { run: string; name: string }) {
  const { data: task, error, reload } = useLoad<TaskDetail>(path`/runs/${run}/tasks/${name}`);
  useTitle(task ? `${look(task.state).label}: ${name}` : name);
  const reloadSoon = useThrottled(reload);
  const hear = useCallback((_: RunUpdate) => reloadSoon(), [reloadSoon]);
  useEffect(
    () => listen(path`/runs/${run}/events`, undefined, { run: hear, gone: reload, back: reload }),
    [run, hear],
  );

  if (task === undefined) return error ? <Problem error={error} retry={reload} /> : <Loading />;
  const ask = place.value.search.get("ask");
  const wanted = place.value.search.get("attempt")?.split(",") ?? [];
  const named = task.tries.filter((one) => wanted.includes(keyOf(one)));
  const chosen = named.length ? named : task.tries.slice(-1);
  const attempt = chosen.at(-1);
  return (
    <Zone.Provider value={task.zone}>
      <header class="stack">
        <nav class="row small" aria-label="Where this is">
          <a href={to.workflow(task.workflow)}>{task.workflow}</a>
          <span class="muted" aria-hidden="true">
            ›
          </span>
          <a href={to.run(task.run)}>
            run <span class="mono">{task.run.slice(0, 6)}</span>
          </a>
        </nav>
        <div class="head">
          <Badge state={task.state} />
          <h1>
            {task.name} {task.map_name && <span class="muted">{task.map_name}</span>}
          </h1>
          {task.child && (
            <a class="button" href={to.run(task.child)}>
              Its run
            </a>
          )}
          <a class="button" href={withQuery("ask", "rerun")}>
            Rerun…
          </a>
          <a class="button" href={withQuery("ask", "mark")}>
            Mark…
          </a>
        </div>
        <Reasons task={task} />
        <dl class="facts">
          <Fact name="Started">
            <At at={task.started_at} />
          </Fact>
          <Fact name="Took">
            <Took from={task.started_at} to={task.ended_at} seconds={task.duration} />
          </Fact>
          {task.usual && (
            <Fact name="As a rule">
              <Took seconds={task.usual} />
            </Fact>
          )}
          {attempt?.cpu != null && (
            <Fact name="Processor">
              <Took seconds={attempt.cpu} />
            </Fact>
          )}
          {attempt?.memory != null && <Fact name="Memory">{bytes(attempt.memory)}</Fact>}
          <Fact name="Rule">{task.rule.replaceAll("_", " ")}</Fact>
          {task.upstreams.length > 0 && (
            <Fact name="Comes after">
              {task.upstreams.slice(0, 8).map((above, index) => (
                <>
                  {index > 0 && ", "}
                  <a href={to.task(task.run, above)}>{above}</a>
                </>
              ))}
              {task.upstreams.length > 8 && ` and ${task.upstreams.length - 8} more`}
            </Fact>
          )}
          <Fact name="Defined in">
            <span class="place" title={task.where}>
              {tail(task.where)}
            </span>
          </Fact>
        </dl>
        {task.instances && (
          <p class="row">
            <Tally counts={task.instances} />
            <a href={`${to.run(task.run)}?view=tasks&task=${encodeURIComponent(task.id)}`}>All instances</a>
          </p>
        )}
      </header>
      {task.approval && (
        <section class="card" aria-label="Decision">
          <div class="body">
            <ApprovalForm approval={task.approval} onDecided={reloadSoon} />
          </div>
        </section>
      )}
      {task.tries.length > 1 && <Attempts tries={task.tries} chosen={chosen} />}
      {chosen.length === 1 && <Log task={task} attempt={attempt} />}
      {chosen.length > 1 && (
        <div class="beside">
          {chosen.toReversed().map((one) => (
            <Log key={keyOf(one)} task={task} attempt={one} title={`Log of ${called(one)}`} />
          ))}
        </div>
      )}
      <Values task={task} />
      <History task={task} />
      {ask && <Asked ask={ask} run={task.run} task={task.name} onDone={reload} />}
    </Zone.Provider>
  );
}

function called(attempt: Attempt): string {
  return `attempt ${attempt.attempt}${attempt.generation ? ` of rerun ${attempt.generation}` : ""}`;
}
