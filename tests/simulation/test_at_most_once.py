"""Tasks that begin one attempt at most, in runs that are killed, stopped, cancelled, taken over, given other plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.events import (
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    Event,
    PlanAdopted,
    RunResumed,
    RunStarted,
    TasksRerun,
)
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from tests.simulation.model import state_after_takeover
from tests.simulation.plans import graphs, make_plan
from tests.simulation.simulator import Simulation, labels
from tests.simulation.test_random_runs import (
    DISTURBANCES,
    FEW,
    SEEDS,
    WORKERS,
    Case,
    Step,
    next_event,
    some_of,
    somebody_told,
    steadfast_cases,
    steps_of,
)


@st.composite
def careful_cases(draw: st.DrawFn) -> Case:
    """Steadfast bodies, of which some may begin one attempt at most."""
    case = draw(steadfast_cases())
    return case._replace(once=draw(some_of(case.graph)), told=draw(somebody_told(case.graph)))


def expected(case: Case, journal: Sequence[Event], volatile: frozenset[int] = frozenset()) -> list[str]:
    """The final state of each task in a run that is taken over with this journal, which knows of no cancellation and of
    no rerun."""
    begun = {event.task for event in journal if isinstance(event, AttemptStarted)}
    done = {event.task for event in journal if isinstance(event, AttemptSucceeded)}
    undisturbed = case.undisturbed
    return [
        state_after_takeover(case.graph, undisturbed, task, once=case.once, begun=begun, done=done, volatile=volatile)
        for task in range(len(case.graph))
    ]


def starts(journal: Sequence[Event], task: int) -> int:
    return sum(isinstance(event, AttemptStarted) and event.task == task for event in journal)


TAKEOVERS: dict[str, Callable[[float], list[Event]]] = {
    "resumed": lambda at: [RunResumed(at)],
    "adopted": lambda at: [RunResumed(at, by_hand=False)],
    "stopped and resumed": lambda at: [DriverStopped(at, "SIGTERM"), RunResumed(at + 1)],
    "stopped and adopted": lambda at: [DriverStopped(at, "SIGTERM"), RunResumed(at + 1, by_hand=False)],
}


def take_over(run: Simulation, how: str) -> Simulation:
    """Go on with a run after its driver is gone, one way or another, to its end."""
    for event in TAKEOVERS[how](run.tick()):
        run.over = False  # a stop may have ended it
        run.feed(event)
    return run if run.over else run.go_on()


@settings(max_examples=60)
@given(careful_cases(), SEEDS, WORKERS, st.sampled_from(sorted(TAKEOVERS)))
def test_wherever_a_run_is_killed_what_had_begun_begins_no_second_time(
    case: Case, seed: int, workers: int, how: str
) -> None:
    undisturbed = Simulation(case.plan, case.scripts, seed=seed, workers=workers).begin()
    assert labels(undisturbed.engine) == case.undisturbed
    for length in range(1, len(undisturbed.journal) + 1):
        written = undisturbed.journal[:length]
        run = Simulation(case.plan, case.scripts, seed=seed + length, workers=workers, journal=written)
        take_over(run, how)
        assert labels(run.engine) == expected(case, written)
        assert all(starts(run.journal, task) <= 1 for task in case.once)


@given(careful_cases(), SEEDS, st.data())
def test_nor_does_it_in_one_that_is_taken_over_again_and_again(case: Case, seed: int, data: st.DataObject) -> None:
    drawn = data.draw(some_of(case.graph))
    fleeting = drawn & case.once  # their values are not made again
    volatile = frozenset(task for task in drawn if fleeting.isdisjoint(case.graph[task]))
    journal: list[Event] = Simulation(case.plan, case.scripts, seed=seed, workers=3, volatile=volatile).begin().journal
    for kill in range(3):
        written = journal[: data.draw(st.integers(1, len(journal)))]
        run = Simulation(case.plan, case.scripts, seed=seed + kill, workers=3, journal=written, volatile=volatile)
        journal = take_over(run, data.draw(st.sampled_from(sorted(TAKEOVERS)))).journal
        assert labels(run.engine) == expected(case, written, volatile)
        assert all(starts(journal, task) <= 1 for task in case.once)


@given(careful_cases(), SEEDS, WORKERS, st.integers(0, 30))
def test_nor_in_one_that_is_cancelled_and_resumed(case: Case, seed: int, workers: int, steps: int) -> None:
    run = Simulation(case.plan, case.scripts, seed=seed, workers=workers)
    run.feed(RunStarted(run.tick()))
    for _ in range(steps):
        if run.over:
            break
        run.step()
    run.feed(CancelRequested(run.tick(), "ann"))
    run.timers.clear()
    run.go_on()
    for task, state in enumerate(labels(run.engine)):
        assert state in (case.undisturbed[task], "cancelled")
    again = Simulation(case.plan, case.scripts, seed=seed, workers=workers, journal=run.journal)
    take_over(again, "resumed")
    done = {event.task for event in again.journal if isinstance(event, AttemptSucceeded)}
    for task, state in enumerate(labels(again.engine)):
        assert (state == "success") == (task in done)
        if task in case.once and starts(run.journal, task):
            assert starts(again.journal, task) == 1
            assert state == labels(run.engine)[task]


def test_the_one_attempt_is_made() -> None:
    """Nothing of the above would notice if it were not."""
    case = Case([[], [0], [1]], [("success",)] * 3, [0] * 3, once=frozenset({0, 1, 2}))
    run = Simulation(case.plan, case.scripts, seed=1, workers=1).begin()
    assert labels(run.engine) == ["success"] * 3
    assert [starts(run.journal, task) for task in range(3)] == [1, 1, 1]


# --- Whatever happens


def variants(plan: Plan) -> dict[str, Plan]:
    """Plans that drop tasks, bring them back, and change who may begin how often."""
    size = len(plan)
    some = {
        "all": ([*range(size)], plan.policies),
        "odd": ([task for task in range(size) if task % 2], plan.policies),
        "even": ([task for task in range(size) if not task % 2], plan.policies),
        "careful": ([*range(size)], (TaskPolicy(at_most_once=True),) * size),
        "careless": ([*range(size)], (TaskPolicy(retries=2),) * size),
    }
    return {name: part_of_plan(plan, kept, policies) for name, (kept, policies) in some.items()}


def part_of_plan(plan: Plan, kept: Sequence[int], policies: Sequence[TaskPolicy]) -> Plan:
    number = {task: place for place, task in enumerate(kept)}
    return make_plan(
        [[number[above] for above in plan.upstreams[task] if above in number] for task in kept],
        names=[plan.names[task] for task in kept],
        policies=[policies[task] for task in kept],
        timeout=60.0,
    )


class Begun:
    """Counts how often each task was begun in each of its generations, by its name."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, int], int] = {}
        self.generations: dict[str, int] = {}

    def see(self, event: Event, plan: Plan) -> None:
        """An event was taken by a run that follows this plan."""
        if isinstance(event, TasksRerun):
            for task in event.tasks:
                self.generations[plan.names[task]] = self.generations.get(plan.names[task], 0) + 1
        elif isinstance(event, AttemptStarted):
            name = plan.names[event.task]
            key = name, self.generations.get(name, 0)
            before = self.counts.get(key, 0)
            assert not (before and plan.policies[event.task].at_most_once), f"{key} begins a second time"
            self.counts[key] = before + 1


