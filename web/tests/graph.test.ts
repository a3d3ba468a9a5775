import { describe, expect, it } from "vitest";
import { fold } from "../src/layout/folding";
import { draw, HEIGHT } from "../src/layout/graph";
import { layersOf, ordered } from "../src/layout/ordering";
import { graph, node, random } from "./graphs";

const NONE = new Set<string>();

describe("folding", () => {
  it("draws many alike as one, and those of them that failed by name", () => {
    const wide = Array.from({ length: 500 }, (_, number) =>
      node(`page_${number}`, ["first"], { state: number === 77 ? "failed" : "success" }),
    );
    const folded = fold(
      graph([
        node("first"),
        ...wide,
        node(
          "last",
          wide.map((one) => one.id),
        ),
      ]),
      NONE,
    );
    expect(folded.units.map((unit) => unit.label)).toEqual([
      "first",
      "page_77",
      "499 tasks like page_0",
      "last",
    ]);
    expect(folded.units[2]!.counts).toEqual({ success: 499 });
    expect(folded.edges).toHaveLength(4);
  });

  it("draws a closed group as one with the counts of all in it, of maps their instances", () => {
    const tasks = [
      node("in.a", [], { group: "in" }),
      node("in.b", ["in.a"], { group: "in", mapped: true, counts: { success: 18, failed: 2 } }),
      node("out", ["in.b"]),
    ];
    const folded = fold(graph(tasks, ["in"]), new Set(["in"]));
    expect(folded.units[0]).toMatchObject({
      id: "in",
      kind: "group",
      state: "failed",
      counts: { success: 19, failed: 2 },
    });
    expect(folded.edges).toEqual([["in", "out"]]);
  });

  it("finds a home for every task, whatever is closed", () => {
    for (let seed = 1; seed < 40; seed++) {
      const one = random(seed, 30);
      for (const closed of [NONE, new Set(["g0"]), new Set(["g0", "g1", "g2"])]) {
        const folded = fold(one, closed);
        const ids = new Set(folded.units.map((unit) => unit.id));
        expect(one.tasks.every((task) => ids.has(folded.home.get(task.id)!))).toBe(true);
        expect(folded.edges.every(([from, to]) => ids.has(from) && ids.has(to) && from !== to)).toBe(true);
      }
    }
  });
});

describe("layers", () => {
  it("put each after all that it comes after", () => {
    for (let seed = 1; seed < 40; seed++) {
      const folded = fold(random(seed, 40), NONE);
      const layer = new Map(
        layersOf(folded).flatMap((units, place) => units.map((unit) => [unit.id, place])),
      );
      for (const [from, to] of folded.edges) expect(layer.get(from)!).toBeLessThan(layer.get(to)!);
    }
  });

  it("end also where folded groups make a circle", () => {
    const tasks = [
      node("g.a", [], { group: "g" }),
      node("between", ["g.a"]),
      node("g.b", ["between"], { group: "g" }),
      node("free"),
    ];
    const folded = fold(graph(tasks, ["g"]), new Set(["g"]));
    expect(layersOf(folded).flat()).toHaveLength(3);
    expect(draw(folded).nodes).toHaveLength(3);
  });

  it("keep the ways of long edges clear of what stands between", () => {
    const folded = fold(graph([node("a"), node("b", ["a"]), node("c", ["b"]), node("d", ["a", "c"])]), NONE);
    const way = ordered(folded).ways.find((one) => one.from === "a" && one.to === "d")!;
    expect(way.keys).toHaveLength(4);
  });
});

describe("a drawing", () => {
  it("has no two nodes in the same place, and all of them inside", () => {
    for (let seed = 1; seed < 40; seed++) {
      const drawing = draw(fold(random(seed, 40), NONE));
      for (const [place, one] of drawing.nodes.entries()) {
        expect(one.x).toBeGreaterThanOrEqual(0);
        expect(one.y).toBeGreaterThanOrEqual(0);
        expect(one.x + one.width).toBeLessThanOrEqual(drawing.width);
        expect(one.y + HEIGHT).toBeLessThanOrEqual(drawing.height);
        for (const other of drawing.nodes.slice(place + 1)) {
          const apart =
            one.x + one.width <= other.x ||
            other.x + other.width <= one.x ||
            Math.abs(one.y - other.y) >= HEIGHT;
          expect(apart, `${one.id} and ${other.id} of graph ${seed}`).toBe(true);
        }
      }
    }
  });

  it("boxes a group only where nothing else stands in it", () => {
    for (let seed = 1; seed < 40; seed++) {
      const drawing = draw(fold(random(seed, 25), NONE));
      for (const box of drawing.boxes) {
        for (const one of drawing.nodes.filter((each) => each.group !== box.id)) {
          const apart =
            one.x + one.width <= box.x ||
            box.x + box.width <= one.x ||
            one.y + HEIGHT <= box.y ||
            box.y + box.height <= one.y;
          expect(apart).toBe(true);
        }
      }
    }
  });

  it("of ten thousand tasks side by side is made at once and has few nodes", () => {
    const wide = Array.from({ length: 10_000 }, (_, number) => node(`t${number}`, ["first"]));
    expect(draw(fold(graph([node("first"), ...wide]), NONE)).nodes).toHaveLength(2);
  });
});
