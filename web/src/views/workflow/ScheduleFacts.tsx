import type { WorkflowDetail } from "../../api/types";
import { duration } from "../../layout/times";
import { tail } from "../../layout/traceback";
import { Fact } from "../../parts/Fact";
import { Mark } from "../../parts/Mark";
import { Ago, At } from "../../parts/Time";
import { look } from "../../states";

const MISSED: Record<string, string> = {
  all: "each gets its run",
  latest: "one run for all",
  none: "left out",
};

/** When a workflow is due, and how its runs have ended. */
export function ScheduleFacts({ flow }: { flow: WorkflowDetail }) {
  const { schedule } = flow;
  return (
    <dl class="facts">
      <Fact name="Schedule">{schedule?.text ?? "by hand"}</Fact>
      {schedule && (
        <>
          <Fact name="Next">
            {flow.paused ? (
              "paused"
            ) : schedule.next_at ? (
              <>
                <At at={schedule.next_at} whole /> (<Ago at={schedule.next_at} />)
              </>
            ) : (
              "never"
            )}
          </Fact>
          <Fact name="Missed times">{MISSED[schedule.catchup] ?? schedule.catchup}</Fact>
          <Fact name="Runs at once">at most {schedule.max_active_runs}</Fact>
          {schedule.deadline && <Fact name="Ends within">{duration(schedule.deadline)}</Fact>}
        </>
      )}
      <Fact name="Runs">
        {Object.keys(flow.counts).length === 0 && "none yet"}
        <span class="tally">
          {Object.entries(flow.counts).map(([state, count]) => (
            <a
              key={state}
              class={`tone-${look(state).tone}`}
              href={`/runs?workflow=${encodeURIComponent(flow.name)}&state=${state}`}
            >
              <Mark state={state} />
              {count} {look(state).label}
            </a>
          ))}
        </span>
      </Fact>
      {flow.source && (
        <Fact name="File">
          <span class="place" title={flow.source}>
            {tail(flow.source)}
          </span>
        </Fact>
      )}
    </dl>
  );
}
