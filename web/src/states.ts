/** States of runs and tasks: their words, and which shape and colour they have. */

export type Tone = "good" | "bad" | "live" | "wait" | "held" | "quiet";

interface Look {
  label: string;
  tone: Tone;
  /** The name of the mark: shapes differ, so that nobody has to tell colours apart. */
  mark: string;
}

const LOOKS: Record<string, Look> = {
  success: { label: "success", tone: "good", mark: "check" },
  failed: { label: "failed", tone: "bad", mark: "cross" },
  running: { label: "running", tone: "live", mark: "turning" },
  expanded: { label: "running", tone: "live", mark: "turning" },
  queued: { label: "queued", tone: "wait", mark: "dot" },
  ready: { label: "ready", tone: "wait", mark: "dot" },
  waiting: { label: "waiting", tone: "wait", mark: "pause" },
  deferred: { label: "waiting", tone: "wait", mark: "pause" },
  retrying: { label: "retrying", tone: "wait", mark: "again" },
  interrupted: { label: "interrupted", tone: "held", mark: "bolt" },
  upstream_failed: { label: "held up", tone: "held", mark: "barred" },
  lost: { label: "lost", tone: "held", mark: "bolt" },
  stopped: { label: "stopped", tone: "held", mark: "slash" },
  cancelled: { label: "cancelled", tone: "quiet", mark: "slash" },
  skipped: { label: "skipped", tone: "quiet", mark: "skip" },
  pending: { label: "pending", tone: "quiet", mark: "ring" },
  removed: { label: "removed", tone: "quiet", mark: "ring" },
};

export const STATES = Object.keys(LOOKS);

export function look(state: string): Look {
  return LOOKS[state] ?? { label: state, tone: "quiet", mark: "ring" };
}

/** In which order states are told, what needs somebody first. */
const ORDER = [
  "failed",
  "upstream_failed",
  "interrupted",
  "retrying",
  "running",
  "expanded",
  "deferred",
  "waiting",
  "ready",
  "queued",
  "pending",
  "cancelled",
  "skipped",
  "removed",
  "success",
];

export function byUrgency(counts: Record<string, number>): [string, number][] {
  return Object.entries(counts)
    .filter(([, number]) => number > 0)
    .sort(([one], [other]) => ORDER.indexOf(one) - ORDER.indexOf(other));
}

export function worst(counts: Record<string, number>): string {
  return byUrgency(counts)[0]?.[0] ?? "pending";
}

export function hasEnded(state: string): boolean {
  return state === "success" || state === "failed" || state === "cancelled";
}
