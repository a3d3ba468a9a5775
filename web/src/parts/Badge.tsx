import { look } from "../states";
import { Mark } from "./Mark";

/** A state, as a shape and a word. */
export function Badge({ state }: { state: string }) {
  const { label, tone } = look(state);
  return (
    <span class={`badge tone-${tone}`}>
      <Mark state={state} />
      {label}
    </span>
  );
}
