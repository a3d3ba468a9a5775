import { describe, expect, it } from "vitest";
import type { Attempt } from "../src/api/types";
import { base, gantt } from "../src/layout/gantt";
import { graph, node } from "./graphs";

const START = Date.UTC(2026, 10, 23);
const at = (seconds: number | null) =>
  seconds === null ? null : new Date(START + seconds * 1000).toISOString();

function attempt(task: string, from: number, to: number | null, more: Partial<Attempt> = {}): Attempt {
  return {
    task,
    generation: 0,
    attempt: 1,
    state: to === null ? "running" : "success",
    because: null,
    started_at: at(from),
    ended_at: at(to),
    duration: null,
    cpu: null,
    memory: null,
    error: null,
    ...more,
  };
}

describe("gantt", () => {
  it("keeps waiting for a worker, running and waiting for another try apart", () => {
    const tasks = graph([node("a"), node("b", ["a"])]);
    const attempts = [
      attempt("a", 1, 3),
      attempt("b", 5, 6, { state: "failed" }),
      attempt("b", 9, 10, { attempt: 2 }),
    ];
    const chart = gantt(tasks, attempts, ["a", "b"], { started_at: at(0), ended_at: at(10) }, START);
    expect(chart.seconds).toBe(10);
    expect(chart.rows.map((row) => row.bars.map((bar) => [bar.piece, bar.from, bar.to, bar.state]))).toEqual([
      [
        ["waiting", 0, 1, "ready"],
        ["running", 1, 3, "success"],
      ],
      [
        ["waiting", 3, 5, "ready"],
        ["running", 5, 6, "failed"],
        ["backoff", 6, 9, "ready"],
        ["running", 9, 10, "success"],
      ],
    ]);
    expect(chart.rows.every((row) => row.critical)).toBe(true);
  });

  it("draws a map as one band of how many ran at each time", () => {
    const tasks = graph([node("each", [], { mapped: true })]);
    const attempts = [
      attempt("each[0]", 0, 4),
      attempt("each[1]", 2, 4),
      attempt("each[2]", 2, 3, { state: "failed" }),
    ];
    const [row] = gantt(tasks, attempts, ["each[1]"], { started_at: at(0), ended_at: at(4) }, START).rows;
    expect(row).toMatchObject({
      task: "each",
      critical: true,
      band: { from: 0, to: 4, most: 3, failed: [3] },
    });
    expect(row!.band!.heights[0]).toBe(1);
    expect(Math.max(...row!.band!.heights)).toBe(3);
  });

  it("draws what goes on up to now", () => {
    const chart = gantt(
      graph([node("a")]),
      [attempt("a", 1, null)],
      [],
      { started_at: at(0), ended_at: null },
      START + 7000,
    );
    expect(chart.seconds).toBe(7);
    expect(chart.rows[0]!.bars.at(-1)).toMatchObject({ piece: "running", from: 1, to: 7, state: "running" });
  });

  it("knows the task of an instance", () => {
    expect([base("load[3]"), base("load"), base("[x]")]).toEqual(["load", "load", "[x]"]);
  });
});
