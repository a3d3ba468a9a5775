"""Somebody says what is to be taken for the outcome of tasks, and the rest of the run goes by that."""

from __future__ import annotations

import pytest

from penstock.engine.commands import DispatchTasks, SetGroupTimer, TasksSettled, WithdrawTasks
from penstock.engine.events import GroupRetryDue, TasksMarked
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import TaskState
from penstock.policy import TaskPolicy
from tests.simulation.simulator import snapshot
from tests.unit.engine.played import Played, plan_of

CHAIN = {"a": "", "b": "a", "c": "b"}


def mark(run: Played, state: str, *names: str, note: str = "") -> Played:
    return run.feed(TasksMarked(run.tick(), tuple(map(run.slot, names)), state, "ann", note))


# --- A run that has ended


def test_a_failure_that_is_taken_for_a_success_lets_the_rest_run() -> None:
    run = Played(plan_of(CHAIN)).fail("a")
    assert mark(run, "success", "a").letters == "Sr."
    assert run.commands == [DispatchTasks([1])]
    assert run.engine.errors == {}
    assert [run.engine.generation(slot) for slot in range(3)] == [1, 0, 0]
    assert run.engine.attempts[0] == 0
    assert run.engine.ended[0] == run.now
    assert run.ok("b", "c").verdict == "success"
    assert run.replayed()


def test_one_that_is_taken_for_skipped_skips_the_rest() -> None:
    run = mark(Played(plan_of(CHAIN)).fail("a"), "skipped", "a", note="not today")
    assert (run.letters, run.verdict) == ("KKK", "success")
    assert run.engine.skips == {0: "marked by ann: not today"}


def test_a_success_that_is_taken_for_a_failure_fails_the_run_and_leaves_what_was_done() -> None:
    run = mark(Played(plan_of(CHAIN)).ok("a", "b", "c"), "failed", "b")
    assert (run.letters, run.verdict) == ("SFS", "failed: task 'b' failed")
    error = run.engine.errors[1]
    assert (error.type, error.message) == ("Marked", "marked by ann")


def test_several_are_marked_at_once() -> None:
    run = mark(Played(plan_of(CHAIN)).fail("a"), "success", "a", "b", "c")
    assert (run.letters, run.verdict) == ("SSS", "success")


def test_what_was_marked_is_tried_again_as_anything_else() -> None:
    run = mark(Played(plan_of(CHAIN)).ok("a", "b", "c"), "failed", "a").rerun("a")
    assert run.letters == "rSS"
    assert run.engine.generation(0) == 2
    assert run.ok("a").verdict == "success"


def test_what_was_skipped_because_of_it_may_run_now() -> None:
    run = Played(plan_of(CHAIN, rules={"b": "all_failed"})).ok("a")
    assert run.letters == "SKK"
    assert mark(run, "failed", "a").letters == "Fr."
    assert run.ok("b", "c").verdict == "failed: task 'a' failed"


def test_what_said_itself_that_there_was_nothing_to_do_has_said_so() -> None:
    run = mark(Played(plan_of(CHAIN)).ok("a").skip("b"), "failed", "a")
    assert run.letters == "FKK"


# --- A run that goes on


def test_in_a_run_that_goes_on_all_that_is_ready_is_given_anew() -> None:
    run = Played(plan_of({**CHAIN, "d": ""}))
    mark(run, "success", "a")
    assert run.letters == "Sr.r"
    assert run.commands == [WithdrawTasks([0, 3]), DispatchTasks([1, 3])]
    run.ok("d", "b", "c")
    assert run.verdict == "success"
    assert run.replayed()


def test_what_waits_may_be_marked_before_its_time() -> None:
    run = mark(Played(plan_of(CHAIN)), "success", "b")
    assert run.letters == "rSr"
    assert run.ok("c").fail("a").letters == "FSS"
    assert run.verdict == "failed: task 'a' failed"


