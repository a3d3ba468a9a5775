import { describe, expect, it } from "vitest";
import type { Past } from "../src/api/types";
import { columnsOf } from "../src/layout/history";

function past(
  run: string,
  waited: number | null,
  duration: number | null,
  memory: number | null = null,
): Past {
  return { run, state: "success", waited, duration, memory, tries: [] } as unknown as Past;
}

describe("a task over its history", () => {
  it("is drawn in parts of the longest, waiting and running together", () => {
    const { columns, longest, most } = columnsOf([
      past("a", 1, 3, 50),
      past("b", 0, 2, 100),
      past("c", null, null),
    ]);
    expect(longest).toBe(4);
    expect(most).toBe(100);
    expect(columns.map((one) => [one.waited, one.ran, one.memory])).toEqual([
      [0.25, 0.75, 0.5],
      [0, 0.5, 1],
      [0, 0, 0],
    ]);
  });

  it("has no memory where none was measured", () => {
    expect(columnsOf([past("a", 0, 1)]).most).toBe(0);
    expect(columnsOf([]).columns).toEqual([]);
  });
});
