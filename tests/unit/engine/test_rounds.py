"""Groups that are tried again as a unit: when a round is over, whether another follows, and what the outside sees."""

from __future__ import annotations

import pytest

from penstock.engine.commands import DispatchTasks, SetGroupTimer, TasksSettled, WithdrawTasks
from penstock.engine.events import (
    AttemptLost,
    DriverStopped,
    GroupRetryDue,
    RetryDue,
    RunResumed,
    RunTimedOut,
    ValueRef,
)
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from tests.unit.engine.played import ERROR, Played, plan_of

ONCE, TWICE = TaskPolicy(retries=1), TaskPolicy(retries=2, retry_delay=10.0, retry_backoff=3.0)
KEPT = ValueRef("json", 1, None, "1")


def pair(policy: TaskPolicy = ONCE, **fields: object) -> Plan:
    """a and b after it are tried again together; x and y come after them."""
    tasks = {"a": "", "b": "a", "x": "a", "y": "b"}
    return plan_of(tasks, retried={"a b": policy}, rules={"y": "all_done"}, timeout=60.0, **fields)  # type: ignore[arg-type]


def due(run: Played, group: int = 0, index: int = -1) -> Played:
    """The pause before a round is over."""
    return run.feed(GroupRetryDue(group, index, run.tick()))


# --- Undisturbed


def test_a_group_in_which_nothing_failed_is_settled_when_all_of_it_has_ended() -> None:
    run = Played(pair()).ok("a")
    assert run.letters == "Sr.."  # nobody outside sees that a has succeeded: another round might begin it anew
    run.ok("b")
    assert (run.letters, run.commands) == ("SSrr", [DispatchTasks([2, 3])])
    assert run.ok("x", "y").verdict == "success"
    assert run.engine.rounds == {}


def test_one_in_which_something_failed_begins_anew_after_a_pause() -> None:
    run = Played(pair(TWICE)).ok("a").fail("b")
    assert (run.letters, run.commands) == ("SF..", [SetGroupTimer(0, -1, run.now + 10.0)])
    due(run)
    assert (run.letters, run.commands) == ("r...", [DispatchTasks([0])])
    assert [run.engine.generation(slot) for slot in range(4)] == [1, 1, 0, 0]
    assert [*run.engine.attempts] == [0, 0, 0, 0]
    run.ok("a", "b", "x", "y")
    assert (run.letters, run.verdict) == ("SSSS", "success")
    assert run.engine.errors == {}
    assert run.replayed()


def test_a_round_is_not_over_while_something_in_it_goes_on() -> None:
    run = Played(plan_of({"a": "", "b": "", "c": "a"}, retried={"a b c": ONCE})).start("b").fail("a")
    assert (run.letters, run.commands) == ("F>U", [TasksSettled([2], TaskState.UPSTREAM_FAILED)])
    assert run.ok("b").commands == [SetGroupTimer(0, -1, run.now)]


def test_a_failed_attempt_that_is_tried_again_by_itself_does_not_end_a_round() -> None:
    run = Played(plan_of({"a": ""}, retried={"a": ONCE}, options={"a": {"retries": 1}})).fail("a")
    assert (run.letters, run.engine.rounds_due) == ("~", {})


def test_pauses_grow_and_rounds_end() -> None:
    run = Played(pair(TWICE)).fail("a")
    assert run.engine.rounds_due == {(0, -1): run.now + 10.0}
    due(run).fail("a")
    assert run.engine.rounds_due == {(0, -1): run.now + 30.0}
    due(run).fail("a")
    assert run.engine.rounds_due == {}
    assert run.engine.rounds == {(0, -1): 2}
    assert run.letters == "FUUr"
    assert run.ok("y").verdict == "failed: task 'a' failed"
    assert run.replayed()


def test_the_outside_sees_the_last_round_only() -> None:
    run = due(Played(pair()).ok("a").fail("b")).fail("a")
    assert run.letters == "FUUr"
    run = due(Played(pair()).fail("a")).skip("a")
    assert run.letters == "KKKr"


