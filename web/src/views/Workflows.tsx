import { useCallback, useEffect } from "preact/hooks";
import { query } from "../api/client";
import type { Page, WorkflowSummary } from "../api/types";
import { useLoad, useThrottled } from "../live/load";
import { listen } from "../live/stream";
import { Mark } from "../parts/Mark";
import { Empty, Loading, Problem } from "../parts/Notice";
import { Ago, At } from "../parts/Time";
import { Zone } from "../parts/Zone";
import { go, place, to, withQuery } from "../route";
import { look } from "../states";
import { useTitle } from "../title";

/** The workflows that there are, each with its newest run and when it is due next. */
export function Workflows() {
  useTitle("Workflows");
  const search = place.value.search.get("search") ?? "";
  const cursor = place.value.search.get("cursor") ?? undefined;
  const { data, error, reload } = useLoad<Page<WorkflowSummary>>(
    `/workflows${query({ search, cursor, limit: 100 })}`,
  );
  const reloadSoon = useThrottled(reload, 500);
  const hear = useCallback((_: unknown) => reloadSoon(), [reloadSoon]);
  useEffect(() => listen("/events", undefined, { runs: hear, reset: hear, back: reload }), [hear]);
  return (
    <>
      <div class="row">
        <h1 class="grow">Workflows</h1>
        <input
          class="field"
          type="search"
          aria-label="Find a workflow"
          placeholder="Find a workflow"
          value={search}
          onInput={(event) => go(withQuery("search", event.currentTarget.value), { replace: true })}
        />
      </div>
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading />}
      {data?.items.length === 0 && (
        <section class="card">
          <Empty title={search ? `No workflow has “${search}” in its name` : "No workflows yet"}>
            <code>penstock serve FOLDER</code> finds those in a folder.
          </Empty>
        </section>
      )}
      {data && data.items.length > 0 && (
        <section class="card">
          <ul class="list">
            {data.items.map((flow) => (
              <li key={flow.name} class="stack">
                <One flow={flow} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {data?.next && (
        <a class="button" href={withQuery("cursor", data.next)}>
          Show more
        </a>
      )}
    </>
  );
}

function One({ flow }: { flow: WorkflowSummary }) {
  const { newest, schedule } = flow;
  return (
    <Zone.Provider value={schedule?.timezone ?? newest?.zone}>
      <div class="row">
        {newest ? <Mark state={newest.state} /> : <Mark state="pending" />}
        <a class="grow" href={to.workflow(flow.name)}>
          <strong>{flow.name}</strong>
        </a>
        {flow.paused && <span class="badge tone-wait bare-badge">paused</span>}
        {newest && (
          <a class="small" href={to.run(newest.id)}>
            {look(newest.state).label} <Ago at={newest.ended_at ?? newest.started_at ?? newest.created_at} />
          </a>
        )}
      </div>
      {(flow.description || schedule) && (
        <div class="row small muted">
          {flow.description && <span class="grow cut">{flow.description}</span>}
          {schedule?.text && <span>{schedule.text}</span>}
          {schedule?.next_at && (
            <span>
              next <At at={schedule.next_at} />
            </span>
          )}
        </div>
      )}
      {(flow.error ?? schedule?.error) && <p class="error-text">{flow.error ?? schedule?.error}</p>}
    </Zone.Provider>
  );
}
