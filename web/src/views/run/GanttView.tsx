import { useEffect, useMemo } from "preact/hooks";
import { path } from "../../api/client";
import type { Attempt, RunDetail } from "../../api/types";
import { gantt, type Row } from "../../layout/gantt";
import { duration, ticks } from "../../layout/times";
import { now } from "../../live/clock";
import { useLoad, useThrottled } from "../../live/load";
import { Mark } from "../../parts/Mark";
import { Empty, Loading, Problem } from "../../parts/Notice";
import { Rows } from "../../parts/Rows";
import { to } from "../../route";
import { hasEnded, look, worst } from "../../states";

const SCALE = 1000;
const HEIGHT = 26;

/** Where the time went: waiting for a worker, running and waiting for another try apart. */
export function GanttView({ run }: { run: RunDetail }) {
  const { data: attempts, error, reload, took } = useLoad<Attempt[]>(path`/runs/${run.id}/attempts`);
  const at = hasEnded(run.state) ? 0 : now.value;
  const reloadSoon = useThrottled(reload, 500, took);
  useEffect(reloadSoon, [run.position]);
  const chart = useMemo(
    () =>
      run.graph && attempts ? gantt(run.graph, attempts, run.critical_path, run, at || Date.now()) : null,
    [run, attempts, at],
  );
  if (error) return <Problem error={error} retry={reload} />;
  if (!chart) return <Loading />;
  if (chart.rows.length === 0)
    return <Empty title="Nothing has run yet">Tasks are drawn here as they begin.</Empty>;
  const states = new Map(
    run.graph!.tasks.map((node) => [node.id, node.mapped && node.counts ? worst(node.counts) : node.state]),
  );
  const groups = new Map(
    run.graph!.tasks.flatMap((one) =>
      one.group && one.id.startsWith(`${one.group}.`) ? [[one.id, one.group]] : [],
    ),
  );
  const marks = ticks(chart.seconds, 6);
  return (
    <div class="gantt">
      <div class="legend">
        <span>
          <i class="l-running" />
          running
        </span>
        <span>
          <i class="l-waiting" />
          waiting for a worker
        </span>
        <span>
          <i class="l-backoff" />
          before another try
        </span>
        <span class="critical-key">critical path</span>
      </div>
      <div class="line scale-line" aria-hidden="true">
        <span />
        <div class="scale">
          {marks.map((seconds) => (
            <span key={seconds} style={{ left: `${(seconds / chart.seconds) * 100}%` }}>
              {duration(seconds)}
            </span>
          ))}
        </div>
        <span />
      </div>
      <Rows count={chart.rows.length} height={HEIGHT}>
        {(index) => {
          const row = chart.rows[index]!;
          return (
            <Line
              key={row.task}
              row={row}
              seconds={chart.seconds}
              marks={marks}
              runId={run.id}
              state={states.get(row.task) ?? "pending"}
              group={groups.get(row.task)}
            />
          );
        }}
      </Rows>
    </div>
  );
}

interface LineProps {
  row: Row;
  seconds: number;
  marks: number[];
  runId: string;
  state: string;
  group: string | undefined;
}

function Line({ row, seconds, marks, runId, state, group }: LineProps) {
  const x = (at: number) => (at / seconds) * SCALE;
  const ran = row.band
    ? row.band.to - row.band.from
    : row.bars.reduce((sum, bar) => sum + (bar.piece === "running" ? bar.to - bar.from : 0), 0);
  const waited = row.bars.reduce((sum, bar) => sum + (bar.piece === "waiting" ? bar.to - bar.from : 0), 0);
  const again = row.bars.filter((bar) => bar.piece === "running").length;
  const rest =
    `${look(state).label}, ran ${duration(ran)}` +
    (waited > 0.001 ? `, waited ${duration(waited)} for a worker` : "") +
    (again > 1 ? `, ${again} tries` : "") +
    (row.critical ? ", on the critical path" : "");
  const href = row.band
    ? `${to.run(runId)}?view=tasks&task=${encodeURIComponent(row.task)}`
    : to.task(runId, row.task);
  return (
    <a class={row.critical ? "line critical" : "line"} href={href} title={`${row.task}, ${rest}`}>
      <span class="name">
        <Mark state={state} />
        <span class="cut">
          {group && <span class="of-group muted">{group}.</span>}
          {group ? row.task.slice(group.length + 1) : row.task}
        </span>
        <span class="hidden">, {rest}</span>
      </span>
      <svg class="track" viewBox={`0 0 ${SCALE} 18`} preserveAspectRatio="none" aria-hidden="true">
        {marks.map((mark) => (
          <line
            key={mark}
            class="grid-line"
            x1={x(mark)}
            x2={x(mark)}
            y1="-4"
            y2="22"
            vector-effect="non-scaling-stroke"
          />
        ))}
        {row.bars.map((bar) =>
          bar.piece === "backoff" ? (
            <line
              key={bar.from}
              class="backoff"
              x1={x(bar.from)}
              x2={x(bar.to)}
              y1="9"
              y2="9"
              vector-effect="non-scaling-stroke"
            />
          ) : (
            <rect
              key={bar.from}
              class={bar.piece === "waiting" ? "waiting" : `running tone-${look(bar.state).tone}`}
              x={x(bar.from)}
              y={bar.piece === "waiting" ? 6 : 2}
              width={Math.max(x(bar.to) - x(bar.from), 3)}
              height={bar.piece === "waiting" ? 6 : 14}
            />
          ),
        )}
        {row.band && <BandShape row={row} x={x} />}
      </svg>
      <span class="small muted number">{duration(ran)}</span>
    </a>
  );
}

/** How many instances of a map ran at each time. */
function BandShape({ row, x }: { row: Row; x: (at: number) => number }) {
  const band = row.band!;
  const size = (band.to - band.from) / band.heights.length;
  return (
    <g>
      <rect
        class="band-ground"
        x={x(band.from)}
        y="14"
        width={Math.max(x(band.to) - x(band.from), 3)}
        height="2"
      />
      {band.heights.map((height, place) => {
        const tall = (height / band.most) * 14;
        const from = x(band.from + place * size);
        return (
          <rect
            key={place}
            class="band tone-good"
            x={from}
            y={16 - tall}
            width={Math.max(x(size), 1.5) + 0.5}
            height={tall}
          />
        );
      })}
      {band.failed.map((at) => (
        <rect key={at} class="band tone-bad" x={x(at) - 2} y="0" width="4" height="18" />
      ))}
    </g>
  );
}