@pytest.mark.parametrize("end", "SK")
def test_what_did_not_run_because_of_others_is_no_reason_for_another_round(end: str) -> None:
    run = Played(plan_of({"up": "", "a": "up", "b": ""}, retried={"a b": ONCE})).ok("b")
    run.end("up", "F" if end == "S" else "K")
    assert run.engine.rounds_due == {}
    assert run.verdict.partition(":")[0] == ("failed" if end == "S" else "success")


def test_a_failure_after_which_nothing_is_tried_again_settles_the_group() -> None:
    run = Played(pair()).fail("a", retryable=False)
    assert (run.letters, run.engine.rounds_due) == ("FUUr", {})
    run = Played(plan_of({"a": "", "b": ""}, retried={"a b": ONCE})).fail("a", retryable=False).fail("b")
    assert run.verdict == "failed: 2 tasks failed: 'a', 'b'"


def test_so_do_three_lost_workers() -> None:
    run = Played(pair())
    for number in (1, 2, 3):
        run.start("a").feed(AttemptLost(0, number, run.tick(), ERROR))
    assert (run.letters, run.engine.rounds_due) == ("FUUr", {})


def test_a_failure_that_does_not_count_is_no_reason_either() -> None:
    run = Played(plan_of({"a": "", "b": ""}, retried={"a b": ONCE}, options={"a": {"allow_failure": True}})).fail("a")
    assert run.ok("b").verdict == "success"


def test_a_new_round_knows_nothing_of_the_last() -> None:
    plan = plan_of({"a": "", "b": "a", "c": ""}, retried={"a b c": ONCE}, deciders={"b": "a"})
    run = Played(plan).ok("a", chosen="").fail("c")
    assert run.letters == "SKF"
    run.engine.values[0] = KEPT
    due(run)
    assert (run.engine.chosen, run.engine.values, run.engine.failures, run.engine.final) == ({}, {}, {}, set())
    assert run.letters == "r.r"


def test_each_round_has_all_retries_of_its_tasks_again() -> None:
    run = Played(plan_of({"a": ""}, retried={"a": ONCE}, options={"a": {"retries": 1}}))
    for verdict in ("", "failed: task 'a' failed"):
        run.fail("a")
        assert run.letters == "~"
        run.feed(RetryDue(0, run.tick())).fail("a")
        assert (run.letters, run.verdict) == ("F", verdict)
        due(run)


def test_a_timer_that_nobody_waits_for_changes_nothing() -> None:
    run = Played(pair(), odd=True).ok("a")
    assert due(run).commands == []
    assert run.letters == "Sr.."
    assert due(run, group=3).commands == []


def test_a_group_whose_tasks_are_all_settled_from_outside_is_settled_too() -> None:
    run = Played(plan_of({"up": "", "a": "up", "b": "a", "x": "b"}, retried={"a b": ONCE})).skip("up")
    assert (run.letters, run.verdict) == ("KKKK", "success")


# --- Groups within groups


def nested() -> Plan:
    """b and c after it are tried again together, and with a before them once more; x comes after c."""
    return plan_of({"a": "", "b": "a", "c": "b", "x": "c"}, retried={"a b c": ONCE, "b c": ONCE})


def test_the_inner_group_is_tried_again_first_and_anew_in_each_round_of_the_outer() -> None:
    run = Played(nested()).ok("a").ok("b").fail("c")
    assert run.commands == [SetGroupTimer(1, -1, run.now)]
    due(run, 1)
    assert run.letters == "Sr.."
    run.ok("b").fail("c")
    assert run.commands == [SetGroupTimer(0, -1, run.now)]
    due(run, 0)
    assert (run.letters, run.engine.rounds) == ("r...", {(0, -1): 1})
    run.ok("a").fail("b")
    assert run.commands[-1] == SetGroupTimer(1, -1, run.now)
    due(run, 1).ok("b", "c", "x")
    assert run.verdict == "success"
    assert [run.engine.generation(slot) for slot in range(4)] == [1, 3, 3, 0]
    assert run.replayed()


