import { plural } from "../../layout/sizes";
import { type Frame, parse, tail } from "../../layout/traceback";

/** A traceback: the user's frames open, those of others folded, the message at its end. */
export function Traceback({ text }: { text: string }) {
  const parts = parse(text);
  const last = parts.findLast((part) => part.kind === "frame");
  return (
    <div class="trace">
      {parts.map((part, place) => {
        if (part.kind === "frame") return <One key={place} frame={part.frame} failing={part === last} />;
        if (part.kind === "text")
          return part.text.startsWith("Traceback") ? null : <Message key={place} text={part.text} />;
        return (
          <details key={place}>
            <summary>{plural(part.frames.length, "frame")} of Penstock and other packages</summary>
            {part.frames.map((frame, index) => (
              <One key={index} frame={frame} failing={false} />
            ))}
          </details>
        );
      })}
    </div>
  );
}

function Message({ text }: { text: string }) {
  return <div class="text">{text}</div>;
}

function One({ frame, failing }: { frame: Frame; failing: boolean }) {
  return (
    <div class={failing ? "frame failing" : "frame"}>
      <span class="place" title={frame.file}>
        {tail(frame.file)}:{frame.line} in {frame.name}
      </span>
      {frame.code.length > 0 && <code class="code-line">{frame.code.join("\n")}</code>}
    </div>
  );
}
