import { zoneName } from "../layout/times";
import { choose, whose } from "../live/zone";

/** Times in the viewer's zone, or in that of their workflow. */
export function ZoneSwitch() {
  const isOwn = whose.value === "viewer";
  return (
    <button
      type="button"
      class="button bare small"
      onClick={() => choose(isOwn ? "workflow" : "viewer")}
      title={isOwn ? `Times are in your own zone, ${zoneName()}` : "Times are in the zone of their workflow"}
    >
      <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="6.2" />
        <path d="M8 4.4V8l2.4 1.6" />
      </svg>
      <span class="hidden">Times: </span>
      <span class="hidden-on-phone">{isOwn ? "My zone" : "Workflow’s zone"}</span>
    </button>
  );
}
