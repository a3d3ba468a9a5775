import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import type { Attempt, TaskDetail } from "../../api/types";
import { chunks, found, type Line, lines, marked } from "../../layout/lines";
import { plural } from "../../layout/sizes";
import { clock, millis, shortZone } from "../../layout/times";
import { Empty, Problem } from "../../parts/Notice";
import { useZone } from "../../parts/Zone";
import { Traceback } from "./Traceback";
import { useLog } from "./useLog";

interface Props {
  task: TaskDetail;
  attempt: Attempt | undefined;
  title?: string;
}

/** What an attempt wrote. It opens at the error, or at its end while it goes on; one searches and follows. */
export function Log({ task, attempt, title = "Log" }: Props) {
  const id = useId();
  const isRunning = attempt?.ended_at === null;
  const { entries, error, more } = useLog(task.run, task.name, attempt);
  const zone = useZone();
  const [text, setText] = useState("");
  const [place, setPlace] = useState(0);
  const [follows, setFollows] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const failure = useRef<HTMLDivElement>(null);
  const all = useMemo(() => lines(entries ?? []), [entries]);
  const hits = useMemo(() => found(all, text), [all, text]);
  const hit = hits.length ? hits[((place % hits.length) + hits.length) % hits.length] : undefined;
  const failed = attempt?.state === "failed" && attempt === task.tries.at(-1);
  const traceback = failed ? task.traceback : null;
  const message = attempt?.error && !traceback ? attempt.error : null;
  useEffect(() => {
    const scroller = box.current;
    if (!scroller || !follows || text) return;
    const error = failure.current;
    scroller.scrollTop = error
      ? error.offsetTop - scroller.offsetTop - scroller.clientHeight / 3
      : scroller.scrollHeight;
  }, [all, follows, traceback, message]);
  useEffect(() => {
    if (hit !== undefined)
      box.current?.querySelector(`[data-line="${hit}"]`)?.scrollIntoView({ block: "center" });
  }, [hit]);

  const onScroll = () => {
    const one = box.current;
    if (one && isRunning) setFollows(one.scrollHeight - one.scrollTop - one.clientHeight < 40);
  };
  const isEmpty = entries !== undefined && all.length === 0 && !traceback && !message;
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        <div class="log-tools">
          {isRunning && (
            <button type="button" class="chip" aria-pressed={follows} onClick={() => setFollows(!follows)}>
              Follow
            </button>
          )}
          <span class="small muted number" aria-live="polite">
            {text
              ? `${hits.length ? (place % hits.length) + 1 : 0} of ${hits.length}`
              : `${plural(all.length, "line")}, times in ${shortZone(millis(attempt?.started_at) ?? 0, zone)}`}
          </span>
          <input
            class="field"
            type="search"
            aria-label={`Search in the ${title.toLowerCase()}`}
            placeholder="Search"
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setPlace(0);
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter") setPlace(place + (event.shiftKey ? hits.length - 1 : 1));
            }}
          />
        </div>
      </header>
      {error && <Problem error={error} />}
      {isEmpty && <Empty title={isRunning ? "Nothing written yet" : "Nothing was written"} />}
      {!isEmpty && (
        <div class="log" ref={box} tabIndex={0} role="log" aria-label={title} onScroll={onScroll}>
          {more && <p class="entry muted">Only the newest lines are shown.</p>}
          {chunks(all).map((chunk, number) => (
            <div class="chunk" key={chunk[0]!.key}>
              {chunk.map((line, index) => {
                const at = number * 200 + index;
                return (
                  <Entry key={line.key} line={line} zone={zone} place={at} text={text} isHit={at === hit} />
                );
              })}
            </div>
          ))}
          {(traceback || message) && (
            <div class="failure" ref={failure}>
              {traceback ? <Traceback text={traceback} /> : <p class="error-text">{message}</p>}
            </div>
          )}
        </div>
      )}
    </section>
  );
}

interface EntryProps {
  line: Line;
  zone: string | undefined;
  place: number;
  text: string;
  isHit: boolean;
}

function Entry({ line, zone, place, text, isHit }: EntryProps) {
  const at = millis(line.at);
  return (
    <div class={`entry ${line.stream}${isHit ? " hit" : ""}`} data-line={place}>
      <time>{at === null ? "" : clock(at, at, zone)}</time>
      <span>
        {marked(line.text, text).map((piece, index) =>
          index % 2 ? <mark key={index}>{piece}</mark> : piece,
        )}
      </span>
    </div>
  );
}
