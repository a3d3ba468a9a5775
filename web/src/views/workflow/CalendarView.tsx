import { useMemo } from "preact/hooks";
import { query } from "../../api/client";
import type { Due, RunSummary, WorkflowDetail } from "../../api/types";
import { type Day, dayOfRun, type Month, monthsAround, monthsOf } from "../../layout/calendar";
import { plural } from "../../layout/sizes";
import { dayOf, zoneName } from "../../layout/times";
import { now } from "../../live/clock";
import { useLoad } from "../../live/load";
import { Mark } from "../../parts/Mark";
import { Loading, Problem } from "../../parts/Notice";
import { RunLine } from "../../parts/RunLine";
import { useZone } from "../../parts/Zone";
import { place, withQuery } from "../../route";
import { byUrgency, look } from "../../states";
import { useRunsSince } from "./useRunsSince";

const BEFORE = 2;
const AFTER = 1;
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** The days of some months: what became of the runs of each, and on which more are due. */
export function CalendarView({ flow, changes }: { flow: WorkflowDetail; changes: number }) {
  const zone = useZone();
  const today = dayOf(now.value, zone);
  const names = useMemo(() => monthsAround(today, BEFORE, AFTER), [today]);
  const since = `${names[0]}-01T00:00:00Z`;
  const { found, error } = useRunsSince(flow.name, since, changes);
  const wanted = flow.schedule && !flow.paused;
  const { data: due } = useLoad<Due[]>(
    wanted ? `/next${query({ workflow: flow.name, days: 62, limit: 200 })}` : null,
  );
  const months = useMemo(
    () => (found ? monthsOf(found.runs, due ?? [], names, zone) : []),
    [found, due, names, zone],
  );
  if (error) return <Problem error={error} />;
  if (!found) return <Loading />;
  const chosen = place.value.search.get("day");
  const oldest = found.runs.at(-1);
  return (
    <div class="calendar">
      <p class="muted small">
        Days in {zoneName(zone)}.{" "}
        {found.isPart &&
          oldest &&
          `Only the newest ${plural(found.runs.length, "run")} are counted, since ${dayOfRun(oldest, zone)}.`}
      </p>
      <div class="months">
        {months.map((month) => (
          <OneMonth key={month.month} month={month} today={today} chosen={chosen} />
        ))}
      </div>
      {chosen && <OfDay day={chosen} runs={found.runs.filter((run) => dayOfRun(run, zone) === chosen)} />}
    </div>
  );
}

function OneMonth({ month, today, chosen }: { month: Month; today: string; chosen: string | null }) {
  const title = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" }).format(
    Date.parse(`${month.month}-01T00:00:00Z`),
  );
  return (
    <table class="month">
      <caption>{title}</caption>
      <thead>
        <tr>
          {DAYS.map((day) => (
            <th key={day} scope="col">
              {day}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {month.weeks.map((week, place) => (
          <tr key={place}>
            {week.map((day, index) => (
              <td key={index}>{day && <OneDay day={day} today={today} chosen={chosen} />}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function OneDay({ day, today, chosen }: { day: Day; today: string; chosen: string | null }) {
  const parts = byUrgency(day.counts);
  const date = Number(day.day.slice(8));
  const told = [
    day.day,
    ...parts.map(([state, count]) => `${count} ${look(state).label}`),
    ...(day.planned ? [`${day.planned} due`] : []),
    ...(day.hours === 24 ? [] : [`a day of ${day.hours} hours`]),
  ].join(", ");
  const inside = (
    <>
      <span class="date">{date}</span>
      {day.hours !== 24 && <span class="hours">{day.hours} h</span>}
      {parts.length > 0 ? (
        <Mark state={parts[0]![0]} />
      ) : (
        day.planned > 0 && <span class="due" aria-hidden="true" />
      )}
      {parts.length > 0 && (
        <span class="counts">
          {parts.toReversed().map(([state, count]) => (
            <span key={state} class={`tone-${look(state).tone}`} style={{ flexGrow: count }} />
          ))}
        </span>
      )}
    </>
  );
  const isToday = day.day === today ? " today" : "";
  if (parts.length === 0)
    return (
      <span class={`day${isToday}`} title={told}>
        {inside}
        <span class="hidden">{day.planned ? `${day.planned} due` : "no runs"}</span>
      </span>
    );
  return (
    <a
      class={`day${isToday}`}
      href={withQuery("day", day.day === chosen ? null : day.day)}
      aria-current={day.day === chosen ? "date" : undefined}
      aria-label={told}
      title={told}
    >
      {inside}
    </a>
  );
}

function OfDay({ day, runs }: { day: string; runs: RunSummary[] }) {
  return (
    <section aria-label={`Runs of ${day}`}>
      <h3>
        {day}: {plural(runs.length, "run")}
      </h3>
      <ul class="list">
        {runs.map((run) => (
          <li key={run.id}>
            <RunLine run={run} />
          </li>
        ))}
      </ul>
    </section>
  );
}
