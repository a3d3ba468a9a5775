/** A log: what attempts wrote, in lines, and what is found in them. */
import type { LogEntry } from "../api/types";

export interface Line {
  key: string;
  at: string | null;
  stream: string;
  text: string;
}

export const CHUNK = 200;

export function lines(entries: readonly LogEntry[]): Line[] {
  return entries.flatMap((entry) =>
    entry.text
      .replace(/\n$/, "")
      .split("\n")
      .map((text, place) => ({
        key: `${entry.position}.${place}`,
        at: entry.at,
        stream: entry.stream,
        text: plain(text),
      })),
  );
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what terminals are told colours with
const COLOURS = /\u001b\[[0-9;?]*[A-Za-z]/g;

/** Without what is meant for a terminal. */
function plain(text: string): string {
  const shown = text.replace(COLOURS, "");
  const bar = shown.replace(/\r$/, "").lastIndexOf("\r");
  return bar >= 0 ? shown.slice(bar + 1) : shown;
}

/** The places of the lines that have a text in them, large and small letters alike. */
export function found(all: readonly Line[], text: string): number[] {
  const wanted = text.toLowerCase();
  return wanted
    ? all.flatMap((line, place) => (line.text.toLowerCase().includes(wanted) ? [place] : []))
    : [];
}

/** A text in pieces, every second of which is what is looked for. */
export function marked(text: string, wanted: string): string[] {
  if (!wanted) return [text];
  const pieces: string[] = [];
  const low = text.toLowerCase();
  const small = wanted.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(small); at >= 0; at = low.indexOf(small, from)) {
    pieces.push(text.slice(from, at), text.slice(at, at + wanted.length));
    from = at + wanted.length;
  }
  return [...pieces, text.slice(from)];
}

export function chunks<Item>(all: readonly Item[]): Item[][] {
  return Array.from({ length: Math.ceil(all.length / CHUNK) }, (_, place) =>
    all.slice(place * CHUNK, (place + 1) * CHUNK),
  );
}
