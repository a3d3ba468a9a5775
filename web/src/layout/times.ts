/** Times and durations in words. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Seconds, as short as they can be read: 18 ms, 2.4 s, 1 min 5 s, 3 h 20 min. */
export function duration(seconds: number): string {
  const ms = Math.max(0, seconds) * SECOND;
  if (ms < 1) return "0 ms";
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9.95 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < MINUTE - 500) return `${Math.round(ms / SECOND)} s`;
  if (ms < HOUR - SECOND / 2) return two(Math.round(ms / SECOND), 60, "min", "s");
  if (ms < DAY - MINUTE / 2) return two(Math.round(ms / MINUTE), 60, "h", "min");
  return two(Math.round(ms / HOUR), 24, "d", "h");
}

function two(number: number, size: number, large: string, small: string): string {
  const rest = number % size;
  return `${Math.floor(number / size)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

/** How far a time is from now: "3 min ago", "in 2 h", "now". */
export function relative(at: number, now: number): string {
  const far = Math.abs(at - now);
  if (far < 1500) return "now";
  const text =
    far < MINUTE
      ? `${Math.round(far / SECOND)} s`
      : far < HOUR
        ? `${Math.floor(far / MINUTE)} min`
        : hours(far);
  return at > now ? `in ${text}` : `${text} ago`;
}

function hours(far: number): string {
  return far < DAY ? `${Math.floor(far / HOUR)} h` : `${Math.floor(far / DAY)} d`;
}

/** A time of the clock, with the day where that is not today's. */
export function clock(at: number, now: number, zone?: string): string {
  const day = dayOf(at, zone);
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: zone }).format(at);
  return day === dayOf(now, zone) ? time : `${day} ${time.slice(0, 5)}`;
}

/** The whole of it, with its zone. */
export function exact(at: number, zone?: string): string {
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: zone }).format(at);
  return `${dayOf(at, zone)} ${time} ${shortZone(at, zone)}`.trim();
}

/** What a zone is called at a time in short: CET, GMT-5. */
export function shortZone(at: number, zone?: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short", timeZone: zone }).formatToParts(at);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

/** The whole name of a zone; of the viewer's own, if none is given. */
export function zoneName(zone?: string): string {
  return zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function dayOf(at: number, zone?: string): string {
  return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeZone: zone }).format(at);
}

/** Round places on an axis of so many seconds, at most `most` of them, the first 0. */
export function ticks(seconds: number, most: number): number[] {
  const steps = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
  ];
  const longer = [3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];
  const step = [...steps, ...longer].find((one) => seconds / one <= most) ?? seconds;
  const count = Math.floor(seconds / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, place) => place * step);
}

export function millis(time: string | null | undefined): number | null {
  return time ? Date.parse(time) : null;
}
