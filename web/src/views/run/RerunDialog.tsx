import { useEffect, useState } from "preact/hooks";
import { type ApiError, path, post } from "../../api/client";
import type { Choice, Preview, RunDetail } from "../../api/types";
import { plural } from "../../layout/sizes";
import { Copy } from "../../parts/Copy";
import { Dialog } from "../../parts/Dialog";
import { Loading, Problem } from "../../parts/Notice";
import { Listed } from "./Listed";

interface Props {
  run: RunDetail;
  /** From this task on, if it is asked for one. */
  task?: string;
  onClose: () => void;
  onDone: () => void;
}

type Way = "failed" | "from" | "only" | "all";

/** What would run again and what is kept, and why; then it is done. */
export function RerunDialog({ run, task, onClose, onDone }: Props) {
  const [way, setWay] = useState<Way>(task ? "from" : run.state === "success" ? "all" : "failed");
  const [preview, setPreview] = useState<Preview | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const roots = (run.graph?.tasks ?? []).filter((node) => node.upstreams.length === 0).map((node) => node.id);
  const wish: Choice =
    way === "failed"
      ? { failed: true }
      : way === "from"
        ? { from: [task!] }
        : way === "only"
          ? { only: [task!] }
          : { from: roots };
  useEffect(() => {
    setPreview(null);
    setError(null);
    post<Preview>(path`/runs/${run.id}/rerun/preview`, wish).then(setPreview, setError);
  }, [way, run.id]);

  const start = async () => {
    try {
      await post(path`/runs/${run.id}/rerun`, wish);
      onClose();
      onDone();
    } catch (problem) {
      setError(problem as ApiError);
    }
  };
  const ways: [Way, string][] = task
    ? [
        ["from", `${task} and what follows`],
        ["only", `${task} alone`],
      ]
    : [
        ["failed", "What failed"],
        ["all", "Everything"],
      ];
  const footer = (
    <>
      {preview && <Copy text={preview.command} as="command" />}
      <button
        type="button"
        class="button main"
        disabled={!preview || preview.tasks.length === 0}
        onClick={start}
      >
        {preview ? `Run ${plural(preview.tasks.length, "task")} again` : "Run again"}
      </button>
    </>
  );
  return (
    <Dialog title="Rerun" onClose={onClose} footer={footer}>
      <div class="chips">
        {ways.map(([one, text]) => (
          <button key={one} type="button" class="chip" aria-pressed={way === one} onClick={() => setWay(one)}>
            {text}
          </button>
        ))}
      </div>
      {error && <Problem error={error} />}
      {!preview && !error && <Loading />}
      {preview && (
        <>
          <Listed
            title={`Run again: ${plural(preview.tasks.length, "task")}`}
            tasks={preview.tasks}
            most={60}
          />
          <Listed title={`Kept: ${plural(preview.kept.length, "task")}`} tasks={preview.kept} most={12} />
          <p class="muted small">
            {preview.current ? "By the code as it is now." : "By the code that the run followed."}{" "}
            <code>{preview.command}</code>
          </p>
        </>
      )}
    </Dialog>
  );
}
