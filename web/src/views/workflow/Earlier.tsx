import type { RunSummary } from "../../api/types";
import { clock, millis } from "../../layout/times";
import { now } from "../../live/clock";
import { params } from "../../parts/params";
import { useZone } from "../../parts/Zone";
import { look } from "../../states";

interface Props {
  runs: RunSummary[];
  /** The run whose parameters are taken; null for the defaults. */
  like: string | null;
  onChoose: (run: string | null) => void;
}

/** Whose parameters a form begins with. */
export function Earlier({ runs, like, onChoose }: Props) {
  const zone = useZone();
  const told = (run: RunSummary) => {
    const at = millis(run.logical_time ?? run.started_at ?? run.created_at);
    const when = at === null ? "" : `, ${clock(at, now.peek(), zone)}`;
    return `${run.id.slice(0, 6)}, ${look(run.state).label}${when}: ${params(run.params) || "no parameters"}`;
  };
  const isKnown = like === null || runs.some((run) => run.id === like);
  return (
    <div>
      <label for="trigger-like">
        Fill in from <span class="muted small">an earlier run, or the defaults</span>
      </label>
      <select
        id="trigger-like"
        class="field"
        value={like ?? ""}
        onChange={(event) => onChoose(event.currentTarget.value || null)}
      >
        <option value="">the defaults</option>
        {!isKnown && <option value={like}>{like.slice(0, 6)}</option>}
        {runs.map((run) => (
          <option key={run.id} value={run.id}>
            {told(run)}
          </option>
        ))}
      </select>
    </div>
  );
}
