import { useMemo, useState } from "preact/hooks";
import type { RunDetail } from "../../api/types";
import { base } from "../../layout/gantt";
import { GraphPicture } from "../../parts/GraphPicture";
import { reasons } from "./reasons";

/** The graph of a run: what depends on what, and where each stands. */
export function GraphView({ run }: { run: RunDetail }) {
  const critical = useMemo(() => new Set(run.critical_path.map(base)), [run.critical_path]);
  const why = useMemo(() => reasons(run), [run]);
  const took = useMemo(() => new Map(run.tasks.map((task) => [task.id, task.duration])), [run.tasks]);
  const [closed, setClosed] = useState<ReadonlySet<string> | null>(null);
  if (!run.graph) return null;
  return (
    <GraphPicture
      graph={run.graph}
      runId={run.id}
      critical={critical}
      reasons={why}
      durations={took}
      closed={closed}
      onClose={setClosed}
    />
  );
}
