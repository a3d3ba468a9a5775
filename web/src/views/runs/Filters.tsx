import { query } from "../../api/client";
import { Mark } from "../../parts/Mark";
import { go } from "../../route";
import { look } from "../../states";

interface Wanted {
  workflow?: string | undefined;
  state: string[];
  trigger?: string | undefined;
}

const STATES = ["failed", "running", "waiting", "queued", "interrupted", "success", "cancelled"];
const TRIGGERS = ["schedule", "manual", "workflow"];

/** Which runs are listed; what is chosen is in the address. */
export function Filters({ wanted }: { wanted: Wanted }) {
  const show = (change: Partial<Wanted>) => go(`/runs${query({ ...wanted, ...change })}`, { replace: true });
  const toggle = (state: string) =>
    wanted.state.includes(state) ? wanted.state.filter((one) => one !== state) : [...wanted.state, state];
  return (
    <search class="row">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          show({ workflow: new FormData(event.currentTarget).get("workflow")?.toString().trim() });
        }}
      >
        <input
          class="field"
          type="search"
          name="workflow"
          aria-label="Workflow"
          placeholder="Workflow"
          value={wanted.workflow ?? ""}
          onChange={(event) => show({ workflow: event.currentTarget.value.trim() })}
        />
      </form>
      <fieldset class="chips bare-set">
        <legend class="hidden">States</legend>
        {STATES.map((state) => (
          <button
            key={state}
            type="button"
            class="chip"
            aria-pressed={wanted.state.includes(state)}
            onClick={() => show({ state: toggle(state) })}
          >
            <Mark state={state} />
            {look(state).label}
          </button>
        ))}
      </fieldset>
      <select
        class="field"
        aria-label="Begun by"
        value={wanted.trigger ?? ""}
        onChange={(event) => show({ trigger: event.currentTarget.value })}
      >
        <option value="">Begun by anything</option>
        {TRIGGERS.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </search>
  );
}