@settings(max_examples=200)
@given(graphs(max_size=5, min_size=2), FEW, steps_of(*DISTURBANCES, "rerun", "adopt a plan", "adopt a plan"))
def test_whatever_happens_it_begins_once_a_generation(graph: list[list[int]], once: int, steps: list[Step]) -> None:
    policies = [
        TaskPolicy(at_most_once=True) if once >> task & 1 else TaskPolicy(retries=task % 3)
        for task in range(len(graph))
    ]
    plan = make_plan(graph, policies=policies, timeout=60.0)
    plans = variants(plan)
    engine = RunEngine(plan, run_id="run", plans=plans.__getitem__)
    begun = Begun()
    engine.handle(RunStarted(1.0))
    for number, step in enumerate(steps):
        at = number + 2.0
        for event in plan_adoption(step, at) if step[0] == "adopt a plan" else [next_event(engine, step, at=at)]:
            if event is None:
                continue
            followed = engine.plan
            try:
                engine.handle(event)
            except InvalidEvent:
                continue
            begun.see(event, followed)
        check(engine)


def plan_adoption(step: Step, at: float) -> list[Event]:
    """What a driver tells a run that it takes over with another plan."""
    _, which, extra = step
    name = ("all", "odd", "even", "careful", "careless")[which % 5]
    return [PlanAdopted(at, name), RunResumed(at, by_hand=bool(extra % 2))]
