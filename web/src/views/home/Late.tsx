import type { RunSummary } from "../../api/types";
import { Counts } from "../../parts/Counts";
import { Mark } from "../../parts/Mark";
import { Ago } from "../../parts/Time";
import { to } from "../../route";
import { look } from "../../states";

/** What should have ended by now and goes on, or has not even begun. */
export function Late({ runs }: { runs: RunSummary[] }) {
  if (runs.length === 0) return null;
  return (
    <section class="card" aria-labelledby="late">
      <header>
        <h2 id="late">Late</h2>
      </header>
      <ul class="list">
        {runs.map((run) => (
          <li key={run.id} class="stack">
            <One run={run} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function One({ run }: { run: RunSummary }) {
  return (
    <>
      <div class="row">
        <Mark state={run.state} />
        <a href={to.run(run.id)}>
          <strong>{run.workflow}</strong> <span class="muted mono">{run.id.slice(0, 6)}</span>
        </a>
        <span class="muted">
          is {look(run.state).label} and should have ended <Ago at={run.ends_by} zone={run.zone} />
        </span>
      </div>
      <Counts counts={run.counts} />
    </>
  );
}
