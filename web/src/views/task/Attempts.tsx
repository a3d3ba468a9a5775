import type { Attempt } from "../../api/types";
import { bytes } from "../../layout/sizes";
import { Mark } from "../../parts/Mark";
import { At, Took } from "../../parts/Time";
import { Told } from "../../parts/Told";
import { withQuery } from "../../route";
import { look } from "../../states";

interface Props {
  tries: Attempt[];
  /** Those whose logs are shown below. */
  chosen: Attempt[];
}

/** What an address calls an attempt. */
export function keyOf(one: Attempt): string {
  return `${one.generation}.${one.attempt}`;
}

/** The attempts of a task beside each other, the newest first: what came of each and what it took. */
export function Attempts({ tries, chosen }: Props) {
  const all = tries.toReversed();
  const hasMemory = all.some((one) => one.memory !== null);
  const hasCpu = all.some((one) => one.cpu !== null);
  return (
    <section class="card" aria-labelledby="attempts">
      <header>
        <h2 id="attempts">Attempts</h2>
        {all.length > 1 && (
          <a class="chip" href={withQuery("attempt", chosen.length > 1 ? null : besideOf(all, chosen))}>
            {chosen.length > 1 ? "One log" : "Logs beside each other"}
          </a>
        )}
      </header>
      <div class="tries" tabIndex={0} role="group" aria-label="Attempts beside each other">
        <table>
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">What</span>
              </th>
              {all.map((one) => (
                <th key={keyOf(one)} scope="col" class={chosen.includes(one) ? "chosen" : undefined}>
                  <span class="row">
                    <Mark state={one.state} />
                    <a
                      href={withQuery("attempt", keyOf(one))}
                      aria-current={chosen.includes(one) ? "true" : undefined}
                    >
                      Attempt {one.attempt}
                      {one.generation > 0 && ` of rerun ${one.generation}`}
                    </a>
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <Row name="Became" all={all} chosen={chosen}>
              {(one) => look(one.state).label}
            </Row>
            {all.some((one) => one.because) && (
              <Row name="Made because" all={all} chosen={chosen}>
                {(one) =>
                  one.because ? <Told text={one.because} /> : <span class="muted">it was its turn</span>
                }
              </Row>
            )}
            {all.some((one) => one.error) && (
              <Row name="Error" all={all} chosen={chosen}>
                {(one) =>
                  one.error ? <span class="error-text">{one.error}</span> : <span class="muted">none</span>
                }
              </Row>
            )}
            <Row name="Began" all={all} chosen={chosen}>
              {(one) => <At at={one.started_at} />}
            </Row>
            <Row name="Took" all={all} chosen={chosen}>
              {(one) => <Took from={one.started_at} to={one.ended_at} seconds={one.duration} />}
            </Row>
            {hasCpu && (
              <Row name="Processor" all={all} chosen={chosen}>
                {(one) => <Took seconds={one.cpu} />}
              </Row>
            )}
            {hasMemory && (
              <Row name="Memory" all={all} chosen={chosen}>
                {(one) => <span class="number">{one.memory === null ? "–" : bytes(one.memory)}</span>}
              </Row>
            )}
          </tbody>
        </table>
      </div>
    </section>
  );
}

interface RowProps {
  name: string;
  all: Attempt[];
  chosen: Attempt[];
  children: (one: Attempt) => preact.ComponentChildren;
}

function Row({ name, all, chosen, children }: RowProps) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {all.map((one) => (
        <td key={keyOf(one)} class={chosen.includes(one) ? "chosen" : undefined}>
          {children(one)}
        </td>
      ))}
    </tr>
  );
}

/** The chosen attempt and the one that is to stand beside it: the one before, or else the one after. */
function besideOf(newestFirst: Attempt[], chosen: Attempt[]): string {
  const place = Math.max(0, newestFirst.indexOf(chosen[0]!));
  const other = newestFirst[place + 1] ?? newestFirst[place - 1]!;
  return [newestFirst[place]!, other].map(keyOf).join(",");
}
