import type { Counts as Numbers } from "../api/types";
import { number } from "../layout/sizes";
import { byUrgency, look } from "../states";
import { Mark } from "./Mark";

/** How many tasks are in which state, as a bar. */
export function Counts({ counts }: { counts: Numbers }) {
  const parts = byUrgency(counts);
  const told = parts.map(([state, count]) => `${number(count)} ${look(state).label}`).join(", ");
  return (
    <div class="counts" role="img" aria-label={told || "no tasks yet"} title={told}>
      {parts.reverse().map(([state, count]) => (
        <span key={state} class={`tone-${look(state).tone}`} style={{ flexGrow: count }} />
      ))}
    </div>
  );
}

/** The same in words, what needs somebody first. */
export function Tally({ counts }: { counts: Numbers }) {
  return (
    <span class="tally">
      {byUrgency(counts).map(([state, count]) => (
        <span key={state} class={`tone-${look(state).tone}`}>
          <Mark state={state} />
          {number(count)} {look(state).label}
        </span>
      ))}
    </span>
  );
}
