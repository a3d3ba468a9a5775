import { describe, expect, it } from "vitest";
import { messageOf, pythonOf, quoted } from "../src/layout/commands";
import { pieces } from "../src/layout/told";

describe("commands", () => {
  it("are quoted as a shell needs it", () => {
    expect(quoted("day=2026-11-22")).toBe("day=2026-11-22");
    expect(quoted("it's $HOME")).toBe(`'it'\\''s $HOME'`);
    expect(quoted("")).toBe("''");
  });

  it("take a message for JSON where it is", () => {
    expect(messageOf('{"eur": 1.08}')).toEqual({ value: { eur: 1.08 }, isText: false });
    expect(messageOf("go on")).toEqual({ value: "go on", isText: true });
  });
});

describe("the same in Python", () => {
  it("imports the workflow from its file and writes values as Python does", () => {
    const text = pythonOf("/srv/flows/sales.py:sales_etl", "sales", {
      day: "2026-11-22",
      full: true,
      none: null,
      many: [1, "a", { b: false }],
    });
    expect(text).toContain("from sales import sales_etl\n");
    expect(text).toContain(
      'manager.run(sales_etl, day="2026-11-22", full=True, none=None, many=[1, "a", {"b": False}])',
    );
  });

  it("is not told where nobody knows what to import", () => {
    expect(pythonOf(null, "sales", {})).toBeNull();
    expect(pythonOf("/srv/my flows.py", "sales", {})).toBeNull();
  });
});

describe("sentences", () => {
  it("come in pieces, every second of which is a time", () => {
    expect(pieces("Attempt 1 began at 2026-11-23T14:25:02Z, since")).toEqual([
      "Attempt 1 began at ",
      "2026-11-23T14:25:02Z",
      ", since",
    ]);
    expect(pieces("no time in it")).toEqual(["no time in it"]);
  });
});