def test_the_last_mark_ends_the_run() -> None:
    run = mark(Played(plan_of({"a": ""})), "success", "a")
    assert run.verdict == "success"


def test_one_that_waits_for_its_next_attempt_has_none() -> None:
    run = Played(plan_of({"a": "", "b": ""}, options={"a": {"retries": 1}})).fail("a")
    mark(run, "failed", "a")
    assert (run.letters, run.engine.retries_due) == ("Fr", {})


def test_what_cannot_run_any_more_is_settled() -> None:
    run = mark(Played(plan_of({**CHAIN, "d": ""})), "failed", "a")
    assert (run.letters, run.verdict) == ("FUUr", "")
    assert run.ok("d").verdict == "failed: task 'a' failed"


def test_what_ends_with_a_mark_without_running_is_told_by_its_state() -> None:
    run = mark(Played(plan_of({**CHAIN, "d": ""})).start("d"), "failed", "a")
    assert run.commands == [WithdrawTasks([0]), TasksSettled([1, 2], TaskState.UPSTREAM_FAILED)]
    run = mark(Played(plan_of({**CHAIN, "d": ""})).start("d"), "skipped", "a")
    assert run.commands == [WithdrawTasks([0]), TasksSettled([1, 2], TaskState.SKIPPED)]
    run = mark(Played(plan_of({"a": "", "b": "", "c": "a b"})).cancel().rerun("a", "c"), "success", "a")
    assert (run.letters, run.commands[:2]) == ("SCC", [WithdrawTasks([0]), TasksSettled([2], TaskState.CANCELLED)])


def test_what_had_ended_before_and_the_map_of_a_marked_instance_are_not_told_anew() -> None:
    run = Played(plan_of({"m": "", "x": "m", "c": "", "y": "c", "d": ""}, maps="m")).start("d").fail("c")
    mark(run.expand("m", 1), "skipped", "m[0]")
    assert (run.letters, run.of("m")) == ("KKFU>", "K")
    assert run.commands == [WithdrawTasks([run.slot("m[0]")]), TasksSettled([1], TaskState.SKIPPED)]


def test_what_was_to_wake_still_does_and_only_new_rounds_are_told_of() -> None:
    tasks = {"a": "", "b": "", "c": "", "d": "c", "e": ""}
    again = TaskPolicy(retries=1, retry_delay=10.0)
    plan = plan_of(tasks, retried={"b": again, "c d": again}, options={"a": {"retries": 1}})
    run = Played(plan).fail("a", "b").fail("c")
    due = {*run.engine.rounds_due}
    assert len(due) == 2
    mark(run, "success", "e")
    assert run.commands == [WithdrawTasks([4])]
    run = Played(plan).fail("a", "b").ok("c")
    mark(run, "skipped", "d")
    assert run.commands == [WithdrawTasks([3, 4]), DispatchTasks([4])]
    retried = Played(plan_of({"a": "", "b": "", "c": ""}, retried={"a b": again})).fail("a")
    mark(retried, "success", "b")
    assert retried.commands == [WithdrawTasks([1, 2]), DispatchTasks([2]), SetGroupTimer(0, -1, retried.now + 10.0)]


def test_who_marks_a_task_of_a_run_that_has_ended_gives_all_rounds_again() -> None:
    plan = plan_of({"a": "", "b": "a"}, retried={"a b": TaskPolicy(retries=1)})
    run = Played(plan).fail("a").feed(GroupRetryDue(0, -1, 9.0)).fail("a")
    assert (run.letters, run.engine.rounds_due) == ("FU", {})
    assert mark(run, "success", "a").letters == "Sr"
    assert [*run.fail("b").engine.rounds_due] == [(0, -1)]


# --- Maps


def test_a_failure_by_hand_ends_a_run_that_is_to_fail_fast() -> None:
    run = Played(plan_of({"a": "", "b": "", "c": ""}, fail_fast=True)).start("c")
    assert mark(run, "failed", "a").letters == "FC>"
    assert run.ok("c").verdict == "failed: task 'a' failed, and fail_fast ended the rest"


