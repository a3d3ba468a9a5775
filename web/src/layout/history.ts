/** A task over the runs of its workflow: how long it waited and ran in each, and how much memory it took. */
import type { Past } from "../api/types";

export interface Column {
  past: Past;
  /** Parts of the tallest of all, from 0 to 1. */
  ran: number;
  waited: number;
  memory: number;
}

export interface Columns {
  columns: Column[];
  /** Seconds of the longest of all, waiting and running together. */
  longest: number;
  /** Bytes; 0 where nothing was measured. */
  most: number;
}

export function columnsOf(pasts: readonly Past[]): Columns {
  const longest = Math.max(0.001, ...pasts.map((one) => (one.duration ?? 0) + (one.waited ?? 0)));
  const most = Math.max(0, ...pasts.map((one) => one.memory ?? 0));
  const columns = pasts.map((past) => ({
    past,
    ran: (past.duration ?? 0) / longest,
    waited: (past.waited ?? 0) / longest,
    memory: most ? (past.memory ?? 0) / most : 0,
  }));
  return { columns, longest, most };
}
