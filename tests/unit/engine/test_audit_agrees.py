"""Over runs of all kinds: the audit finds nothing, and makes of what happened what the engine makes of it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.audit import Audit
from penstock.engine.events import (
    CancelRequested,
    DriverStopped,
    Event,
    NoticeDelivered,
    NotifiersSet,
    PlanAdopted,
    RunResumed,
    TasksRerun,
)
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from tests.simulation.plans import graphs, make_plan
from tests.simulation.simulator import Simulation
from tests.simulation.test_random_runs import (
    OF_THE_RUN,
    SEEDS,
    WORKERS,
    Case,
    Step,
    cases,
    next_event,
    steadfast_cases,
    steps_of,
)


def agree(plan: Plan, engine: RunEngine, audit: Audit) -> None:
    """Whether the engine and the audit have made the same of what happened."""
    for task in range(len(plan)):
        state = engine.task_state(task)
        assert audit.state(task) is (TaskState.PENDING if state is TaskState.READY else state), engine.story(task)
    ended = engine.state not in (RunState.QUEUED, RunState.RUNNING)
    assert (audit.end(str(engine.state)) == []) is ended


def follow(plan: Plan, journal: Sequence[Event]) -> None:
    """Hand a run's journal to an engine and to an audit, which finds nothing."""
    engine, audit = RunEngine(plan, run_id="run"), Audit(plan)
    for event in journal:
        engine.handle(event)
        assert audit.see(event) == []
        agree(plan, engine, audit)


@given(cases(), SEEDS, WORKERS)
def test_nothing_is_found_in_a_run(case: Case, seed: int, workers: int) -> None:
    follow(case.plan, Simulation(case.plan, case.scripts, seed=seed, workers=workers).begin().journal)


@settings(max_examples=60)
@given(steadfast_cases(), SEEDS, st.data())
def test_nor_in_one_that_is_killed_stopped_cancelled_taken_over_and_run_again(
    case: Case, seed: int, data: st.DataObject
) -> None:
    volatile = data.draw(st.sets(st.integers(0, len(case.graph) - 1)))
    again = data.draw(st.sets(st.integers(0, len(case.graph) - 1)))
    journal: list[Event] = Simulation(case.plan, case.scripts, seed=seed, workers=3, volatile=volatile).begin().journal
    for number, kill in enumerate(data.draw(st.lists(st.sampled_from(["die", "stop", "cancel", "adopt"]), max_size=4))):
        written = journal[: data.draw(st.integers(1, len(journal)))]
        run = Simulation(case.plan, case.scripts, seed=seed + number, workers=3, journal=written, volatile=volatile)
        if kill in ("stop", "cancel"):
            run.feed(DriverStopped(run.tick(), "SIGINT"))
        if kill == "cancel":
            run.feed(CancelRequested(run.tick(), "ann"))
        run.over = False
        run.feed(RunResumed(run.tick(), by_hand=kill != "adopt"))
        journal = run.go_on().journal
    run = Simulation(case.plan, case.scripts, seed=seed, workers=3, journal=journal, volatile=volatile)
    run.feed(TasksRerun(run.tick(), tuple(sorted(again))))
    follow(case.plan, run.go_on().journal)


@st.composite
def three_plans(draw: st.DrawFn) -> dict[str, Plan]:
    """Plans that a run could follow, with some names in common."""
    plans = {}
    for fingerprint in "012":
        graph = draw(graphs(max_size=5))
        policies = []
        for _ in graph:
            once = draw(st.sampled_from([False, False, True]))
            notices = draw(st.sampled_from([(), ("success",), ("failed", "retry")]))
            policies.append(TaskPolicy(0 if once else draw(st.integers(0, 2)), at_most_once=once, notices=notices))
        names = draw(st.permutations(["a", "b/c", "c%", "d", "e"]))[: len(graph)]
        told = draw(st.sampled_from([(), ("failed",), ("success", "failed", "cancelled")]))
        plans[fingerprint] = make_plan(graph, names=names, policies=policies, timeout=60.0, notices=told)
    return plans


class Both:
    """An engine and an audit that are handed the same events."""

    def __init__(self, plans: dict[str, Plan]) -> None:
        self.engine = RunEngine(plans["0"], run_id="run", plans=plans.__getitem__)
        self.audit = Audit(plans["0"], plans=plans.__getitem__)
        self.told: dict[str, None] = {}

    def feed(self, event: Event) -> None:
        """Hand in an event that the engine may refuse."""
        try:
            self.engine.handle(event)
        except InvalidEvent:
            return
        found = self.audit.see(event)
        # The only things that the engine takes and no driver does.
        assert all("nobody drove" in line or "nobody had asked" in line for line in found), found
        if not isinstance(event, PlanAdopted):  # what follows it in the same batch belongs to it
            agree(self.engine.plan, self.engine, self.audit)
            self.told |= dict.fromkeys(self.engine.notices)


@settings(max_examples=300)
@given(three_plans(), steps_of(*OF_THE_RUN, "end", "rerun", "adopt a plan", "name notifiers"))
def test_it_makes_of_any_events_that_the_engine_takes_what_the_engine_does(
    plans: dict[str, Plan], steps: list[Step]
) -> None:
    both = Both(plans)
    for number, step in enumerate([("begin", 0, 0), *steps]):
        at = number + 1.0
        name, pick, extra = step
        if name == "adopt a plan":
            both.feed(PlanAdopted(at, str(pick % 3)))
            both.feed(RunResumed(at, by_hand=bool(extra % 2)))
        elif name == "name notifiers":
            both.feed(NotifiersSet(at, [("x",), ("y/", "x"), ()][pick % 3]))
        elif (event := next_event(both.engine, step, at)) is not None:
            both.feed(event)
    for notice in both.told:
        assert both.audit.see(NoticeDelivered(999.0, notice)) == []
        for other in (notice.replace("task_", "run_"), notice + "/z", notice.replace("run/", "run/9/")):
            assert (both.audit.see(NoticeDelivered(999.0, other)) == []) == (other in both.told)
