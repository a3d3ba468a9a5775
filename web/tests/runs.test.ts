import { describe, expect, it } from "vitest";
import type { Grid, RunDetail, RunUpdate, Task } from "../src/api/types";
import { lines, stateOf } from "../src/layout/grid";
import { merge, nameOf } from "../src/layout/merging";
import { byUrgency } from "../src/states";
import { graph, node } from "./graphs";

function task(id: string, state: string, map_index: number | null = null): Task {
  return { id, map_index, map_name: null, state, attempts: 1, error: null, reason: null, usual: 3 } as Task;
}

describe("a run with what its stream has told", () => {
  const run = {
    state: "running",
    counts: { running: 1, pending: 1 },
    tasks: [task("a", "running"), task("b", "pending")],
    graph: graph([
      node("a", [], { state: "running" }),
      node("b", ["a"], { state: "pending" }),
      node("m", [], { mapped: true }),
    ]),
    attempts: [{ task: "a", generation: 0, attempt: 1, state: "running" }],
    position: 4,
    workflow: "etl",
  } as unknown as RunDetail;
  const told = {
    run: { state: "failed", counts: { success: 1, failed: 1 }, error: "no" },
    position: 9,
    reload: false,
    tasks: [{ ...task("a", "success"), usual: null }, task("m", "failed", 2), task("m", "success", 3)],
    maps: { m: { success: 1, failed: 1 } },
    attempts: [
      { task: "a", generation: 0, attempt: 1, state: "success" },
      { task: "m[2]", generation: 0, attempt: 1, state: "failed" },
    ],
  } as unknown as RunUpdate;
  const after = merge(run, told);

  it("has its new state, and keeps what was not told", () => {
    expect(after).toMatchObject({ state: "failed", error: "no", position: 9, workflow: "etl" });
  });
  it("has its tasks once each, and of maps those that need somebody", () => {
    expect(after.tasks.map((one) => [nameOf(one), one.state, one.usual])).toEqual([
      ["a", "success", 3],
      ["b", "pending", 3],
      ["m[2]", "failed", 3],
    ]);
    expect(after.attempts!.map((one) => one.state)).toEqual(["success", "failed"]);
  });
  it("has the states in its graph too", () => {
    expect(after.graph!.tasks.map((one) => one.state)).toEqual(["success", "pending", "success"]);
    expect(after.graph!.tasks[2]!.counts).toEqual({ success: 1, failed: 1 });
    expect(run.graph!.tasks[0]!.state).toBe("running");
  });
});

describe("the lines of a grid", () => {
  const names = Array.from({ length: 80 }, (_, place) => `${place < 40 ? "one" : "two"}.t${place}`);
  const states = names.map((_, place) => (place === 50 ? "failed" : "success"));
  const grid = {
    tasks: names,
    groups: names.map((name) => name.slice(0, 3)),
    runs: [{ states }],
  } as unknown as Grid;

  it("open a group in which the newest run failed by itself, and no other where there are many", () => {
    const all = lines(grid, new Map());
    expect(all.filter((line) => line.kind === "group").map((line) => [line.name, line.open])).toEqual([
      ["one", false],
      ["two", true],
    ]);
    expect(all).toHaveLength(2 + 40);
    expect(stateOf(all[0]!, states)).toBe("success");
    expect(stateOf(all[1]!, states)).toBe("failed");
  });
  it("are as somebody chose", () => {
    expect(
      lines(
        grid,
        new Map([
          ["one", true],
          ["two", false],
        ]),
      ),
    ).toHaveLength(2 + 40);
    expect(
      stateOf(
        lines(grid, new Map())[0]!,
        names.map(() => null),
      ),
    ).toBeNull();
  });
});

it("tells what needs somebody first", () => {
  expect(byUrgency({ success: 3, failed: 1, skipped: 0, running: 2 })).toEqual([
    ["failed", 1],
    ["running", 2],
    ["success", 3],
  ]);
});
