/** A calendar of the runs of a workflow: its days with what became of the runs of each, and how many are due. */
import type { Counts, Due, RunSummary } from "../api/types";
import { dayOf, millis } from "./times";

export interface Day {
  /** As 2026-11-23. */
  day: string;
  counts: Counts;
  planned: number;
  /** 23 or 25 where the clocks are changed. */
  hours: number;
}

export interface Month {
  /** As 2026-11. */
  month: string;
  /** Weeks from Monday on; null for what is of another month. */
  weeks: (Day | null)[][];
}

const HOUR = 3_600_000;

/** On which day a run is counted: the one that it is for or, where it is for none, the one on which it was begun. */
export function dayOfRun(run: RunSummary, zone?: string): string | null {
  const at = millis(run.logical_time ?? run.started_at ?? run.created_at);
  return at === null ? null : dayOf(at, zone);
}

export function monthsOf(
  runs: readonly RunSummary[],
  due: readonly Due[],
  names: readonly string[],
  zone?: string,
): Month[] {
  const ran = new Map<string, Counts>();
  for (const run of runs) {
    const day = dayOfRun(run, zone);
    if (day === null) continue;
    const counts = ran.get(day) ?? {};
    counts[run.state] = (counts[run.state] ?? 0) + 1;
    ran.set(day, counts);
  }
  const planned = new Map<string, number>();
  for (const one of due) {
    const at = millis(one.logical_time);
    if (at !== null) planned.set(dayOf(at, zone), (planned.get(dayOf(at, zone)) ?? 0) + 1);
  }
  return names.map((month) => ({
    month,
    weeks: weeksOf(month).map((week) =>
      week.map((day) =>
        day === null
          ? null
          : { day, counts: ran.get(day) ?? {}, planned: planned.get(day) ?? 0, hours: hoursOf(day, zone) },
      ),
    ),
  }));
}

/** A month and those around it: as 2026-11, in order. */
export function monthsAround(day: string, before: number, after: number): string[] {
  const [year, month] = day.split("-").map(Number) as [number, number];
  return Array.from({ length: before + after + 1 }, (_, place) => {
    const at = new Date(Date.UTC(year, month - 1 - before + place, 1));
    return at.toISOString().slice(0, 7);
  });
}

function weeksOf(month: string): (string | null)[][] {
  const [year, number] = month.split("-").map(Number) as [number, number];
  const first = (new Date(Date.UTC(year, number - 1, 1)).getUTCDay() + 6) % 7;
  const size = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const days = Array.from({ length: Math.ceil((first + size) / 7) * 7 }, (_, place) => {
    const date = place - first + 1;
    return date >= 1 && date <= size ? `${month}-${String(date).padStart(2, "0")}` : null;
  });
  return Array.from({ length: days.length / 7 }, (_, week) => days.slice(week * 7, week * 7 + 7));
}

/** How long a day is in a zone. */
export function hoursOf(day: string, zone?: string): number {
  const at = Date.parse(`${day}T00:00:00Z`);
  return Math.round((midnight(at + 24 * HOUR, zone) - midnight(at, zone)) / HOUR);
}

/** When a day begins in a zone, given its beginning in UTC. */
function midnight(utc: number, zone?: string): number {
  return utc - offset(utc - offset(utc, zone), zone);
}

/** By how much the clocks of a zone are ahead of UTC. */
function offset(at: number, zone?: string): number {
  const wall = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: zone });
  return Date.parse(`${wall.format(at).replace(" ", "T")}Z`) - Math.floor(at / 1000) * 1000;
}
