import { useCallback, useEffect, useState } from "preact/hooks";
import { get, query } from "../api/client";
import type { Page, RunSummary } from "../api/types";
import { useLoad, useThrottled } from "../live/load";
import { listen } from "../live/stream";
import { Counts } from "../parts/Counts";
import { Mark } from "../parts/Mark";
import { Empty, Loading, Problem } from "../parts/Notice";
import { params } from "../parts/params";
import { Ago, Took } from "../parts/Time";
import { place, to } from "../route";
import { look } from "../states";
import { useTitle } from "../title";
import { Filters } from "./runs/Filters";

const SIZE = 50;

/** The runs on record, newest first. */
export function Runs() {
  useTitle("Runs");
  const search = place.value.search;
  const wanted = {
    workflow: search.get("workflow") ?? undefined,
    state: search.getAll("state"),
    trigger: search.get("trigger") ?? undefined,
  };
  const asked = `/runs${query({ ...wanted, limit: SIZE })}`;
  const { data, error, reload, update } = useLoad<Page<RunSummary>>(asked);
  const [more, setMore] = useState<{ asked: string; page: Page<RunSummary> } | null>(null);
  const reloadSoon = useThrottled(reload);
  const hear = useCallback(
    (told: { runs: RunSummary[]; gone: string[] }) => {
      const changed = new Map(told.runs.map((run) => [run.id, run]));
      update((page) => ({ ...page, items: page.items.map((run) => changed.get(run.id) ?? run) }));
      reloadSoon();
    },
    [update, reloadSoon],
  );
  useEffect(() => listen("/events", undefined, { runs: hear, reset: reload, back: reload }), [hear, reload]);

  const further = more?.asked === asked ? more.page : null;
  const runs = [...(data?.items ?? []), ...(further?.items ?? [])];
  const next = further ? further.next : data?.next;
  const loadMore = async () => {
    const page = await get<Page<RunSummary>>(
      `/runs${query({ ...wanted, limit: SIZE, cursor: next ?? undefined })}`,
    );
    setMore({ asked, page: { items: [...(further?.items ?? []), ...page.items], next: page.next } });
  };
  const isFiltered = Boolean(wanted.workflow || wanted.state.length || wanted.trigger);
  return (
    <>
      <h1>Runs</h1>
      <Filters wanted={wanted} />
      {error && <Problem error={error} retry={reload} />}
      {data === undefined && !error && <Loading />}
      {data && runs.length === 0 && (
        <section class="card">
          <Empty title={isFiltered ? "No run is like that" : "No runs yet"}>
            {isFiltered ? <a href="/runs">Show all runs</a> : <code>penstock run FILE.py</code>}
          </Empty>
        </section>
      )}
      {runs.length > 0 && (
        <section class="card">
          <table class="runs">
            <caption class="hidden">Runs, newest first</caption>
            <thead>
              <tr>
                <th>Run</th>
                <th>What happened</th>
                <th>Started</th>
                <th>Took</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <Line key={run.id} run={run} />
              ))}
            </tbody>
          </table>
        </section>
      )}
      {next && (
        <button type="button" class="button" onClick={loadMore}>
          Show more
        </button>
      )}
    </>
  );
}

function Line({ run }: { run: RunSummary }) {
  const given = params(run.params);
  return (
    <tr>
      <td>
        <div class="row">
          <Mark state={run.state} />
          <a href={to.run(run.id)}>
            <strong>{run.workflow}</strong> <span class="mono muted">{run.id.slice(0, 6)}</span>
          </a>
          {run.trigger !== "manual" && <span class="small muted">{run.trigger}</span>}
        </div>
        {given && <div class="small muted cut only-wide">{given}</div>}
      </td>
      <td class="error">
        {run.error ? (
          <span class="error-text">{run.error}</span>
        ) : run.ended_at === null ? (
          <div class="stack">
            <span class={`tone-${look(run.state).tone}`}>{look(run.state).label}</span>
            <Counts counts={run.counts} />
          </div>
        ) : (
          <span class="muted">{look(run.state).label}</span>
        )}
      </td>
      <td class="small">
        <Ago at={run.started_at ?? run.created_at} zone={run.zone} />
      </td>
      <td class="small only-wide">
        <Took from={run.started_at} to={run.ended_at} seconds={run.duration} />
      </td>
    </tr>
  );
}
