import { describe, expect, it } from "vitest";
import type { LogEntry } from "../src/api/types";
import { gathered } from "../src/layout/gathering";
import { found, lines, marked } from "../src/layout/lines";
import { valuesOf } from "../src/layout/schema";
import { bytes } from "../src/layout/sizes";
import { failing, parse, tail } from "../src/layout/traceback";
import { visible } from "../src/layout/window";

const TRACEBACK = `Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/penstock/executor/invoke.py", line 12, in invoke
    return function()
  File "/home/me/etl.py", line 31, in load
    rows = read(day)
           ^^^^^^^^^
  File "/usr/lib/python3.11/json/decoder.py", line 355, in decode
    raise error
KeyError: 'day'`;

describe("a traceback", () => {
  it("keeps the user's frames with their lines, and folds the others", () => {
    expect(parse(TRACEBACK).map((part) => part.kind)).toEqual(["text", "others", "frame", "others", "text"]);
    expect(failing(TRACEBACK)).toMatchObject({ file: "/home/me/etl.py", line: 31, name: "load" });
    expect(failing(TRACEBACK)!.code).toEqual(["rows = read(day)", "       ^^^^^^^^^"]);
    expect(parse(TRACEBACK).at(-1)).toEqual({ kind: "text", text: "KeyError: 'day'" });
  });
  it("shortens a file's path from its beginning", () => {
    expect(tail("/home/me/project/etl.py")).toBe("…/project/etl.py");
    expect(tail("etl.py")).toBe("etl.py");
  });
});

describe("a log", () => {
  const entry = (text: string, position: string): LogEntry => ({
    run: "r",
    task: "t",
    generation: 0,
    attempt: 1,
    at: null,
    stream: "stdout",
    text,
    position,
  });
  it("is read by lines, without what is meant for a terminal", () => {
    const all = lines([
      entry("one\ntwo\n", "0.1"),
      entry("\u001b[31mred\u001b[0m\n", "0.2"),
      entry("10 %\r20 %\n", "0.3"),
    ]);
    expect(all.map((line) => line.text)).toEqual(["one", "two", "red", "20 %"]);
    expect(new Set(all.map((line) => line.key)).size).toBe(4);
    expect(found(all, "T")).toEqual([1]);
    expect(found(all, "")).toEqual([]);
  });
  it("is marked where something is found", () => {
    expect(marked("Row and row", "row")).toEqual(["", "Row", " and ", "row", ""]);
    expect(marked("abc", "")).toEqual(["abc"]);
  });
});

describe("a form", () => {
  const schema = {
    properties: {
      day: { type: "string", format: "date" },
      count: { type: "integer", minimum: 1 },
      deep: {},
      full: { type: "boolean" },
    },
    required: ["day"],
  };
  it("gives values of the right types and leaves out what has a default", () => {
    const { values, wrong } = valuesOf(schema, { day: "2026-11-23", count: "3", deep: "[1]", full: "" });
    expect([values, wrong]).toEqual([{ day: "2026-11-23", count: 3, deep: [1] }, {}]);
  });
  it("says beside each what is wrong", () => {
    const { wrong } = valuesOf(schema, { day: "", count: "0", deep: "{" });
    expect(wrong).toEqual({ day: "is needed", count: "is at least 1", deep: "is no JSON" });
    expect(valuesOf(schema, { day: "x", count: "1.5" }).wrong).toEqual({ count: "is a whole number" });
  });
});

it("tells instances of a map of which the same holds in one line", () => {
  const again = (id: string, map_index: number | null, because: string) => ({
    id,
    map_index,
    state: "success",
    because,
  });
  const told = gathered([again("a", null, "x"), again("m", 0, "x"), again("m", 1, "x"), again("m", 2, "y")]);
  expect(told.map((one) => one.name)).toEqual(["a", "m, 2 instances", "m[2]"]);
});

it("tells sizes", () => {
  expect([bytes(3), bytes(1500), bytes(25_000_000)]).toEqual(["3 B", "1.5 kB", "25 MB"]);
});

it("makes only the rows in sight, wherever the list stands", () => {
  for (const top of [5000, 300, 0, -100, -35_000, -400_000]) {
    const { first, last } = visible(10_000, 36, top, 900);
    expect(0 <= first && first <= last && last <= 10_000).toBe(true);
    expect(last - first).toBeLessThan(60);
    const isInSight = (row: number) => top + row * 36 < 900 && top + (row + 1) * 36 > 0;
    for (const row of [0, 5, 990, 9999]) if (isInSight(row)) expect(first <= row && row < last).toBe(true);
  }
});
