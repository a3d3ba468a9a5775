import type { Due } from "../../api/types";
import { Ago, At } from "../../parts/Time";
import { to } from "../../route";

/** What is due next, in the workflow's zone. */
export function Coming({ due }: { due: Due[] }) {
  return (
    <section class="card" aria-labelledby="next">
      <header>
        <h2 id="next">Next</h2>
      </header>
      {due.length === 0 ? (
        <div class="body muted">Nothing is scheduled for the next days.</div>
      ) : (
        <ul class="list">
          {firsts(due).map((one) => (
            <li key={`${one.workflow} ${one.logical_time}`} class="row">
              <a class="grow cut" href={to.workflow(one.workflow)}>
                {one.workflow}
              </a>
              <span class="small muted number">
                <At at={one.logical_time} zone={one.timezone} whole />
              </span>
              <span class="small">
                <Ago at={one.logical_time} zone={one.timezone} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const MOST = 8;

/** The next time of each workflow. */
function firsts(due: Due[]): Due[] {
  const seen = new Set<string>();
  return due.filter((one) => !seen.has(one.workflow) && seen.add(one.workflow)).slice(0, MOST);
}
