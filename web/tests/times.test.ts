import { describe, expect, it } from "vitest";
import { clock, duration, exact, relative, ticks } from "../src/layout/times";

describe("duration", () => {
  it.each([
    [0, "0 ms"],
    [0.0184, "18 ms"],
    [0.9996, "1.0 s"],
    [2.44, "2.4 s"],
    [9.96, "10 s"],
    [59.7, "1 min"],
    [65, "1 min 5 s"],
    [3599.8, "1 h"],
    [12_000, "3 h 20 min"],
    [86_399, "1 d"],
    [90_000, "1 d 1 h"],
  ])("tells %f seconds as %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it("never tells 60 of a unit that has a larger one", () => {
    for (let seconds = 0.001; seconds < 200_000; seconds *= 1.013) {
      expect(duration(seconds)).not.toMatch(/\b(60 s|60 min|24 h|1000 ms)\b/);
    }
  });
});

describe("times", () => {
  const now = Date.UTC(2026, 10, 23, 12);
  it("are told from now", () => {
    expect(relative(now - 500, now)).toBe("now");
    expect(relative(now - 61_000, now)).toBe("1 min ago");
    expect(relative(now + 3 * 86_400_000, now)).toBe("in 3 d");
  });
  it("are told by the clock of a zone, with the day where that is another", () => {
    expect(clock(now, now, "Europe/Berlin")).toBe("13:00:00");
    expect(clock(now + 86_400_000, now, "Europe/Berlin")).toBe("2026-11-24 13:00");
    expect(exact(now, "Europe/Berlin")).toMatch(/^2026-11-23 13:00:00 (CET|GMT\+1)$/);
  });
});

describe("ticks", () => {
  it("are round, begin at 0, end before the end and are never too many", () => {
    for (let seconds = 0.002; seconds < 1e6; seconds *= 1.7) {
      const marks = ticks(seconds, 6);
      expect(marks[0]).toBe(0);
      expect(marks.length).toBeLessThanOrEqual(7);
      expect(marks.at(-1)).toBeLessThanOrEqual(seconds + 1e-6);
    }
  });
});
