"""The scheduler on a virtual clock: what is due gets its runs, whoever decides and however often they die."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Task, Workflow
from penstock.clock import SystemClock
from penstock.plan.codec import encode
from penstock.plan.compile import compile_workflow
from penstock.plan.fingerprint import fingerprint
from penstock.service.catalog import Known
from penstock.service.recording import Recording
from penstock.service.scheduler import Scheduler
from penstock.service.schedules import as_data, at, ticks_as_data
from penstock.store.base import RunChange, RunRow, Store
from penstock.store.memory import MemoryStore
from penstock.timetable import Tick, schedule_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
DAY = 86_400.0


class VirtualClock(SystemClock):
    def __init__(self) -> None:
        self.now = BEGIN

    def time(self) -> float:
        return self.now


class World:
    """A store, services on it that may die, and runs that end some time after they were begun."""

    def __init__(self, services: int = 1, seconds: float = 1.0) -> None:
        self.clock = VirtualClock()
        self.store = CountingStore()
        self.seconds = seconds
        self.flows: list[Workflow] = []
        self.created: list[RunRow] = []
        self.ends: list[tuple[float, RunRow]] = []
        self.most_active: Counter[str] = Counter()
        self.services = [self.service() for _ in range(services)]

    def service(self) -> Scheduler:
        def ask(known: Known, after: float) -> None:
            flow = next(flow for flow in self.flows if flow.name == known.name)
            service.tell(known.name, at(ticks_as_data(flow, max(after, BEGIN), 50)["times"]))

        service = Scheduler(self.store, self.clock, self.create, ask)
        for flow in self.flows:
            service.know(known(flow))
        return service

    def add(self, name: str, **schedule: Any) -> Workflow:
        flow = Workflow(name, **schedule)
        flow.add_task(Task("one", print))
        self.flows.append(flow)
        for run in Recording(self.store, self.clock, "/flows").put([known(flow)]):
            self.create(run)
        for service in self.services:
            service.know(known(flow))
        return flow

    def create(self, run: RunRow) -> None:
        self.created.append(run)
        self.ends.append((self.clock.now + self.seconds, run))
        active = self.store.active_runs(run.workflow)
        self.most_active[run.workflow] = max(self.most_active[run.workflow], active)

    def play(self, until: float) -> None:
        """Let time pass, from one thing that happens to the next."""
        while True:
            for service in self.services:
                service.step()
            moment = min(*(service.next_at for service in self.services), *(end for end, _ in self.ends), inf, until)
            self.clock.now = max(self.clock.now, moment)
            if self.clock.now >= until:
                return
            for end, run in [*self.ends]:
                if end <= self.clock.now:
                    self.ends.remove((end, run))
                    self.end(run)

    def end(self, run: RunRow) -> None:
        lease = self.store.acquire(run.id)
        self.store.append(lease, [], change=RunChange(state="success", ended_at=self.clock.now))
        lease.release()
        self.store.delete_run(run.id)  # what was had is known without it, and a store in memory is quick while small
        for service in self.services:
            service.look_at(run.workflow)


class CountingStore(MemoryStore):
    asked = 0

    def schedule(self, workflow: str) -> Any:
        self.asked += 1
        return super().schedule(workflow)


def known(flow: Workflow) -> Known:
    compiled = compile_workflow(flow, lambda func: ("m:f", "d"))
    plan = encode(compiled.plan)
    told: dict[str, Any] = {
        "fault": None,
        "plan": b64encode(plan).decode(),
        "fingerprint": fingerprint(plan),
        "params": "{}",
        "tasks": 1,
        "schedule": as_data(flow),
        "deadline": None,
        "parameters": {},
        "missing": [],
        "description": "",
        "where": "",
    }
    return Known(flow.name, "/flows/a.py", f"/flows/a.py:{flow.name}", "v1", told)


def decided(store: Store, name: str) -> Counter[str]:
    """How many ticks were created, collapsed and skipped."""
    found: Counter[str] = Counter()
    for tick in store.ticks(name):
        found[tick.what] += tick.count
    return found


def test_a_year_of_hours_gives_each_hour_its_run_at_its_time() -> None:
    world = World()
    world.add("hourly", schedule="@hourly")
    world.play(BEGIN + 365 * DAY)
    times = [run.logical_at for run in world.created]
    assert times == [BEGIN + 3_600 * hour for hour in range(1, len(times) + 1)]
    assert len(times) in (365 * 24 - 1, 365 * 24)
    assert all(run.created_at == run.logical_at for run in world.created)


def test_it_sleeps_until_something_is_due() -> None:
    world = World()
    for number in range(100):
        world.add(f"daily{number}", schedule=f"{number % 59 + 1} {number % 24} * * *")
    world.store.asked = 0
    world.play(BEGIN + 10 * DAY)
    assert len(world.created) == 1_000
    assert world.store.asked <= 4 * 1_000  # a decision, what follows it, and the look when the run has ended


def test_no_more_runs_are_under_way_than_are_allowed_and_none_is_lost_by_that() -> None:
    world = World(seconds=1_000.0)
    world.add("busy", schedule=60, max_active_runs=3, catchup="all")
    world.play(BEGIN + DAY)
    assert world.most_active["busy"] == 3
    times = [run.logical_at for run in world.created]
    assert times == [BEGIN + 60 * number for number in range(1, len(times) + 1)]


def test_a_paused_workflow_waits_and_catches_up_by_its_policy() -> None:
    world = World()
    for policy in ("all", "latest", "none"):
        world.add(policy, schedule="@hourly", catchup=policy)
    world.play(BEGIN + DAY + 1)
    for policy in ("all", "latest", "none"):
        world.store.pause(policy, True)
    before = Counter(run.workflow for run in world.created)
    world.play(BEGIN + 2 * DAY + 1)
    assert Counter(run.workflow for run in world.created) == before
    for policy in ("all", "latest", "none"):
        world.store.pause(policy, False)
    for service in world.services:
        service.look_at_held()
    world.play(BEGIN + 2 * DAY + 1_000)
    after = Counter(run.workflow for run in world.created)
    assert {name: after[name] - before[name] for name in after} == {"all": 24, "latest": 1, "none": 1}
    assert decided(world.store, "latest")["collapsed"] == 23
    assert decided(world.store, "none")["skipped"] == 23


def test_a_year_that_was_missed_is_caught_up_a_little_at_a_time() -> None:
    world = World()
    world.add("each", schedule="@daily", start="2025-01-01", catchup="all", max_active_runs=4)
    world.add("one", schedule="* * * * *", start="2025-01-01")
    world.play(BEGIN + 3_600)
    assert world.most_active["each"] == 4
    runs = [run for run in world.created if run.workflow == "each"]
    assert [run.logical_at for run in runs] == [BEGIN + DAY * number for number in range(-365, 1)]
    assert decided(world.store, "one")["collapsed"] == 365 * 24 * 60


def test_a_timetable_of_the_users_own_is_asked_for_what_comes() -> None:
    class Doubling:
        def next(self, after: datetime) -> Tick | None:
            moment = datetime(2026, 1, 1, tzinfo=UTC)
            step = timedelta(minutes=1)
            while moment <= after:
                moment, step = moment + step, step * 2
                if step > timedelta(days=100):
                    return None
            return Tick(moment, moment - step / 2, moment)

    world = World()
    world.add("own", schedule=Doubling())
    world.play(BEGIN + 200 * DAY)
    times = [((run.logical_at or 0.0) - BEGIN) / 60 for run in world.created]
    assert times == [float((1 << number) - 1) for number in range(1, len(times) + 1)]
    assert len(times) == 17


def test_another_timetable_begins_when_it_is_seen_and_the_old_one_is_settled() -> None:
    world = World()
    world.add("changing", schedule="@hourly")
    world.play(BEGIN + DAY + 1)
    world.flows.clear()
    world.add("changing", schedule="@daily")
    world.play(BEGIN + 10 * DAY + 1)
    times = [run.logical_at for run in world.created]
    assert times == [
        *(BEGIN + 3_600 * hour for hour in range(1, 25)),
        *(BEGIN + DAY * number for number in range(2, 11)),
    ]


SCHEDULES = st.sampled_from(["*/7 * * * *", "@hourly", 600, "30 2 * * *", ["@daily", "15 * * * *"]])


@settings(max_examples=40)
@given(
    schedules=st.lists(st.tuples(SCHEDULES, st.sampled_from(["all", "latest", "none"]), st.integers(1, 3)), min_size=1),
    chances=st.lists(
        st.tuples(st.sampled_from(["pass", "kill", "begin", "pause", "unpause"]), st.floats(1.0, 40_000.0)),
        max_size=30,
    ),
    seconds=st.floats(0.5, 5_000.0),
)
def test_services_that_die_and_pauses_leave_no_time_undecided_and_none_decided_twice(
    schedules: list[tuple[Any, Any, int]], chances: list[tuple[str, float]], seconds: float
) -> None:
    world = World(services=3, seconds=seconds)
    for number, (schedule, catchup, runs) in enumerate(schedules[:4]):
        world.add(f"flow{number}", schedule=schedule, catchup=catchup, max_active_runs=runs)
    for what, pause in chances:
        if what == "kill" and len(world.services) > 1:
            world.services.pop(0)
        elif what == "begin":
            world.services.append(world.service())
        elif what in ("pause", "unpause"):
            world.store.pause("flow0", what == "pause")
            for service in world.services:
                service.look_at_held()
        world.play(world.clock.now + pause)
    for flow in world.flows:
        row = world.store.schedule(flow.name)
        schedule = schedule_of(flow)
        assert schedule is not None
        upto = max(row.upto, BEGIN)
        begin = datetime.fromtimestamp(BEGIN, UTC)
        count = schedule.timetable.count(begin, datetime.fromtimestamp(upto, UTC))
        assert decided(world.store, flow.name).total() == count
        times = [run.logical_at for run in world.created if run.workflow == flow.name]
        assert len(set(times)) == len(times)
        assert world.most_active[flow.name] <= flow.max_active_runs