def test_an_instance_is_marked_by_itself() -> None:
    plan = plan_of({"m": "", "x": "m"}, maps="m")
    run = Played(plan).expand("m", 2).ok("m[0]").fail("m[1]")
    assert mark(run, "success", "m[1]").letters == "Sr"
    assert run.ok("x").verdict == "success"
    assert run.replayed()


# --- What cannot be


@pytest.mark.parametrize(
    "case",
    [
        "not begun",
        "while it runs",
        "while what is below it runs",
        "no such task",
        "no such state",
        "the head of a map",
        "an expansion",
    ],
)
def test_what_cannot_be_marked_is_refused_and_nothing_changes(case: str) -> None:
    tasks = {"a": "", "b": "a", "m": "", "g": "", "i": ""}
    run = Played(plan_of(tasks, maps="m", groups={"g": "i"})).expand("m", 1).expand("g", 1)
    engine, state = run.engine, "done" if case == "no such state" else "success"
    marked = {"no such task": (1, 9), "the head of a map": (1, 2), "an expansion": (1, 3)}.get(case, (1,))
    if case == "not begun":
        engine = RunEngine(plan_of(CHAIN))
    elif case == "while it runs":
        run.ok("a").start("b")
    elif case == "while what is below it runs":
        run.ok("a").start("b")
        marked = (0,)
    before = snapshot(engine)
    with pytest.raises(InvalidEvent):
        engine.handle(TasksMarked(9.0, marked, state, "ann"))
    assert snapshot(engine) == before


def test_what_runs_far_below_is_in_the_way_and_named_once_and_in_order() -> None:
    tasks = {"a": "", **dict.fromkeys("bcdefgh", ""), "i": "a", "b": "a", "j": "b i"}
    run = Played(plan_of(tasks, rules={"j": "always"})).ok("a").start("i", "b", "j")
    assert [run.engine.name(slot) for slot in run.engine.in_the_way([0])] == ["b", "i", "j"]
    assert run.engine.in_the_way([run.slot("c")]) == []


def test_what_waits_for_a_group_is_in_the_way_of_all_that_is_in_it() -> None:
    """Since the group may begin anew with a mark. What is in it, and not below, is not."""
    tasks = {"a": "", "b": "", "c": "b", "x": "b"}
    plan = plan_of(tasks, retried={"a b": TaskPolicy(retries=1)})
    run = Played(plan).ok("a", "b").start("x", "c")
    assert run.engine.in_the_way([0]) == [2, 3]
    inside = Played(plan_of(tasks, retried={"a b c": TaskPolicy(retries=1)})).ok("a", "b").start("c")
    assert inside.engine.in_the_way([0]) == []
    with pytest.raises(InvalidEvent):
        run.engine.handle(TasksMarked(9.0, (0,), "failed", "ann"))


def test_what_is_to_begin_anew_with_its_group_cannot_be_marked() -> None:
    run = Played(plan_of({"a": "", "b": ""}, retried={"a b": TaskPolicy(retries=1)})).ok("a").fail("b")
    assert run.engine.waits_for_round(0)
    assert run.engine.waits_for_round(1)
    with pytest.raises(InvalidEvent):
        run.engine.handle(TasksMarked(9.0, (0,), "failed", "ann"))


def test_there_is_no_task_beyond_the_last() -> None:
    run = Played(plan_of({"a": "", "b": ""}))
    assert [run.engine.can_be_marked(slot) for slot in (-1, 0, 1, 2)] == [False, True, True, False]


def test_an_instance_that_its_map_has_no_more_cannot_be_marked() -> None:
    run = Played(plan_of({"m": ""}, maps="m")).expand("m", 2).ok("m[0]", "m[1]").rerun("m").expand("m", 1)
    assert run.of("m") == "S-"
    with pytest.raises(InvalidEvent):
        mark(run, "failed", "m[1]")
