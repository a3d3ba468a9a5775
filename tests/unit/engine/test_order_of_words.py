"""Whatever is told of several tasks is told in their order, and of several who want to know, to all of them."""

from __future__ import annotations

from penstock.engine.commands import DispatchTasks, ExpandMaps, SendNotices, TasksSettled, WithdrawTasks
from penstock.engine.events import DriverStopped, NotifiersSet, PlanAdopted, RunResumed, RunStarted, TasksMarked
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.policy import Notice
from tests.unit.engine.played import Played, plan_of

NINE = dict.fromkeys("abcdefghi", "")
"""Enough tasks for a set of some of them to have an order of its own."""


def told(run: Played) -> list[Notice]:
    """Whom the last event has to be told, and of what."""
    return [notice for command in run.commands if isinstance(command, SendNotices) for notice in command.notices]


# --- Tasks


def test_what_is_cancelled_is_told_in_order() -> None:
    run = Played(plan_of({**NINE, "b": "a"}, options={"i": {"retries": 1}})).ok(*"cdefgh").start("a").fail("i").cancel()
    assert run.commands[:2] == [WithdrawTasks([]), TasksSettled([1, 8], TaskState.CANCELLED)]


def test_what_is_done_is_named_in_order() -> None:
    run = Played(plan_of(NINE)).ok("i", "b")
    assert run.engine.done() == [1, 8]


def test_maps_are_expanded_in_order() -> None:
    run = Played(plan_of({"n": "m", "m": "a", "a": "", "l": "a"}, maps="n m l", rules={"n": "always"}))
    assert run.commands == [ExpandMaps([0]), DispatchTasks([2])]
    both = Played(
        plan_of({"n": "b", "m": "a", "a": "", "b": "a"}, maps="n m", rules={"b": "all_failed", "n": "all_done"})
    )
    both.ok("a")
    assert both.commands == [TasksSettled([3], TaskState.SKIPPED), ExpandMaps([0, 1])]


def test_what_a_branch_chose_is_kept_in_the_order_of_the_plan_that_is_followed() -> None:
    deciders = {"a": "x", "b": "x", "c": "x"}
    plan = plan_of({"x": "", "a": "x", "b": "x", "c": "x"}, deciders=deciders)
    other = plan_of({"x": "", "c": "x", "b": "x", "a": "x"}, deciders=deciders)
    run = Played(plan, other=other).ok("x", chosen="a b").feed(PlanAdopted(9.0, "other"), RunResumed(9.0))
    assert run.engine.chosen == {0: (2, 3)}


def test_a_run_that_fails_fast_names_the_first_of_those_that_failed_at_once() -> None:
    once = {"at_most_once": True}
    plan = plan_of({"a": "", "b": "", "c": ""}, options={"b": once, "c": once}, fail_fast=True)
    run = Played(plan).start("c", "b").feed(DriverStopped(9.0, "SIGTERM"))
    assert run.verdict == "failed: task 'b' failed, and fail_fast ended the rest"


def test_what_a_failure_settles_is_told_before_what_is_cancelled_with_it() -> None:
    run = Played(plan_of({"a": "", "b": "a", "c": ""}, fail_fast=True)).start("c").fail("a")
    assert run.commands[:3] == [
        TasksSettled([1], TaskState.UPSTREAM_FAILED),
        WithdrawTasks([]),
        TasksSettled([], TaskState.CANCELLED),
    ]


# --- Maps under another plan


def test_instances_keep_what_they_are_called_under_another_plan() -> None:
    plan = plan_of({"m": "", "n": ""}, maps="m n")
    run = Played(plan)
    event = run.expand("m", 2).journal[-1]
    event.names = ("x", "y")  # type: ignore[union-attr]
    run = Played(plan).feed(event, PlanAdopted(9.0, "same"), RunResumed(9.0))
    assert run.engine.map_names == {0: ("x", "y")}


def test_an_instance_that_a_plan_had_dropped_goes_on_counting_where_its_group_was_not() -> None:
    both = plan_of({"m": "", "b": "", "a": ""}, groups={"m": "b a"})
    fewer = plan_of({"m": "", "a": ""}, groups={"m": "a"})
    run = Played(both, fewer=fewer).expand("m", 2).fail("b[0]").start("a[1]")
    run.feed(PlanAdopted(9.0, "fewer"), RunResumed(9.0)).start("a[1]")
    run.feed(PlanAdopted(9.0, "same"), RunResumed(9.0)).expand("m", 2)
    attempts = {name: run.engine.attempts[run.slot(name)] for name in ("b[0]", "b[1]", "a[0]", "a[1]")}
    assert attempts == {"b[0]": 1, "b[1]": 0, "a[0]": 0, "a[1]": 2}


# --- Notices


def names(run: Played) -> list[str]:
    return [notice.id for notice in told(run)]


def test_who_wants_to_know_of_successes_alone_is_told_of_them() -> None:
    run = Played(plan_of({"a": "", "b": ""})).feed(NotifiersSet(2.0, ("x",), ("task_success",)))
    assert names(run.ok("a")) == ["run/a/0/1/task_success/x"]
    assert names(run.start("b")) == []
    run.ok("b").feed(NotifiersSet(9.0, ("x",), ("task_started",))).rerun("a")
    assert names(run.start("a")) == ["run/a/1/1/task_started/x"]


def test_a_skip_that_is_found_anew_is_told_to_who_was_not_told_of_it() -> None:
    kinds = ("task_skipped", "task_skipped")
    run = Played(plan_of({"a": "", "b": "a"})).feed(NotifiersSet(2.0, ("x",), kinds[:1]))
    assert names(run.skip("a")) == ["run/a/0/1/task_skipped/x", "run/b/0/0/task_skipped/x"]
    run.feed(NotifiersSet(9.0, ("x", "y"), kinds), TasksMarked(9.0, (0,), "skipped", "ann"))
    assert [name for name in names(run) if name.startswith("run/b") and name.endswith("y")] == [
        "run/b/0/0/task_skipped/y"
    ]


def test_who_takes_a_run_over_is_told_of_skips_as_the_driver_before_was() -> None:
    run = Played(plan_of({"a": "", "b": "a", "c": ""})).feed(NotifiersSet(2.0, ("x",), ("task_skipped task_failed",)))
    run.fail("c").feed(RunResumed(9.0, by_hand=False))
    assert names(run) == ["run/c/0/1/task_failed/x"]
    assert names(run.skip("a")) == ["run/a/0/1/task_skipped/x", "run/b/0/0/task_skipped/x"]


def test_a_run_without_notifiers_tells_nobody() -> None:
    engine = RunEngine(plan_of({"a": "", "b": "a"}), run_id="run")
    assert not any(isinstance(command, SendNotices) for command in engine.handle(RunStarted(1.0)))