def test_the_outer_group_goes_on_only_when_the_inner_is_settled() -> None:
    plan = plan_of({"a": "", "b": "a", "c": "b"}, retried={"a b c": ONCE, "a b": ONCE}, rules={"c": "all_done"})
    run = Played(plan).ok("a").fail("b")
    assert run.letters == "SF."
    due(run, 1).ok("a", "b")
    assert run.letters == "SSr"
    assert run.ok("c").verdict == "success"


def test_a_failure_outside_of_the_inner_group_is_a_reason_for_the_outer_alone() -> None:
    plan = plan_of({"a": "", "b": "", "c": ""}, retried={"a b c": ONCE, "a b": ONCE})
    run = Played(plan).ok("a", "b").fail("c")
    assert run.commands == [SetGroupTimer(0, -1, run.now)]
    assert due(run, 0).letters == "rrr"


# --- Mapped


def mapped(policy: TaskPolicy = ONCE) -> Plan:
    """Each instance of a and b is tried again by itself; x comes after all of them, whatever they come to."""
    tasks = {"g": "", "a": "", "b": "a", "x": "b"}
    return plan_of(tasks, groups={"g": "a b"}, retried={"g": policy}, rules={"x": "all_done"})


def test_of_a_mapped_group_each_index_is_a_unit() -> None:
    run = Played(mapped(TWICE)).expand("g", 2).ok("a[0]").fail("b[0]")
    assert run.commands == [SetGroupTimer(0, 0, run.now + 10.0)]
    run.ok("a[1]", "b[1]")
    assert (run.of("a"), run.of("b"), run["x"]) == ("SS", "FS", ".")
    due(run, 0, 0)
    assert (run.of("a"), run.of("b"), run.letters) == ("rS", ".S", "SEE.")
    assert [run.engine.generation(run.slot(name)) for name in ("a[0]", "b[0]", "a[1]", "b[1]")] == [1, 1, 0, 0]
    run.ok("a[0]", "b[0]")
    assert run.letters == "SSSr"
    assert run.ok("x").verdict == "success"
    assert run.replayed()


def test_the_map_as_a_whole_ends_when_the_last_unit_is_settled() -> None:
    run = Played(mapped()).expand("g", 2).fail("a[0]").fail("a[1]")
    assert (run.letters, run.of("b")) == ("SEE.", "UU")
    due(run, 0, 0).fail("a[0]")
    assert run.letters == "SEE."
    due(run, 0, 1).ok("a[1]", "b[1]")
    assert (run.letters, run.of("b")) == ("SFUr", "US")
    assert run.ok("x").verdict == "failed: task 'a[0]' failed"


def test_what_a_settled_unit_came_to_may_be_enough_for_those_after_the_map() -> None:
    plan = plan_of({"g": "", "a": "", "x": "a"}, groups={"g": "a"}, retried={"g": ONCE})
    run = Played(plan).expand("g", 2).fail("a[0]")
    assert run.letters == "SE."
    assert due(run, 0, 0).fail("a[0]").letters == "SEU"


def test_a_map_in_a_group_is_expanded_anew_in_each_round() -> None:
    plan = plan_of({"m": "", "b": "", "x": "m"}, maps="m", retried={"m b": ONCE}, rules={"x": "all_done"})
    run = Played(plan).expand("m", 2).ok("m[0]").fail("m[1]").ok("b")
    assert (run.letters, run.commands) == ("FS.", [SetGroupTimer(0, -1, run.now)])
    due(run)
    assert run.letters == "rr."
    run.expand("m", 1).ok("m[0]", "b")
    assert (run.letters, run.of("m")) == ("SSr", "S-")
    assert run.ok("x").verdict == "success"
    assert run.replayed()


def test_a_map_that_cannot_be_expanded_is_a_failure_as_any_other() -> None:
    run = Played(plan_of({"m": ""}, maps="m", retried={"m": ONCE})).fail_to_expand("m")
    assert run.commands == [SetGroupTimer(0, -1, run.now)]
    assert due(run).expand("m", 1).ok("m[0]").verdict == "success"


# --- Disturbed


def test_no_round_follows_in_a_run_that_is_to_end() -> None:
    run = Played(pair()).start("a").cancel().fail("a")
    assert (run.letters, run.verdict) == ("FCCC", "cancelled: cancelled by ann")
    assert run.engine.rounds_due == {}


