import { useEffect, useState } from "preact/hooks";
import { type ApiError, path, post, remove } from "../../api/client";
import type { Deletion, RunDetail } from "../../api/types";
import { plural } from "../../layout/sizes";
import { Dialog } from "../../parts/Dialog";
import { Loading, Problem } from "../../parts/Notice";
import { go, to } from "../../route";

/** What would be forgotten with a run; then it is. */
export function DeleteDialog({ run, onClose }: { run: RunDetail; onClose: () => void }) {
  const [preview, setPreview] = useState<Deletion | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    post<Deletion>(path`/runs/${run.id}/delete/preview`).then(setPreview, setError);
  }, [run.id]);
  const start = () =>
    remove(path`/runs/${run.id}`).then(() => go(to.workflow(run.workflow), { replace: true }), setError);
  const footer = (
    <>
      <button type="button" class="button" onClick={onClose}>
        Keep it
      </button>
      <button type="button" class="button danger" disabled={!preview} onClick={start}>
        {preview ? `Delete ${plural(preview.runs.length, "run")}` : "Delete"}
      </button>
    </>
  );
  return (
    <Dialog title="Delete this run" onClose={onClose} footer={footer}>
      {error && <Problem error={error} />}
      {!preview && !error && <Loading />}
      {preview && (
        <>
          <p>
            Run <span class="mono">{run.id}</span> of <strong>{run.workflow}</strong> is forgotten, with what
            is on record of its {plural(preview.tasks, "task")} and with its logs. This cannot be taken back.
          </p>
          {preview.runs.length > 1 && (
            <section>
              <h3>The runs that its tasks are go with it</h3>
              <p class="mono small">{preview.runs.slice(1).join(", ")}</p>
            </section>
          )}
          <p class="muted">
            What its tasks have written elsewhere stays: files, tables, and whatever they have sent.
          </p>
        </>
      )}
    </Dialog>
  );
}
