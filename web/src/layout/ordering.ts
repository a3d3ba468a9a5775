/** Units in columns, in an order in which few edges cross. What an edge passes on its way has a place there too. */
import type { Folded, Unit } from "./folding";

/** A unit, or the place where an edge passes a column. */
export interface Slot {
  key: string;
  unit: Unit | null;
  group: string | null;
}

export interface Ordered {
  columns: Slot[][];
  /** Of each edge the slots from its beginning to its end. */
  ways: { from: string; to: string; keys: string[] }[];
}

const ROUNDS = 8;
/** With more of them, ways are not kept apart: it would take long, and nobody could follow one anyway. */
const MOST_WAYS = 1500;

export function ordered(folded: Folded): Ordered {
  const layers = layersOf(folded);
  const columns: Slot[][] = layers.map((layer) =>
    layer.map((unit) => ({ key: unit.id, unit, group: unit.group })),
  );
  const layerOf = new Map(layers.flatMap((layer, place) => layer.map((unit) => [unit.id, place] as const)));
  const isFew = folded.edges.length < MOST_WAYS;
  const ways = folded.edges.map(([from, to]) => {
    const keys = [from];
    for (let layer = layerOf.get(from)! + 1; isFew && layer < layerOf.get(to)!; layer++) {
      const key = `${from}>${to}@${layer}`;
      columns[layer]!.push({ key, unit: null, group: null });
      keys.push(key);
    }
    return { from, to, keys: [...keys, to] };
  });
  arrange(
    columns,
    ways.flatMap((way) => way.keys.slice(1).map((key, place) => [way.keys[place]!, key] as [string, string])),
  );
  return { columns, ways };
}

/** Units by how many come before them on the longest way. */
export function layersOf(folded: Folded): Unit[][] {
  const below = new Map<string, string[]>(folded.units.map((unit) => [unit.id, []]));
  const waits = new Map<string, number>(folded.units.map((unit) => [unit.id, 0]));
  for (const [from, to] of folded.edges) {
    below.get(from)!.push(to);
    waits.set(to, waits.get(to)! + 1);
  }
  const layer = new Map<string, number>();
  let ready = folded.units.filter((unit) => waits.get(unit.id) === 0).map((unit) => unit.id);
  for (const id of ready) layer.set(id, 0);
  while (ready.length) {
    const next: string[] = [];
    for (const id of ready) {
      for (const one of below.get(id)!) {
        layer.set(one, Math.max(layer.get(one) ?? 0, layer.get(id)! + 1));
        waits.set(one, waits.get(one)! - 1);
        if (waits.get(one) === 0) next.push(one);
      }
    }
    ready = next;
  }
  // A folded group may stand before and after the same task: what is in such a circle is put at the end.
  const done = [...layer].filter(([id]) => waits.get(id) === 0);
  const last = Math.max(-1, ...done.map(([, place]) => place)) + 1;
  const columns: Unit[][] = [];
  for (const unit of folded.units) {
    const place = waits.get(unit.id) === 0 ? layer.get(unit.id)! : last;
    columns[place] ??= [];
    columns[place].push(unit);
  }
  return columns.filter(Boolean);
}

/** Orders each column by the middle of the neighbours, to and fro; groups stay together. */
function arrange(columns: Slot[][], edges: [string, string][]): void {
  const above = neighbours(edges.map(([from, to]) => [to, from]));
  const below = neighbours(edges);
  const place = new Map<string, number>();
  const note = (column: Slot[]) => {
    column.forEach((slot, row) => {
      place.set(slot.key, (row + 0.5) / column.length);
    });
  };
  columns.forEach(note);
  for (let round = 0; round < ROUNDS; round++) {
    const isDown = round % 2 === 0;
    for (const column of isDown ? columns : columns.toReversed()) {
      sortByMiddle(column, isDown ? above : below, place);
      note(column);
    }
  }
}

function sortByMiddle(column: Slot[], beside: Map<string, string[]>, place: Map<string, number>): void {
  const middle = new Map(
    column.map((slot) => [slot.key, mean(beside.get(slot.key), place) ?? place.get(slot.key)!]),
  );
  const block = (slot: Slot) => slot.group ?? slot.key;
  const members = new Map<string, number[]>();
  for (const slot of column)
    members.set(block(slot), [...(members.get(block(slot)) ?? []), middle.get(slot.key)!]);
  const ofBlock = new Map(
    [...members].map(([key, all]) => [key, all.reduce((sum, one) => sum + one, 0) / all.length]),
  );
  column.sort(
    (one, other) =>
      ofBlock.get(block(one))! - ofBlock.get(block(other))! ||
      block(one).localeCompare(block(other)) ||
      middle.get(one.key)! - middle.get(other.key)!,
  );
}

function mean(keys: string[] | undefined, place: Map<string, number>): number | null {
  if (!keys?.length) return null;
  return keys.reduce((sum, key) => sum + place.get(key)!, 0) / keys.length;
}

function neighbours(edges: [string, string][]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [from, to] of edges) {
    const list = found.get(from);
    if (list) list.push(to);
    else found.set(from, [to]);
  }
  return found;
}
