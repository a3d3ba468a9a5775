import type { Attempt } from "../../api/types";
import { bytes } from "../../layout/sizes";
import { Mark } from "../../parts/Mark";
import { At, Took } from "../../parts/Time";
import { look } from "../../states";

interface Props {
  tries: Attempt[];
  chosen: Attempt | undefined;
  linkTo: (attempt: number) => string;
}

/** The attempts of a task, each with what came of it; the chosen one's log is shown below. */
export function Attempts({ tries, chosen, linkTo }: Props) {
  return (
    <section class="card" aria-labelledby="attempts">
      <header>
        <h2 id="attempts">Attempts</h2>
      </header>
      <ul class="list">
        {tries.map((one) => (
          <li key={`${one.generation} ${one.attempt}`} class="row">
            <Mark state={one.state} />
            <a href={linkTo(one.attempt)} aria-current={one === chosen ? "true" : undefined}>
              {one === chosen ? <strong>Attempt {one.attempt}</strong> : `Attempt ${one.attempt}`}
              {one.generation > 0 && ` of rerun ${one.generation}`}
            </a>
            <span class="muted">{look(one.state).label}</span>
            {one.because && <span class="muted small">{one.because}</span>}
            {one.error && <span class="error-text grow cut">{one.error}</span>}
            {!one.error && <span class="grow" />}
            {one.memory !== null && <span class="small muted number">{bytes(one.memory)}</span>}
            <span class="small muted">
              <At at={one.started_at} />
            </span>
            <span class="small">
              <Took from={one.started_at} to={one.ended_at} seconds={one.duration} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
