import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { type ApiError, path, post } from "../../api/client";
import type { RunSummary, WorkflowDetail } from "../../api/types";
import { useLoad, useThrottled } from "../../live/load";
import { listen } from "../../live/stream";
import { GraphPicture } from "../../parts/GraphPicture";
import { Empty, Loading, Problem } from "../../parts/Notice";
import { Tabs } from "../../parts/Tabs";
import { Zone } from "../../parts/Zone";
import { go, place, withQueries, withQuery } from "../../route";
import { useTitle } from "../../title";
import { Traceback } from "../task/Traceback";
import { CalendarView } from "./CalendarView";
import { GridView } from "./GridView";
import { ScheduleFacts } from "./ScheduleFacts";
import { SourceView } from "./SourceView";
import { TriggerDialog } from "./TriggerDialog";

/** A workflow: its runs by its tasks, its schedule, its graph and its source. */
export function Workflow({ name }: { name: string }) {
  useTitle(name);
  const { data, error, reload } = useLoad<WorkflowDetail>(path`/workflows/${name}`);
  const [changes, setChanges] = useState(0);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const changed = useThrottled(
    useCallback(() => {
      reload();
      setChanges((before) => before + 1);
    }, [reload]),
    300,
  );
  const hear = useCallback(
    (told: { runs: RunSummary[] }) => {
      if (told.runs.some((run) => run.workflow === name)) changed();
    },
    [changed, name],
  );
  useEffect(
    () => listen("/events", undefined, { runs: hear, reset: changed, back: changed }),
    [hear, changed],
  );

  if (data === undefined) return error ? <Problem error={error} retry={reload} /> : <Loading />;
  const pause = () =>
    post(path`/workflows/${name}/${data.paused ? "unpause" : "pause"}`).then(reload, (one) =>
      setProblem(one as ApiError),
    );
  const shown = place.value.search.get("view") ?? "grid";
  return (
    <Zone.Provider value={data.schedule?.timezone ?? data.newest?.zone}>
      <header class="stack">
        <div class="head">
          <h1>{name}</h1>
          {data.schedule && (
            <button type="button" class="button" onClick={pause}>
              {data.paused ? "Unpause" : "Pause"}
            </button>
          )}
          <a class="button main" href={withQuery("ask", "trigger")}>
            Trigger…
          </a>
        </div>
        {data.description && <p>{data.description}</p>}
        {problem && <Problem error={problem} />}
        <ScheduleFacts flow={data} />
      </header>
      {data.error && (
        <section class="problem" aria-label="Error in its file">
          <strong>{data.error}</strong>
          {data.traceback && <Traceback text={data.traceback} />}
        </section>
      )}
      <section class="card">
        <Tabs
          name="view"
          label="Shown"
          tabs={[
            ["grid", "Grid"],
            ["calendar", "Calendar"],
            ["graph", "Graph"],
            ["source", "Source"],
          ]}
        />
        {shown === "grid" && <GridView workflow={name} changes={changes} />}
        {shown === "calendar" && <CalendarView flow={data} changes={changes} />}
        {shown === "graph" &&
          (data.graph ? <Drawn flow={data} /> : <Empty title="Its graph is not known yet" />)}
        {shown === "source" && <SourceView workflow={name} />}
      </section>
      {place.value.search.get("ask") === "trigger" && (
        <TriggerDialog
          flow={data}
          onClose={() => go(withQueries({ ask: null, like: null }), { replace: true })}
        />
      )}
    </Zone.Provider>
  );
}

function Drawn({ flow }: { flow: WorkflowDetail }) {
  const [closed, setClosed] = useState<ReadonlySet<string> | null>(null);
  const none = useMemo(
    () => ({
      critical: new Set<string>(),
      reasons: new Map<string, string>(),
      durations: new Map<string, number>(),
    }),
    [],
  );
  return <GraphPicture graph={flow.graph!} runId={null} {...none} closed={closed} onClose={setClosed} />;
}
