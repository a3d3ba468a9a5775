import { useCallback, useEffect } from "preact/hooks";
import { query } from "../api/client";
import type { Home as HomeData, RunSummary } from "../api/types";
import { millis } from "../layout/times";
import { now } from "../live/clock";
import { useLoad, useThrottled } from "../live/load";
import { listen } from "../live/stream";
import { Empty, Loading, Problem } from "../parts/Notice";
import { RunLine } from "../parts/RunLine";
import { hasEnded } from "../states";
import { useTitle } from "../title";
import { Approvals } from "./home/Approvals";
import { Coming } from "./home/Coming";
import { Failures } from "./home/Failures";
import { Late } from "./home/Late";
import { Well } from "./home/Well";

/** What needs somebody, what runs, what comes next. */
export function Home() {
  useTitle("");
  const { data, error, reload, update } = useLoad<HomeData>(`/home${query({ limit: 20 })}`);
  const reloadSoon = useThrottled(reload);
  const hear = useCallback(
    (told: { runs: RunSummary[] }) => {
      update((home) => ({ ...home, ...merged(home, told.runs) }));
      reloadSoon();
    },
    [update, reloadSoon],
  );
  const position = data?.position;
  useEffect(() => {
    if (position === undefined) return;
    return listen("/events", position, { runs: hear, reset: reload, back: reload });
  }, [position === undefined, hear, reload]);

  // That a run becomes late is no event: nothing has happened.
  const late = lateOf(data, now.value);

  if (data === undefined) return error ? <Problem error={error} retry={reload} /> : <Loading />;
  const isEmpty = data.recent.length === 0;
  const running = data.unfinished.filter((run) => run.state !== "waiting");
  const waiting = data.unfinished.filter((run) => run.state === "waiting");
  return (
    <>
      <div class="row">
        <h1 class="grow">{headline(data, late.length)}</h1>
        <Well health={data.health} />
      </div>
      {isEmpty && (
        <section class="card">
          <Empty title="No runs yet">
            Start one with <code>penstock run FILE.py</code>, or trigger a workflow from{" "}
            <a href="/workflows">Workflows</a>.
          </Empty>
        </section>
      )}
      <div class="columns">
        <div>
          <Late runs={late} />
          <Approvals approvals={data.approvals} onDecided={reloadSoon} />
          {!isEmpty && <Failures failures={data.failures} />}
        </div>
        <div>
          {!isEmpty && (
            <section class="card" aria-labelledby="now">
              <header>
                <h2 id="now">Now</h2>
                <a class="small" href="/runs">
                  All runs
                </a>
              </header>
              {running.length + waiting.length === 0 ? (
                <div class="body muted">Nothing runs.</div>
              ) : (
                <ul class="list">
                  {[...running, ...waiting].map((run) => (
                    <li key={run.id}>
                      <RunLine run={run} />
                    </li>
                  ))}
                </ul>
              )}
            </section>
          )}
          <Coming due={data.next} />
          {!isEmpty && (
            <section class="card" aria-labelledby="lately">
              <header>
                <h2 id="lately">Lately</h2>
              </header>
              <ul class="list">
                {data.recent
                  .filter((run) => hasEnded(run.state))
                  .slice(0, 8)
                  .map((run) => (
                    <li key={run.id}>
                      <RunLine run={run} />
                    </li>
                  ))}
              </ul>
            </section>
          )}
        </div>
      </div>
    </>
  );
}

/** What should have ended by now: what the service knew of, and what has become late since. */
function lateOf(home: HomeData | undefined, now: number): RunSummary[] {
  const told = home?.late ?? [];
  const known = new Set(told.map((run) => run.id));
  const since = (home?.unfinished ?? []).filter((run) => {
    const end = millis(run.ends_by);
    return end !== null && end < now && !known.has(run.id);
  });
  return [...told, ...since];
}

function headline(home: HomeData, late: number): string {
  const count = home.failures.length + home.approvals.length + late;
  const running = home.unfinished.filter((run) => run.state === "running").length;
  if (count) return "Needs attention";
  if (running) return "All well, and working";
  return "All well";
}

/** The lists with what has been heard of. The rest is asked for. */
function merged(home: HomeData, changed: RunSummary[]): Pick<HomeData, "late" | "unfinished" | "recent"> {
  const ids = new Set(changed.map((run) => run.id));
  const newest = (runs: RunSummary[]) =>
    runs.sort((one, other) => (one.created_at! < other.created_at! ? 1 : -1)).slice(0, 20);
  const others = (runs: RunSummary[]) => runs.filter((run) => !ids.has(run.id));
  const own = changed.filter((run) => run.part === null);
  const ended = new Set(changed.filter((run) => hasEnded(run.state)).map((run) => run.id));
  return {
    late: home.late.filter((run) => !ended.has(run.id)),
    unfinished: newest([...others(home.unfinished), ...own.filter((run) => !hasEnded(run.state))]),
    recent: newest([...others(home.recent), ...own]),
  };
}
