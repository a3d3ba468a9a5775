import type { Health } from "../../api/types";

/** Whether the service is well, in a word. */
export function Well({ health }: { health: Health }) {
  const isWell = health.status === "ok";
  const tone = isWell ? "good" : "bad";
  const what = isWell
    ? health.drives
      ? "Service well"
      : "Shows what is on record; drives no runs"
    : health.status;
  return <span class={`badge bare-badge tone-${isWell && !health.drives ? "quiet" : tone}`}>{what}</span>;
}
