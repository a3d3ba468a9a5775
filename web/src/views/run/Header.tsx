import { useState } from "preact/hooks";
import { type ApiError, path, post } from "../../api/client";
import type { RunDetail } from "../../api/types";
import { capital } from "../../layout/told";
import { tail } from "../../layout/traceback";
import { Badge } from "../../parts/Badge";
import { Counts, Tally } from "../../parts/Counts";
import { Fact } from "../../parts/Fact";
import { Menu } from "../../parts/Menu";
import { Problem } from "../../parts/Notice";
import { params } from "../../parts/params";
import { Ago, At, Took } from "../../parts/Time";
import { Told } from "../../parts/Told";
import { go, place, to, withQuery } from "../../route";
import { hasEnded } from "../../states";
import { DeleteDialog } from "./DeleteDialog";
import { MarkDialog } from "./MarkDialog";
import { RerunDialog } from "./RerunDialog";
import { SendDialog } from "./SendDialog";

/** Which run this is, where it stands and why, and what can be done. */
export function Header({ run, reload }: { run: RunDetail; reload: () => void }) {
  const [error, setError] = useState<ApiError | null>(null);
  const [isAsked, setAsked] = useState(false);
  const act = async (what: string) => {
    setError(null);
    try {
      await post(path`/runs/${run.id}/${what}`);
      setAsked(what === "cancel");
      reload();
    } catch (problem) {
      setError(problem as ApiError);
    }
  };
  const ended = hasEnded(run.state);
  const ask = place.value.search.get("ask");
  const close = () => go(withQuery("ask", null), { replace: true });
  return (
    <header class="stack">
      <div class="head">
        <Badge state={run.state} />
        <h1>
          <a href={to.workflow(run.workflow)}>{run.workflow}</a> <span class="muted mono">{run.id}</span>
        </h1>
        <div class="row">
          {!ended && run.state !== "interrupted" && (
            <button type="button" class="button danger" onClick={() => act("cancel")} disabled={isAsked}>
              {isAsked ? "Asked to end" : "Cancel"}
            </button>
          )}
          {(run.state === "interrupted" || (ended && run.state !== "success") || run.state === "waiting") && (
            <button type="button" class="button" onClick={() => act("resume")}>
              Resume
            </button>
          )}
          {ended && (
            <a class={run.state === "failed" ? "button main" : "button"} href={withQuery("ask", "rerun")}>
              Rerun…
            </a>
          )}
          <Menu label="More">
            {!run.part && (
              <a href={`${to.workflow(run.workflow)}?ask=trigger&like=${run.id}`}>New run like this…</a>
            )}
            <a href={withQuery("ask", "mark")}>Mark tasks…</a>
            {!ended && <a href={withQuery("ask", "send")}>Send a message…</a>}
            {ended && <a href={withQuery("ask", "delete")}>Delete…</a>}
          </Menu>
        </div>
      </div>
      {run.state !== "success" && run.why && (
        <p class="why">
          <Told text={sentence(run)} />
        </p>
      )}
      {error && <Problem error={error} />}
      <div class="row">
        <Tally counts={run.counts} />
      </div>
      {!ended && <Counts counts={run.counts} />}
      <dl class="facts">
        <Fact name="Started">{run.started_at ? <At at={run.started_at} /> : "not yet"}</Fact>
        <Fact name="Took">
          <Took from={run.started_at} to={run.ended_at} seconds={run.duration} />
        </Fact>
        <Fact name="Begun by">
          {run.parent ? <a href={to.run(run.parent)}>run {run.parent.slice(0, 6)}</a> : run.trigger}
        </Fact>
        {run.logical_time && (
          <Fact name="Due for">
            <At at={run.logical_time} whole />
          </Fact>
        )}
        {run.data_interval && (
          <Fact name="Data interval">
            <At at={run.data_interval.start} /> to <At at={run.data_interval.end} />
          </Fact>
        )}
        {run.wakes_at && !ended && (
          <Fact name="Goes on">
            <At at={run.wakes_at} /> (<Ago at={run.wakes_at} />)
          </Fact>
        )}
        {Object.keys(run.params).length > 0 && <Fact name="Parameters">{params(run.params)}</Fact>}
        {run.driver && (
          <Fact name="Driven by">
            process {run.driver.pid} on {run.driver.host}
          </Fact>
        )}
        {run.file && (
          <Fact name="File">
            <span class="place" title={run.file}>
              {tail(run.file)}
            </span>
          </Fact>
        )}
      </dl>
      {ask === "rerun" && ended && <RerunDialog run={run} onClose={close} onDone={reload} />}
      {ask === "mark" && <MarkDialog run={run} onClose={close} onDone={reload} />}
      {ask === "send" && !ended && <SendDialog run={run} onClose={close} onDone={reload} />}
      {ask === "delete" && ended && <DeleteDialog run={run} onClose={close} />}
    </header>
  );
}

/** Why the run stands where it does: without its id and its counts, which stand beside it. */
function sentence(run: RunDetail): string {
  const text = run.why?.text ?? "";
  const told = text.replace(/^Run \S+ (is \w+: |is |has )?/, "").replace(/ \([^()]*\)$/, "");
  return capital(told);
}
