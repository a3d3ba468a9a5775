import { path } from "../../api/client";
import type { RunDetail } from "../../api/types";
import { useLoad } from "../../live/load";
import { RerunDialog } from "../run/RerunDialog";

interface Props {
  run: string;
  task: string;
  onClose: () => void;
  onDone: () => void;
}

/** The same question as of a run, from this task on. */
export function TaskRerun({ run, task, onClose, onDone }: Props) {
  const { data } = useLoad<RunDetail>(path`/runs/${run}?maps=fold`);
  return data ? <RerunDialog run={data} task={task} onClose={onClose} onDone={onDone} /> : null;
}
