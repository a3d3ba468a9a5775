import { useCallback, useEffect } from "preact/hooks";
import { path } from "../../api/client";
import type { RunDetail, RunUpdate } from "../../api/types";
import { merge } from "../../layout/merging";
import { useLoad, useThrottled } from "../../live/load";
import { listen } from "../../live/stream";
import { Loading, Problem } from "../../parts/Notice";
import { Tabs } from "../../parts/Tabs";
import { Zone } from "../../parts/Zone";
import { place } from "../../route";
import { look } from "../../states";
import { useTitle } from "../../title";
import { ApprovalForm } from "../task/ApprovalForm";
import { FirstError } from "./FirstError";
import { GanttView } from "./GanttView";
import { GraphView } from "./GraphView";
import { Header } from "./Header";
import { TaskTable } from "./TaskTable";

const WHOLE = "?include=graph&include=why&maps=fold";

/** A run: where it stands and why, its error first, and its tasks in three ways. */
export function Run({ id }: { id: string }) {
  const { data: run, error, reload, took, update } = useLoad<RunDetail>(path`/runs/${id}` + WHOLE);
  useTitle(run ? `${look(run.state).label}: ${run.workflow}` : "Run");
  const reloadSoon = useThrottled(reload, 1000, took);
  const hear = useCallback(
    (told: RunUpdate) => {
      if (!told.reload) update((before) => merge(before, told));
      reloadSoon();
    },
    [update, reloadSoon],
  );
  const isThere = run !== undefined;
  useEffect(() => {
    if (!isThere) return;
    return listen(path`/runs/${run.id}/events`, String(run.position), {
      run: hear,
      gone: reload,
      back: reload,
    });
  }, [isThere, hear, reload]);

  if (run === undefined) return error ? <Problem error={error} retry={reload} /> : <Loading />;
  const shown = place.value.search.get("view") ?? "graph";
  return (
    <Zone.Provider value={run.zone}>
      <Header run={run} reload={reload} />
      {run.approvals.map((approval) => (
        <section key={approval.task} class="card" aria-label={`Decision on ${approval.task}`}>
          <div class="body">
            <ApprovalForm approval={approval} onDecided={reloadSoon} />
          </div>
        </section>
      ))}
      <FirstError run={run} />
      <section class="card">
        <Tabs
          name="view"
          label="Tasks as"
          tabs={[
            ["graph", "Graph"],
            ["time", "Time"],
            ["tasks", "Tasks"],
          ]}
        />
        {shown === "graph" && <GraphView run={run} />}
        {shown === "time" && <GanttView run={run} />}
        {shown === "tasks" && <TaskTable run={run} />}
      </section>
    </Zone.Provider>
  );
}
