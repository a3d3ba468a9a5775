"""What is told of random runs: everything once, under one id, to whom it should be, and nothing that was delivered.

The simulation's Witness compares after every event what is told with what the plan names and how the tasks moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.commands import SendNotices
from penstock.engine.events import Event, NoticeDelivered, NoticeDropped, NotifiersSet, RunStarted
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.policy import RUN_NOTICES, TASK_NOTICES, TaskPolicy
from tests.simulation.model import FAILURE, SUCCESS, verdict
from tests.simulation.plans import graphs, make_plan
from tests.simulation.simulator import Simulation, Witness, labels
from tests.simulation.test_at_most_once import TAKEOVERS, careful_cases, plan_adoption, take_over, variants
from tests.simulation.test_random_runs import (
    DISTURBANCES,
    FEW,
    OF_NOTICES,
    SEEDS,
    WORKERS,
    Case,
    Step,
    cases,
    next_event,
    steps_of,
)

PASSING = ("task_retry", "task_started", "run_started")
NOTIFIERS = st.sampled_from([(), (), ("slack",), ("slack", "mail/team")])


def told(case: Case, seed: int, workers: int, notifiers: tuple[str, ...]) -> Simulation:
    """A run in which somebody is told, to its end."""
    run = Simulation(case.plan, case.scripts, seed=seed, workers=workers)
    run.feed(NotifiersSet(run.tick(), notifiers))
    return run.begin()


@given(cases(), SEEDS, WORKERS, NOTIFIERS)
def test_everything_is_told_once_and_can_be_delivered(
    case: Case, seed: int, workers: int, notifiers: tuple[str, ...]
) -> None:
    run = told(case, seed, workers, notifiers).deliver_all()
    assert run.witness.gone == set(run.witness.told)
    ends = [notice for notice in run.witness.told.values() if notice.kind not in PASSING]
    assert sorted((notice.task or "", notice.kind, notice.receiver) for notice in ends) == sorted(
        expected(case, notifiers)
    )


def expected(case: Case, notifiers: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Who is told how each task and the run ended, if nobody disturbs it."""
    callbacks = case.told or ((),) * (len(case.graph) + 1)
    for task, state in enumerate(case.undisturbed):
        if state in ("success", "failed"):
            for receiver in [*[""] * (state in callbacks[task]), *(notifiers if state == "failed" else ())]:
                yield f"t{task}", f"task_{state}", receiver
    end = verdict(case.undisturbed)
    for receiver in [*[""] * (end in callbacks[-1]), *notifiers]:
        yield "", f"run_{end}", receiver


@given(cases(), SEEDS, SEEDS, NOTIFIERS)
def test_who_finishes_first_changes_nothing_of_what_is_told_of_tasks(
    case: Case, seed: int, other_seed: int, notifiers: tuple[str, ...]
) -> None:
    one, other = told(case, seed, 1, notifiers), told(case, other_seed, 4, notifiers)
    assert set(one.witness.told) == set(other.witness.told)
    for id, notice in one.witness.told.items():
        again = other.witness.told[id]
        assert (notice.kind, notice.task, notice.attempt, notice.error) == (
            again.kind, again.task, again.attempt, again.error
        )  # fmt: skip


@settings(max_examples=30)
@given(careful_cases(), SEEDS, WORKERS, NOTIFIERS, st.sampled_from(sorted(TAKEOVERS)))
def test_wherever_a_run_is_killed_nothing_is_forgotten_and_nothing_delivered_comes_back(
    case: Case, seed: int, workers: int, notifiers: tuple[str, ...], how: str
) -> None:
    first = told(case, seed, workers, notifiers).deliver_all()
    for length in range(2, len(first.journal) + 1):
        written = first.journal[:length]
        run = Simulation(case.plan, case.scripts, seed=seed + length, workers=workers, journal=written)
        before = {**run.witness.told}
        assert all(first.witness.told[id] == notice for id, notice in before.items()), "a replay tells the same"
        taken = {event.notice for event in written if isinstance(event, (NoticeDelivered, NoticeDropped))}
        assert taken.isdisjoint(run.engine.notices)
        take_over(run, how).deliver_all()
        sent = [notice.id for command in run.commands if isinstance(command, SendNotices) for notice in command.notices]
        assert taken.isdisjoint(sent)
        assert set(run.witness.told) == taken.union(sent)


@given(careful_cases(), SEEDS, st.data())
def test_a_run_that_is_taken_over_again_and_again_tells_everything_once(
    case: Case, seed: int, data: st.DataObject
) -> None:
    journal: list[Event] = told(case, seed, 3, ("slack",)).journal
    for kill in range(3):
        written = journal[: data.draw(st.integers(2, len(journal)))]
        run = Simulation(case.plan, case.scripts, seed=seed + kill, workers=3, journal=written)
        journal = take_over(run, data.draw(st.sampled_from(sorted(TAKEOVERS)))).journal
    run.deliver_all()
    assert run.witness.gone == set(run.witness.told)


@settings(max_examples=200)
@given(graphs(max_size=5, min_size=2), FEW, steps_of(*DISTURBANCES, *OF_NOTICES, *OF_NOTICES, "rerun", "adopt a plan"))
def test_whatever_happens_no_two_notices_share_an_id(graph: list[list[int]], once: int, steps: list[Step]) -> None:
    policies = [
        TaskPolicy(at_most_once=True, notices=TASK_NOTICES)
        if once >> task & 1
        else TaskPolicy(retries=task % 3, notices=TASK_NOTICES)
        for task in range(len(graph))
    ]
    plan = make_plan(graph, policies=policies, timeout=60.0, notices=RUN_NOTICES)
    plans = variants(plan)
    engine = RunEngine(plan, run_id="run", plans=plans.__getitem__)
    witness = Witness()
    for number, step in enumerate([("begin", 0, 0), *steps]):
        at = number + 1.0
        for event in plan_adoption(step, at) if step[0] == "adopt a plan" else [next_event(engine, step, at=at)]:
            if event is not None:
                hand_in(event, engine, witness)
        check(engine)


def hand_in(event: Event, engine: RunEngine, witness: Witness) -> None:
    before, followed = labels(engine), engine.plan
    try:
        commands = engine.handle(event)
    except InvalidEvent:
        return
    witness.see(event, before, engine, commands, followed)


def test_the_witness_sees_what_is_not_told_told_twice_or_told_again() -> None:
    """The checks above are worth something."""
    policies = [TaskPolicy(notices=TASK_NOTICES)] * 2
    plan = make_plan([[], []], policies=policies, notices=RUN_NOTICES)
    run = Simulation(plan, [(SUCCESS,), (FAILURE,)], seed=1, workers=1).begin()
    names = [notice.kind for notice in run.witness.told.values() if notice.kind not in PASSING]
    assert sorted(names) == ["run_failed", "task_failed", "task_success"]

    def deaf(journal: Sequence[Event], forgotten: str | None = None) -> None:
        engine, witness = RunEngine(plan, run_id="run"), Witness()
        for event in journal:
            before = labels(engine)
            commands = engine.handle(event)
            if forgotten is not None:
                engine.notices.pop(forgotten, None)
            witness.see(event, before, engine, commands)

    deaf(run.journal)
    with pytest.raises(AssertionError):
        deaf(run.journal, forgotten="run/t0/0/1/task_success")
    engine, witness = RunEngine(plan, run_id="run"), Witness()
    begin = RunStarted(1.0)
    commands = engine.handle(begin)
    with pytest.raises(AssertionError):
        witness.see(begin, ["pending", "success"], engine, [*commands, SendNotices([*run.witness.told.values()])])
