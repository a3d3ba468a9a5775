import { useState } from "preact/hooks";

/** The same as a command or a program, for those who have rather that. */
export function Copy({ text, as }: { text: string; as: string }) {
  const [isDone, setDone] = useState(false);
  const copy = () => navigator.clipboard?.writeText(text).then(() => setDone(true));
  return (
    <button type="button" class="button" onClick={copy} onBlur={() => setDone(false)}>
      {isDone ? "Copied" : `Copy as ${as}`}
    </button>
  );
}
