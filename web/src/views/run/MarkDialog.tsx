import { useEffect, useMemo, useState } from "preact/hooks";
import { type ApiError, path, post } from "../../api/client";
import type { Accepted, MarkPreview, RunDetail } from "../../api/types";
import { nameOf } from "../../layout/merging";
import { plural } from "../../layout/sizes";
import { Copy } from "../../parts/Copy";
import { Dialog } from "../../parts/Dialog";
import { Mark } from "../../parts/Mark";
import { Loading, Problem } from "../../parts/Notice";
import { byUrgency, look } from "../../states";
import { Listed } from "./Listed";

interface Props {
  run: RunDetail;
  /** This one, if it is asked for one. */
  task?: string;
  onClose: () => void;
  onDone: () => void;
}

const WAYS = ["success", "skipped", "failed"] as const;
const MOST = 40;

/** What tasks are to be taken for without running them, and what becomes of others by that; then it is done. */
export function MarkDialog({ run, task, onClose, onDone }: Props) {
  const names = useMemo(() => namesOf(run), [run]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(
    () => new Set(task ? [task] : names.filter((one) => one.state === "failed").map((one) => one.name)),
  );
  const [way, setWay] = useState<(typeof WAYS)[number]>("success");
  const [note, setNote] = useState("");
  const [preview, setPreview] = useState<MarkPreview | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const wish = { tasks: [...chosen], as: way };
  useEffect(() => {
    setPreview(null);
    setError(null);
    if (chosen.size) post<MarkPreview>(path`/runs/${run.id}/mark/preview`, wish).then(setPreview, setError);
  }, [way, chosen, run.id]);

  const start = () =>
    post<Accepted>(path`/runs/${run.id}/mark`, { ...wish, note }).then(() => {
      onClose();
      onDone();
    }, setError);
  const count = preview?.tasks.length ?? 0;
  const footer = (
    <>
      {preview && <Copy text={preview.command} as="command" />}
      <button type="button" class="button main" disabled={count === 0} onClick={start}>
        {count ? `Mark ${plural(count, "task")} as ${way}` : "Mark"}
      </button>
    </>
  );
  return (
    <Dialog title="Mark tasks" onClose={onClose} footer={footer}>
      {!task && <Choose names={names} chosen={chosen} onChoose={setChosen} />}
      <fieldset class="chips bare-set">
        <legend class="label">{task ? `Take ${task} for` : "Take them for"}</legend>
        {WAYS.map((one) => (
          <button key={one} type="button" class="chip" aria-pressed={way === one} onClick={() => setWay(one)}>
            <Mark state={one} />
            {look(one).label}
          </button>
        ))}
      </fieldset>
      {error && <Problem error={error} />}
      {chosen.size > 0 && !preview && !error && <Loading />}
      {preview && (
        <>
          <Listed title={`Marked: ${plural(count, "task")}`} tasks={preview.tasks} most={30} />
          {preview.follows.length > 0 && (
            <Listed title="What that changes" tasks={preview.follows} most={30} />
          )}
          <p class="muted small">
            {preview.goes_on ? "The run has something to do then. " : ""}
            <code>{preview.command}</code>
          </p>
        </>
      )}
      <div class="form">
        <div>
          <label for="mark-note">
            note <span class="muted small">why, for those who look at the run later</span>
          </label>
          <input
            id="mark-note"
            class="field"
            value={note}
            onInput={(event) => setNote(event.currentTarget.value)}
          />
        </div>
      </div>
    </Dialog>
  );
}

interface Named {
  name: string;
  state: string;
}

interface ChooseProps {
  names: Named[];
  chosen: ReadonlySet<string>;
  onChoose: (chosen: ReadonlySet<string>) => void;
}

function Choose({ names, chosen, onChoose }: ChooseProps) {
  const [text, setText] = useState("");
  const found = names.filter((one) => one.name.includes(text) || chosen.has(one.name));
  const toggle = (name: string) => {
    const next = new Set(chosen);
    if (!next.delete(name)) next.add(name);
    onChoose(next);
  };
  return (
    <fieldset class="bare-set stack">
      <legend class="label">Which tasks</legend>
      {names.length > 8 && (
        <input
          class="field"
          type="search"
          aria-label="Find a task"
          placeholder="Find a task"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      )}
      <div class="chips">
        {found.slice(0, MOST).map(({ name, state }) => (
          <button
            key={name}
            type="button"
            class="chip"
            aria-pressed={chosen.has(name)}
            onClick={() => toggle(name)}
          >
            <Mark state={state} />
            {name}
          </button>
        ))}
        {found.length > MOST && <span class="muted small">and {found.length - MOST} more</span>}
      </div>
    </fieldset>
  );
}

/** What can be marked, what needs somebody first. */
function namesOf(run: RunDetail): Named[] {
  const nodes = (run.graph?.tasks ?? []).map((node) => ({ name: node.id, state: node.state ?? "pending" }));
  const instances = run.tasks
    .filter((one) => one.map_index !== null)
    .map((one) => ({ name: nameOf(one), state: one.state }));
  const all = [...nodes, ...instances];
  const order = byUrgency(Object.fromEntries(all.map((one) => [one.state, 1]))).map(([state]) => state);
  return all.sort((one, other) => order.indexOf(one.state) - order.indexOf(other.state));
}
