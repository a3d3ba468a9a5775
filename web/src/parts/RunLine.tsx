import type { RunSummary } from "../api/types";
import { to } from "../route";
import { look } from "../states";
import { Counts } from "./Counts";
import { Mark } from "./Mark";
import { Ago, At, Took } from "./Time";

/** A run in a few words: what it is, how far it is. */
export function RunLine({ run }: { run: RunSummary }) {
  const goesOn = run.ended_at === null;
  return (
    <div class="run-line">
      <Mark state={run.state} />
      <a class="cut" href={to.run(run.id)}>
        <strong>{run.workflow}</strong> <span class="muted mono">{run.id.slice(0, 6)}</span>
        <span class="hidden">, {look(run.state).label}</span>
      </a>
      <span class="muted small number">
        {goesOn ? (
          <Took from={run.started_at} />
        ) : (
          <Ago at={run.ended_at ?? run.created_at} zone={run.zone} />
        )}
      </span>
      <div class="wide stack">
        {goesOn && <Counts counts={run.counts} />}
        {run.wakes_at && run.state === "waiting" && (
          <span class="small muted">
            goes on at <At at={run.wakes_at} zone={run.zone} />
          </span>
        )}
      </div>
    </div>
  );
}
