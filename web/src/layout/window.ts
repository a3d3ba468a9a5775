/** Which rows of a long list, and which parts of a large picture, are to be seen. */

export interface Window {
  first: number;
  last: number;
}

const AROUND = 12;

/** Rows of one height in a list whose top is at `top` of the viewport. */
export function visible(count: number, height: number, top: number, viewport: number): Window {
  const first = Math.max(0, Math.floor(-top / height) - AROUND);
  const last = Math.min(count, Math.ceil((viewport - top) / height) + AROUND);
  return { first: Math.min(first, count), last: Math.max(last, Math.min(first, count)) };
}

export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

const MARGIN = 360;

/** What is to be drawn of a picture of which an area is in sight: that and what is around it, in steps, so that a small
 * move changes nothing. */
export function around(sight: Area, step: number): Area {
  const x = (Math.floor(sight.x / step) - Math.ceil(MARGIN / step)) * step;
  const y = (Math.floor(sight.y / step) - Math.ceil(MARGIN / step)) * step;
  const right = (Math.ceil((sight.x + sight.width) / step) + Math.ceil(MARGIN / step)) * step;
  const bottom = (Math.ceil((sight.y + sight.height) / step) + Math.ceil(MARGIN / step)) * step;
  return { x, y, width: right - x, height: bottom - y };
}

export function overlap(one: Area, other: Area): boolean {
  return (
    one.x < other.x + other.width &&
    other.x < one.x + one.width &&
    one.y < other.y + other.height &&
    other.y < one.y + one.height
  );
}

export function isSame(one: Area, other: Area): boolean {
  return one.x === other.x && one.y === other.y && one.width === other.width && one.height === other.height;
}
