import { path } from "../../api/client";
import type { RunDetail } from "../../api/types";
import { useLoad } from "../../live/load";
import { go, withQuery } from "../../route";
import { MarkDialog } from "../run/MarkDialog";
import { RerunDialog } from "../run/RerunDialog";

/** The same questions as of a run, about this task. */
export function Asked({
  ask,
  run,
  task,
  onDone,
}: {
  ask: string;
  run: string;
  task: string;
  onDone: () => void;
}) {
  const { data } = useLoad<RunDetail>(path`/runs/${run}?maps=fold`);
  const close = () => go(withQuery("ask", null), { replace: true });
  if (!data) return null;
  if (ask === "rerun") return <RerunDialog run={data} task={task} onClose={close} onDone={onDone} />;
  if (ask === "mark") return <MarkDialog run={data} task={task} onClose={close} onDone={onDone} />;
  return null;
}
