/** Places for the units of a graph: columns by what comes before, as wide as their names, in rows that follow their neighbours. */
import type { Folded, Unit } from "./folding";
import { type Ordered, ordered, type Slot } from "./ordering";
import { type Area, overlap } from "./window";

export const HEIGHT = 46;
const WIDTH = { least: 104, most: 216, letter: 7.6, around: 46 };
const GAP = { column: 46, row: 16 };
const PASSING = 10;
const MARGIN = 20;
const PAD = { side: 10, top: 26, bottom: 10 };

export interface Placed extends Unit {
  x: number;
  y: number;
  width: number;
}

export interface Edge {
  from: string;
  to: string;
  path: string;
  /** What it is within. */
  area: Area;
}

export interface Box extends Area {
  id: string;
}

export interface Drawing {
  nodes: Placed[];
  edges: Edge[];
  boxes: Box[];
  width: number;
  height: number;
}

interface Spot {
  x: number;
  /** Its middle. */
  y: number;
  width: number;
}

export function draw(folded: Folded): Drawing {
  const order = ordered(folded);
  const widths = order.columns.map(widthOf);
  const rows = rowsOf(order);
  const spots = new Map<string, Spot>();
  let x = MARGIN;
  order.columns.forEach((column, place) => {
    for (const slot of column) spots.set(slot.key, { x, y: rows.get(slot.key)!, width: widths[place]! });
    x += widths[place]! + GAP.column;
  });
  const nodes = folded.units.map((unit) => {
    const spot = spots.get(unit.id)!;
    return { ...unit, x: spot.x, y: spot.y - HEIGHT / 2, width: spot.width };
  });
  const boxes = boxesOf(nodes);
  let [top, bottom] = [0, 0];
  for (const node of nodes) [top, bottom] = [Math.min(top, node.y), Math.max(bottom, node.y + HEIGHT)];
  for (const { y } of spots.values()) [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  for (const box of boxes) [top, bottom] = [Math.min(top, box.y), Math.max(bottom, box.y + box.height)];
  const lift = MARGIN - top;
  for (const one of [...nodes, ...boxes]) one.y += lift;
  for (const spot of spots.values()) spot.y += lift;
  const edges = order.ways.map(({ from, to, keys }) => {
    const way = keys.map((key) => spots.get(key)!);
    return { from, to, path: curve(way), area: areaOf(way) };
  });
  return { nodes, edges, boxes, width: Math.max(0, x - GAP.column) + MARGIN, height: bottom + lift + MARGIN };
}

function widthOf(column: Slot[]): number {
  const longest = Math.max(0, ...column.map((slot) => (slot.unit ? labelOf(slot.unit) : 0)));
  return Math.min(WIDTH.most, Math.max(WIDTH.least, Math.ceil(longest * WIDTH.letter) + WIDTH.around));
}

/** How many letters a unit needs. */
function labelOf(unit: Unit): number {
  return unit.counts && unit.kind !== "task" ? Math.max(unit.label.length, 18) : unit.label.length;
}

/** The same drawing of units of which only the states are others; null if more is other than that. */
export function redrawn(drawing: Drawing, folded: Folded): Drawing | null {
  const isLike =
    drawing.nodes.length === folded.units.length &&
    drawing.edges.length === folded.edges.length &&
    drawing.nodes.every((node, place) => {
      const unit = folded.units[place]!;
      return node.id === unit.id && node.group === unit.group && node.label === unit.label;
    }) &&
    drawing.edges.every(({ from, to }, place) => {
      const edge = folded.edges[place]!;
      return from === edge[0] && to === edge[1];
    });
  if (!isLike) return null;
  const nodes = drawing.nodes.map(({ x, y, width }, place) => ({ ...folded.units[place]!, x, y, width }));
  return { ...drawing, nodes };
}

/** The middles of all slots: each as near to those before it as its neighbours in the column let it. */
function rowsOf(order: Ordered): Map<string, number> {
  const above = new Map<string, string[]>();
  for (const { keys } of order.ways) {
    keys.slice(1).forEach((key, place) => {
      above.set(key, [...(above.get(key) ?? []), keys[place]!]);
    });
  }
  const rows = new Map<string, number>();
  const tallest = Math.max(0, ...order.columns.map((column) => offsets(column).at(-1) ?? 0));
  for (const column of order.columns) {
    const from = offsets(column);
    const start = (tallest - (from.at(-1) ?? 0)) / 2;
    const wanted = column.map((slot, place) => {
      const before = (above.get(slot.key) ?? []).map((key) => rows.get(key)!);
      return before.length ? before.reduce((sum, one) => sum + one, 0) / before.length : start + from[place]!;
    });
    settle(wanted, from).forEach((y, place) => {
      rows.set(column[place]!.key, y);
    });
  }
  return rows;
}

/** How far below the first of a column each of it is at least. */
function offsets(column: Slot[]): number[] {
  let y = 0;
  return column.map((slot, place) => {
    const before = column[place - 1];
    if (before) {
      const isOther = before.group !== slot.group;
      const room =
        before.unit && slot.unit
          ? HEIGHT + GAP.row + (isOther ? PAD.top + PAD.bottom - 8 : 0)
          : HEIGHT / 2 + PASSING + 12;
      y +=
        before.unit || slot.unit ? room + (isOther && !(before.unit && slot.unit) ? PAD.bottom : 0) : PASSING;
    }
    return y;
  });
}

/** What is nearest to what is wanted and keeps the order and the distances: the middle of each run that collides. */
function settle(wanted: number[], from: number[]): number[] {
  const blocks: { sum: number; count: number }[] = [];
  wanted.forEach((y, place) => {
    blocks.push({ sum: y - from[place]!, count: 1 });
    for (let last = blocks.length - 1; last > 0; last--) {
      const one = blocks[last]!;
      const before = blocks[last - 1]!;
      if (before.sum / before.count <= one.sum / one.count) break;
      blocks.splice(last - 1, 2, { sum: before.sum + one.sum, count: before.count + one.count });
    }
  });
  const flat = blocks.flatMap((block) => new Array<number>(block.count).fill(block.sum / block.count));
  return flat.map((base, place) => base + from[place]!);
}

function curve(spots: Spot[]): string {
  const first = spots[0]!;
  let path = `M${first.x + first.width} ${round(first.y)}`;
  let x = first.x + first.width;
  let y = first.y;
  spots.slice(1).forEach((spot, place) => {
    const bend = (spot.x - x) / 2;
    path += `C${round(x + bend)} ${round(y)} ${round(spot.x - bend)} ${round(spot.y)} ${spot.x} ${round(spot.y)}`;
    if (place < spots.length - 2) path += `H${spot.x + spot.width}`;
    x = spot.x + spot.width;
    y = spot.y;
  });
  return path;
}

function areaOf(way: Spot[]): Area {
  const x = Math.min(...way.map((spot) => spot.x));
  const y = Math.min(...way.map((spot) => spot.y));
  const right = Math.max(...way.map((spot) => spot.x + spot.width));
  return { x, y, width: right - x, height: Math.max(1, Math.max(...way.map((spot) => spot.y)) - y) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Boxes around the groups that nothing else stands in. */
function boxesOf(nodes: Placed[]): Box[] {
  const groups = new Map<string, Placed[]>();
  for (const node of nodes)
    if (node.group !== null) groups.set(node.group, [...(groups.get(node.group) ?? []), node]);
  const boxes = [...groups].map(([id, members]) => {
    const x = Math.min(...members.map((node) => node.x)) - PAD.side;
    const right = Math.max(...members.map((node) => node.x + node.width)) + PAD.side;
    const y = Math.min(...members.map((node) => node.y)) - PAD.top;
    const bottom = Math.max(...members.map((node) => node.y)) + HEIGHT + PAD.bottom;
    return { id, x, y, width: right - x, height: bottom - y };
  });
  const isClean = (box: Box) =>
    !nodes.some((node) => node.group !== box.id && overlap(box, { ...node, height: HEIGHT })) &&
    !boxes.some((other) => other !== box && overlap(box, other));
  return boxes.filter(isClean);
}
