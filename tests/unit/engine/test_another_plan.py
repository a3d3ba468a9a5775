"""What a task keeps of its past when its run follows another plan."""

from __future__ import annotations

from penstock.engine.commands import SendNotices
from penstock.engine.events import (
    AttemptLost,
    ExpansionFailed,
    MapExpanded,
    PlanAdopted,
    RunResumed,
    TasksMarked,
    TasksRerun,
)
from penstock.engine.invariants import check
from penstock.engine.run import RunEngine
from penstock.plan.plan import Group
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan
from tests.simulation.simulator import labels
from tests.unit.engine.histories import BEGIN, ERROR, KEPT, done, failed, start


def test_a_task_keeps_its_past_by_its_name() -> None:
    plan = make_plan([[], [], []])
    other = make_plan([[], [], []], names=["t2", "t1", "t0"])
    engine = RunEngine(plan, run_id="run", plans={"other": other}.__getitem__)
    for event in (BEGIN, *done(0), *done(1), *done(2, value=KEPT), TasksRerun(4.0, (0, 1))):
        engine.handle(event)
    for event in (start(0), AttemptLost(0, 1, 5.0, ERROR), *done(0, 2), *failed(1)):
        engine.handle(event)
    before = {name: told(engine, name) for name in ("t0", "t1", "t2")}
    engine.handle(PlanAdopted(9.0, "other"))
    engine.handle(RunResumed(9.0, by_hand=False))
    assert labels(engine) == ["success", "failed", "success"]
    assert {name: told(engine, name) for name in ("t0", "t1", "t2")} == before
    assert before["t0"] == (2, 2.0, 3.0, 1, None, 1, None, None)
    assert before["t1"] == (1, 2.0, 3.0, 1, 1, None, ERROR, None)
    assert before["t2"] == (1, 2.0, 3.0, 0, None, None, None, KEPT)


def test_what_may_begin_once_and_ran_has_failed_and_that_is_told_when_another_plan_comes() -> None:
    once = TaskPolicy(at_most_once=True, notices=("failed",))
    plan = make_plan([[], [0]], policies=[once, TaskPolicy()])
    engine = RunEngine(plan, run_id="run", plans={"same": plan}.__getitem__)
    for event in (BEGIN, start(0)):
        engine.handle(event)
    [sent] = engine.handle(PlanAdopted(9.0, "same"))
    assert isinstance(sent, SendNotices)
    assert [notice.id for notice in sent.notices] == ["run/t0/0/1/task_failed"]
    assert labels(engine) == ["failed", "upstream_failed"]
    assert "its driver stopped while it ran (lost)" in engine.errors[0].message


def test_a_map_that_failed_and_is_inside_a_mapped_group_now_has_no_error_once_that_is_expanded() -> None:
    plan = make_plan([[], []], names=["e", "a"], maps={1: "task"})
    group = Group("group", -1, (1,), 0)
    other = make_plan([[], []], names=["e", "a"], guards={1: (0,)}, maps={0: "group"}, groups=(group,))
    engine = RunEngine(plan, run_id="run", plans={"other": other}.__getitem__)
    for event in (BEGIN, ExpansionFailed(1, 2.0, ERROR), PlanAdopted(3.0, "other"), RunResumed(3.0, by_hand=True)):
        engine.handle(event)
    assert 1 in engine.errors
    engine.handle(MapExpanded(0, 4.0, 1))
    engine.handle(TasksMarked(5.0, (2,), "success", "ann"))
    assert engine.task_state(1).label == "success"
    check(engine)


def told(engine: RunEngine, name: str) -> tuple[object, ...]:
    """What an engine knows of a task but for its state."""
    task = engine.plan.numbers[name]
    return (
        engine.attempts[task],
        engine.started[task],
        engine.ended[task],
        engine.generation(task),
        engine.failures.get(task),
        engine.lost.get(task),
        engine.errors.get(task),
        engine.values.get(task),
    )
