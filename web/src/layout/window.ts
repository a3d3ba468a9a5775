/** Which rows of a long list are to be seen. */

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
