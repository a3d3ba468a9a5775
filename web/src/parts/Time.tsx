import { clock, duration, exact, millis, relative } from "../layout/times";
import { now } from "../live/clock";

/** How long ago, or when; the whole of it on hover. */
export function Ago({ at }: { at: string | null | undefined }) {
  const ms = millis(at);
  if (ms === null) return <span class="muted">–</span>;
  return (
    <time class="number" dateTime={at!} title={exact(ms)}>
      {relative(ms, now.value)}
    </time>
  );
}

/** When, by the clock of the viewer or of a zone. */
export function At({ at, zone }: { at: string | null | undefined; zone?: string | undefined }) {
  const ms = millis(at);
  if (ms === null) return <span class="muted">–</span>;
  return (
    <time class="number" dateTime={at!} title={zone ? `${exact(ms, zone)} · ${exact(ms)}` : exact(ms)}>
      {clock(ms, now.value, zone)}
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
