import { clock, duration, exact, millis, relative, shortZone, zoneName } from "../layout/times";
import { now } from "../live/clock";
import { useZone } from "./Zone";

interface Props {
  at: string | null | undefined;
  /** The zone of the workflow that this is about, where nothing around says so. */
  zone?: string | null | undefined;
  /** Whether the zone is told by its whole name. */
  whole?: boolean;
}

/** How long ago, or when; the whole of it on hover. */
export function Ago({ at, zone }: Props) {
  const shown = useZone(zone);
  const ms = millis(at);
  if (ms === null) return <span class="muted">–</span>;
  return (
    <time class="number" dateTime={at!} title={exact(ms, shown)}>
      {relative(ms, now.value)}
    </time>
  );
}

/** When, by the clock of the viewer or of the workflow, whichever was chosen, and whose that is. */
export function At({ at, zone, whole }: Props) {
  const shown = useZone(zone);
  const ms = millis(at);
  if (ms === null) return <span class="muted">–</span>;
  return (
    <time class="number" dateTime={at!} title={exact(ms, shown)}>
      {clock(ms, now.value, shown)} <span class="zone">{whole ? zoneName(shown) : shortZone(ms, shown)}</span>
    </time>
  );
}

/** How long something took, or has taken up to now. */
export function Took({
  from,
  to,
  seconds,
}: {
  from?: string | null;
  to?: string | null;
  seconds?: number | null;
}) {
  const begun = millis(from);
  const took = seconds ?? (begun === null ? null : ((millis(to) ?? now.value) - begun) / 1000);
  return <span class="number">{took === null ? "–" : duration(took)}</span>;
}
