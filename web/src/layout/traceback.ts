/** A traceback of Python in frames: the user's own stay open, those of others are folded. */

export interface Frame {
  file: string;
  line: number;
  name: string;
  code: string[];
  own: boolean;
}

export type Part =
  | { kind: "text"; text: string }
  | { kind: "frame"; frame: Frame }
  | { kind: "others"; frames: Frame[] };

const HEAD = /^\s*File "([^"]+)", line (\d+)(?:, in (.+))?$/;
const OTHERS = /site-packages|\/penstock\/|\/lib\/python3|^<|\/concurrent\/futures\//;

export function parse(traceback: string): Part[] {
  const parts: Part[] = [];
  let frame: Frame | null = null;
  for (const line of traceback.replace(/\n$/, "").split("\n")) {
    const head = HEAD.exec(line);
    if (head) {
      frame = {
        file: head[1]!,
        line: Number(head[2]),
        name: head[3] ?? "",
        code: [],
        own: !OTHERS.test(head[1]!),
      };
      add(parts, frame);
    } else if (frame && /^ {4}/.test(line)) {
      frame.code.push(line.slice(4));
    } else {
      frame = null;
      const before = parts.at(-1);
      if (before?.kind === "text") before.text += `\n${line}`;
      else parts.push({ kind: "text", text: line });
    }
  }
  return parts;
}

function add(parts: Part[], frame: Frame): void {
  const before = parts.at(-1);
  if (frame.own) parts.push({ kind: "frame", frame });
  else if (before?.kind === "others") before.frames.push(frame);
  else parts.push({ kind: "others", frames: [frame] });
}

/** The user's line that failed: the last of their own frames. */
export function failing(traceback: string): Frame | null {
  const frames = parse(traceback).flatMap((part) => (part.kind === "frame" ? [part.frame] : []));
  return frames.at(-1) ?? null;
}

/** The last folders of a file's path, enough to know it. */
export function tail(file: string, most = 2): string {
  const pieces = file.split("/").filter(Boolean);
  return pieces.length <= most ? file : `…/${pieces.slice(-most).join("/")}`;
}
