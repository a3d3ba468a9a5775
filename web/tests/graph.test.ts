import { describe, expect, it } from "vitest";
import { fold } from "../src/layout/folding";
import { draw, HEIGHT, redrawn } from "../src/layout/graph";
import { layersOf, ordered } from "../src/layout/ordering";
import { around, overlap } from "../src/layout/window";
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

describe("a drawing that is looked at", () => {
  it("stays where it is while only states change, and is made anew otherwise", () => {
    const one = random(5, 30);
    const drawing = draw(fold(one, NONE));
    const failed = graph(
      one.tasks.map((task) => ({ ...task, state: "running" })),
      ["g0", "g1", "g2"],
    );
    const again = redrawn(drawing, fold(failed, NONE))!;
    expect(again.nodes.map(({ id, x, y }) => [id, x, y])).toEqual(
      drawing.nodes.map(({ id, x, y }) => [id, x, y]),
    );
    expect(again.nodes.every((placed) => placed.state === "running")).toBe(true);
    expect(redrawn(drawing, fold(one, new Set(["g0"])))).toBeNull();
    expect(redrawn(drawing, fold(random(6, 30), NONE))).toBeNull();
  });

  it("is drawn where it is in sight: nothing that can be seen is left out", () => {
    const drawing = draw(fold(random(7, 200), NONE));
    for (let x = 0; x < drawing.width; x += 130) {
      const sight = { x, y: x / 3, width: 300, height: 200 };
      const drawn = around(sight, 400);
      for (const placed of drawing.nodes) {
        const area = { x: placed.x, y: placed.y, width: placed.width, height: HEIGHT };
        if (overlap(sight, area)) expect(overlap(drawn, area)).toBe(true);
      }
      for (const edge of drawing.edges)
        if (overlap(sight, edge.area)) expect(overlap(drawn, edge.area)).toBe(true);
    }
  });

  it("knows what each of its edges is within", () => {
    const drawing = draw(fold(random(8, 60), NONE));
    for (const { path, area } of drawing.edges) {
      const numbers = [...path.matchAll(/-?\d+(?:\.\d+)?/g)].map(Number);
      const isFlat = path.includes("H");
      if (isFlat) continue;
      numbers.forEach((value, place) => {
        const [from, size] = place % 2 ? [area.y, area.height] : [area.x, area.width];
        expect(value).toBeGreaterThanOrEqual(from - 0.1);
        expect(value).toBeLessThanOrEqual(from + size + 0.1);
      });
    }
  });
});
