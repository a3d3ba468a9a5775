import { describe, expect, it } from "vitest";
import type { Due, RunSummary } from "../src/api/types";
import { hoursOf, monthsAround, monthsOf } from "../src/layout/calendar";

const BERLIN = "Europe/Berlin";

function run(at: string, state: string, logical: string | null = null): RunSummary {
  return { id: at, state, created_at: at, started_at: at, logical_time: logical } as RunSummary;
}

function daysOf(months: ReturnType<typeof monthsOf>) {
  return months.flatMap((month) => month.weeks.flat()).filter((day) => day !== null);
}

describe("calendar", () => {
  it("has each day of its months once, in order, in weeks that begin on Monday", () => {
    const months = monthsOf([], [], monthsAround("2026-01-31", 2, 1), BERLIN);
    expect(months.map((month) => month.month)).toEqual(["2025-11", "2025-12", "2026-01", "2026-02"]);
    const days = daysOf(months).map((day) => day.day);
    expect(days).toHaveLength(30 + 31 + 31 + 28);
    expect(days).toEqual([...new Set(days)].sort());
    for (const week of months.flatMap((month) => month.weeks)) {
      expect(week).toHaveLength(7);
      week.forEach((day, place) => {
        if (day) expect((new Date(`${day.day}T12:00:00Z`).getUTCDay() + 6) % 7).toBe(place);
      });
    }
  });

  it("counts a run on the day that it is for, and else on the day it began, in the zone that is asked for", () => {
    const runs = [
      run("2026-11-23T23:30:00Z", "success"),
      run("2026-11-23T12:00:00Z", "failed"),
      run("2026-11-25T12:00:00Z", "success", "2026-11-20T05:00:00Z"),
    ];
    const due = [{ logical_time: "2026-11-30T23:10:00Z" } as Due];
    const counted = (zone: string) =>
      Object.fromEntries(
        daysOf(monthsOf(runs, due, ["2026-11", "2026-12"], zone))
          .filter((day) => day.planned || Object.keys(day.counts).length)
          .map((day) => [day.day, day.planned || day.counts]),
      );
    expect(counted("UTC")).toEqual({
      "2026-11-20": { success: 1 },
      "2026-11-23": { success: 1, failed: 1 },
      "2026-11-30": 1,
    });
    expect(counted(BERLIN)).toEqual({
      "2026-11-20": { success: 1 },
      "2026-11-23": { failed: 1 },
      "2026-11-24": { success: 1 },
      "2026-12-01": 1,
    });
  });

  it("tells the days on which the clocks are changed", () => {
    const long = (zone: string) =>
      daysOf(monthsOf([], [], monthsAround("2026-01-01", 0, 11), zone))
        .filter((day) => day.hours !== 24)
        .map((day) => [day.day, day.hours]);
    expect(long(BERLIN)).toEqual([
      ["2026-03-29", 23],
      ["2026-10-25", 25],
    ]);
    expect(long("UTC")).toEqual([]);
    expect(hoursOf("2026-11-01", "America/New_York")).toBe(25);
  });
});