@pytest.mark.parametrize("late", [False, True])
def test_a_group_that_waits_for_its_next_round_is_settled_when_the_run_is_to_end(late: bool) -> None:
    run = Played(pair()).ok("a").fail("b")
    run.feed(RunTimedOut(61.0)) if late else run.cancel()
    assert run.letters == "SFCC"
    assert run.commands[:2] == [WithdrawTasks([]), TasksSettled([2, 3], TaskState.CANCELLED)]
    assert run.verdict == ("failed: timed out after 60 s" if late else "cancelled: cancelled by ann")
    assert due(run).commands == []


def test_so_are_those_around_it() -> None:
    run = Played(nested()).ok("a", "b").fail("c").cancel()
    assert (run.letters, run.verdict) == ("SSFC", "cancelled: cancelled by ann")


def test_a_teardown_after_it_sees_how_it_was_settled() -> None:
    tasks = {"s": "", "a": "s", "t": "s a"}
    run = Played(plan_of(tasks, setups={"t": "s"}, retried={"a": ONCE})).ok("s").fail("a")
    assert run.letters == "SF."
    assert run.cancel().letters == "SFr"
    assert run.ok("t").verdict == "failed: task 'a' failed"


def test_only_a_failure_of_the_last_round_ends_a_run_that_fails_fast() -> None:
    plan = plan_of({"a": "", "z": ""}, retried={"a": ONCE}, fail_fast=True)
    run = Played(plan).fail("a")
    assert run.letters == "Fr"
    assert due(run).fail("a").letters == "FC"
    assert run.verdict == "failed: task 'a' failed, and fail_fast ended the rest"


def test_one_that_is_not_tried_again_does_when_the_rest_of_the_group_has_ended() -> None:
    plan = plan_of({"a": "", "b": "", "z": ""}, retried={"a b": ONCE}, fail_fast=True)
    run = Played(plan).start("b").fail("a", retryable=False)
    assert run.letters == "F>r"
    assert run.ok("b").letters == "FSC"


# --- Drivers that stop and die, resumed, run again


def test_another_driver_waits_for_the_next_round() -> None:
    run = Played(pair(TWICE))
    run.now = 1_000.0
    run.ok("a").fail("b")
    at = run.now + 10.0
    run.feed(DriverStopped(run.tick(), "SIGTERM"), RunResumed(run.tick(), by_hand=False))
    assert run.commands == [SetGroupTimer(0, -1, at)]
    run.feed(RunResumed(at - 100.0, by_hand=False))  # the clock was set back
    assert run.commands == [SetGroupTimer(0, -1, at - 90.0)]
    assert due(run).letters == "r..."


def test_who_resumes_by_hand_does_not_wait_and_gives_all_rounds_again() -> None:
    run = due(Played(pair()).fail("a")).fail("a").ok("y")
    assert (run.letters, run.verdict) == ("FUUS", "failed: task 'a' failed")
    run.feed(RunResumed(run.tick()))
    assert (run.letters, run.commands) == ("r..S", [DispatchTasks([0])])
    assert run.engine.rounds == {}
    assert run.fail("a").commands[-1] == SetGroupTimer(0, -1, run.now)
    assert due(run).ok("a", "b", "x").verdict == "success"
    assert run.replayed()


def test_who_resumes_by_hand_between_two_rounds_tries_at_once_what_failed() -> None:
    run = Played(pair(TWICE)).ok("a").fail("b").feed(RunResumed(9.0))
    assert (run.letters, run.commands) == ("Sr..", [DispatchTasks([1])])
    assert run.engine.rounds_due == {}
    assert run.ok("b").letters == "SSrr"


def test_a_rerun_gives_all_rounds_again() -> None:
    run = due(Played(pair()).fail("a")).fail("a").ok("y").rerun("a", "b", "x", "y")
    assert (run.letters, run.engine.rounds) == ("r...", {})
    assert [run.engine.generation(slot) for slot in range(4)] == [2, 2, 1, 1]
    assert due(run.fail("a")).ok("a", "b", "x", "y").verdict == "success"
    assert run.replayed()
