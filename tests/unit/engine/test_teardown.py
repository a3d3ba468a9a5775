"""Setups and teardowns: what was set up is torn down, whatever becomes of the work between, unless nobody wants it."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.engine.commands import CancelAttempts, DispatchTasks, EndRun, TasksSettled, WithdrawTasks
from penstock.engine.events import DriverStopped, RetryDue, RunResumed, RunTimedOut
from penstock.engine.states import RunState, TaskState
from penstock.plan.plan import Plan
from tests.unit.engine.played import Played, plan_of


def plan(*, teardown: dict[str, Any] | None = None, **fields: Any) -> Plan:
    """Work a and b between the setup s and its teardown t, and x after the teardown."""
    return plan_of(
        {"s": "", "a": "s", "b": "a", "t": "s b", "x": "t"},
        options={"t": teardown or {}, "a": {"retries": 1}, "x": {"allow_failure": True}},
        guards={"b": "s"},
        setups={"t": "s"},
        waits={"t": "a"},
        **{"timeout": 60.0, **fields},
    )


def pair(first: str, second: str) -> Played:
    """A run with two setups of one teardown, which have ended so; others are not begun."""
    run = Played(plan_of({"p": "", "q": "", "a": "", "t": "p q"}, setups={"t": "p q"}))
    for name, end in (("p", first), ("q", second)):
        if end in "SFK":
            run.end(name, end)
    return run


# --- Undisturbed


@pytest.mark.parametrize(("a", "b"), [("S", "S"), ("S", "F"), ("S", "K"), ("K", ""), ("F", "")])
def test_a_teardown_runs_when_its_setup_has_succeeded_and_its_scope_has_ended(a: str, b: str) -> None:
    run = Played(plan()).ok("s")
    run.ok("a") if a == "S" else run.skip("a") if a == "K" else run.fail("a", retryable=False)
    if b:
        assert run["t"] == "."
        run.end("b", b)
    assert run["t"] == "r"
    assert run.ok("t")["x"] == "r"


def test_it_does_not_run_before_what_lies_between_has_ended() -> None:
    run = Played(plan_of({"s": "", "a": "s", "t": "s"}, setups={"t": "s"}, waits={"t": "a"})).ok("s")
    assert run.letters == "Sr."
    assert run.fail("a").letters == "SFr"


@pytest.mark.parametrize(("end", "letters"), [("F", "FUUUU"), ("K", "KKKKK")])
def test_what_was_not_set_up_is_not_torn_down(end: str, letters: str) -> None:
    run = Played(plan()).end("s", end)
    assert run.letters == letters
    assert run.verdict == ("success" if end == "K" else "failed: task 's' failed")


@pytest.mark.parametrize(
    ("ends", "letter"), [("SS", "r"), ("SF", "r"), ("KS", "r"), ("KK", "K"), ("KF", "U"), ("FF", "U")]
)
def test_one_of_several_setups_is_enough(ends: str, letter: str) -> None:
    run = pair(ends[0], ends[1])
    assert run["t"] == letter
    assert pair(ends[1], ends[0])["t"] == letter


def test_only_its_setups_count() -> None:
    run = Played(plan_of({"s": "", "a": "", "t": "s a"}, setups={"t": "s"}))
    assert run.ok("a")["t"] == "."
    assert run.fail("s")["t"] == "U"
    run = Played(plan_of({"s": "", "a": "", "t": "s a"}, setups={"t": "s"}))
    assert run.ok("s")["t"] == "."  # it waits for the others too
    assert run.skip("a")["t"] == "r"


def test_a_setup_that_failed_further_up_keeps_a_task_from_running_whatever_its_rule() -> None:
    tasks = {"s": "", "a": "", "b": "s a", "c": "b", "t": "s c"}
    run = Played(plan_of(tasks, rules={"b": "one_success", "c": "always"}, guards={"c": "s"}, setups={"t": "s"}))
    assert run.ok("a").letters == "rSr.."
    assert run.fail("s").letters == "FSrUU"


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({}, "success"),
        ({"on_failure_fail_run": True}, "failed: task 't' failed"),
        ({"on_failure_fail_run": True, "allow_failure": True}, "success"),
    ],
)
@pytest.mark.parametrize("run_state", ["any", "leaves"])
def test_the_failure_of_a_teardown_fails_the_run_only_if_it_says_so(
    options: dict[str, Any], verdict: str, run_state: str
) -> None:
    graph = {"s": "", "a": "s", "t": "s a"}
    run = Played(plan_of(graph, setups={"t": "s"}, options={"t": options}, run_state=run_state))
    run.ok("s", "a").fail("t")
    assert (run.letters, run.verdict) == ("SSF", verdict)


@pytest.mark.parametrize("counts", [True, False])
def test_of_leaves_a_teardown_is_one_if_its_failure_is_the_runs(counts: bool) -> None:
    options = {"s": {"allow_failure": True}, "t": {"on_failure_fail_run": counts}}
    plan = plan_of({"s": "", "t": "s"}, setups={"t": "s"}, options=options, run_state="leaves")
    assert Played(plan).ok("s").fail("t").verdict == ("failed: task 't' failed" if counts else "success")
    assert Played(plan).fail("s").verdict == ("failed: task 't' did not run" if counts else "success")


def test_work_before_a_teardown_is_a_leaf() -> None:
    graph = {"s": "", "a": "s", "t": "s a"}
    run = Played(plan_of(graph, setups={"t": "s"}, run_state="leaves")).ok("s").fail("a").ok("t")
    assert run.verdict == "failed: task 'a' failed"


# --- Cancelled by hand


def test_who_cancels_has_what_was_set_up_torn_down() -> None:
    run = Played(plan()).ok("s").start("a").cancel()
    assert run.letters == "S>C.C"
    assert run.commands == [WithdrawTasks([]), TasksSettled([2, 4], TaskState.CANCELLED), CancelAttempts([1])]
    assert run.heed("a").letters == "SCCrC"
    assert run.commands == [DispatchTasks([3])]
    assert run.ok("t").commands == [EndRun(RunState.CANCELLED, "cancelled by ann")]
    assert run.letters == "SCCSC"


@pytest.mark.parametrize(("end", "letters"), [("S", "SSCr"), ("K", "SKCr"), ("C", "SCCr")])
def test_whatever_became_of_the_work_that_was_to_end(end: str, letters: str) -> None:
    run = Played(plan()).ok("s").start("a").cancel().end("a", end)
    assert run.letters == letters + "C"


def test_a_failure_that_had_retries_left_is_a_cancelled_one() -> None:
    assert Played(plan()).ok("s").start("a").cancel().fail("a").letters == "SCCrC"
    assert Played(plan()).ok("s").start("a").cancel().fail("a", retryable=False).letters == "SFCrC"
    assert Played(plan()).ok("s").fail("a").cancel().letters == "SCCrC"  # the next attempt was waited for


def test_work_that_has_begun_nothing_leaves_the_teardown_ready_at_once() -> None:
    run = Played(plan()).ok("s").cancel()
    assert run.letters == "SCCrC"
    assert run.commands == [
        WithdrawTasks([1]),
        TasksSettled([1, 2, 4], TaskState.CANCELLED),
        DispatchTasks([3]),
    ]


def test_of_a_setup_that_was_cancelled_nobody_knows() -> None:
    run = Played(plan()).cancel()
    assert (run.letters, run.verdict) == ("CCCCC", "cancelled: cancelled by ann")
    assert run.command(TasksSettled) == ["s", "a", "b", "t", "x"]
    run = Played(plan()).start("s").cancel()
    assert run.letters == ">CC.C"
    assert run.heed("s").letters == "CCCCC"
    assert run.commands == [TasksSettled([3], TaskState.CANCELLED), EndRun(RunState.CANCELLED, "cancelled by ann")]


@pytest.mark.parametrize(("end", "letter"), [("S", "r"), ("F", "U"), ("K", "K")])
def test_a_setup_that_runs_when_the_run_is_cancelled_still_counts(end: str, letter: str) -> None:
    run = Played(plan()).start("s").cancel().end("s", end)
    assert run["t"] == letter


@pytest.mark.parametrize(
    ("first", "second", "letter"), [("S", "", "r"), ("F", "", "C"), ("K", "", "C"), ("", "S", "r"), ("", "", "C")]
)
def test_with_one_of_two_setups_cancelled_the_other_tells_if_it_can(first: str, second: str, letter: str) -> None:
    assert pair(first or ".", second or ".").cancel()["t"] == letter


def test_teardowns_are_torn_down_one_after_the_other() -> None:
    tasks = {"p": "", "q": "p", "a": "q", "u": "q a", "t": "p u"}
    run = Played(plan_of(tasks, setups={"u": "q", "t": "p"}, guards={"a": "p"}, waits={"t": "q a"}))
    run.ok("p", "q").start("a").cancel().heed("a")
    assert run.letters == "SSCr."
    assert run.fail("u").letters == "SSCFr"
    assert run.ok("t").verdict == "cancelled: cancelled by ann"


def test_a_teardown_is_tried_again_though_the_run_is_to_end() -> None:
    run = Played(plan(teardown={"retries": 1})).ok("s").cancel().fail("t")
    assert run.letters == "SCC~C"
    run.feed(RetryDue(run.slot("t"), run.tick())).ok("t")
    assert run.verdict == "cancelled: cancelled by ann"


def test_a_run_in_which_nothing_was_cancelled_ends_as_ever() -> None:
    graph = {"s": "", "a": "s", "t": "s a"}
    run = Played(plan_of(graph, setups={"t": "s"})).ok("s", "a").start("t").cancel()
    assert (run.letters, run.commands) == ("SS>", [WithdrawTasks([]), TasksSettled([], TaskState.CANCELLED)])
    assert run.ok("t").verdict == "success"


# --- Cancelled twice


def test_who_cancels_twice_does_not_want_that_either() -> None:
    run = Played(plan()).ok("s").start("a").cancel().cancel()
    assert run.letters == "S>CCC"
    assert run.commands == [WithdrawTasks([]), TasksSettled([3], TaskState.CANCELLED), CancelAttempts([1])]
    assert run.heed("a").verdict == "cancelled: cancelled by ann"


def test_a_teardown_that_is_ready_is_withdrawn() -> None:
    run = Played(plan()).ok("s").cancel().cancel()
    assert run.letters == "SCCCC"
    assert run.commands == [
        WithdrawTasks([3]),
        TasksSettled([3], TaskState.CANCELLED),
        EndRun(RunState.CANCELLED, "cancelled by ann"),
    ]


@pytest.mark.parametrize("end", "SFC")
def test_a_teardown_that_runs_is_asked_to_end(end: str) -> None:
    run = Played(plan()).ok("s").cancel().start("t").cancel()
    assert run.command(CancelAttempts) == ["t"]
    assert run.end("t", end).letters == f"SCC{end}C"
    assert run.verdict == "cancelled: cancelled by ann"


def test_one_that_was_to_be_tried_again_is_not() -> None:
    run = Played(plan(teardown={"retries": 1})).ok("s").cancel().fail("t").cancel()
    assert (run.letters, run.verdict) == ("SCCCC", "cancelled: cancelled by ann")
    assert run.engine.retries_due == {}
    run = Played(plan(teardown={"retries": 1})).ok("s").cancel().start("t").cancel().fail("t")
    assert run.letters == "SCCCC"


def test_who_cancels_a_third_time_changes_nothing() -> None:
    run = Played(plan()).ok("s").start("a").cancel().cancel().cancel()
    assert (run.letters, run.commands) == ("S>CCC", [])


def test_nor_does_who_cancels_twice_where_there_is_nothing_to_tear_down() -> None:
    run = Played(plan_of({"a": "", "b": "a"})).start("a").cancel().cancel()
    assert (run.letters, run.commands) == (">C", [])


def test_nor_does_who_cancels_a_run_that_has_ended() -> None:
    run = Played(plan()).cancel().cancel()
    assert (run.letters, run.commands) == ("CCCCC", [])


# --- The other disturbances


def test_a_run_that_is_late_is_torn_down() -> None:
    run = Played(plan()).ok("s").start("a").feed(RunTimedOut(61.0))
    assert run.letters == "S>C.C"
    assert run.feed(RunTimedOut(62.0)).commands == []
    assert run.heed("a").letters == "SCCrC"
    assert run.ok("t").verdict == "failed: timed out after 60 s"


def test_so_is_one_that_fails_fast() -> None:
    run = Played(plan(fail_fast=True)).ok("s").fail("a", retryable=False)
    assert run.letters == "SFUrC"
    assert run.ok("t").verdict == "failed: task 'a' failed, and fail_fast ended the rest"


def test_the_failure_of_a_teardown_does_not_fail_it_fast_unless_it_counts() -> None:
    for counts, letter in ((False, "r"), (True, "C")):
        tasks = {"s": "", "t": "s", "x": ""}
        options = {"t": {"on_failure_fail_run": counts}}
        run = Played(plan_of(tasks, setups={"t": "s"}, options=options, fail_fast=True)).ok("s").fail("t")
        assert run["x"] == letter


@pytest.mark.parametrize("first", ["late", "fail_fast"])
def test_who_cancels_what_is_to_end_anyway_does_not_want_it_torn_down(first: str) -> None:
    run = Played(plan(fail_fast=True)).ok("s")
    if first == "late":
        run.feed(RunTimedOut(61.0))
    else:
        run.fail("a", retryable=False)
    assert run.letters.endswith("rC")
    run.cancel()
    assert run.letters.endswith("CC")
    assert run.verdict.startswith("failed: t")  # what came first


# --- Drivers that stop and die


def test_a_teardown_goes_on_with_the_next_driver() -> None:
    run = Played(plan()).ok("s").cancel().start("t").feed(DriverStopped(9.0, "SIGTERM"))
    assert (run.letters, run.verdict) == ("SCCrC", "")
    run.feed(RunResumed(9.0, by_hand=False))
    assert (run.letters, run.commands) == ("SCCrC", [DispatchTasks([3])])
    assert run.ok("t").verdict == "cancelled: cancelled by ann"
    assert run.replayed()


def test_what_was_to_end_has_ended_with_its_driver_and_the_teardown_is_left_to_the_next() -> None:
    run = Played(plan()).ok("s").start("a").cancel().feed(DriverStopped(9.0, "SIGTERM"))
    assert (run.letters, run.commands) == ("SCCrC", [DispatchTasks([3])])
    run.feed(RunResumed(9.0, by_hand=False))
    assert run.command(DispatchTasks) == ["t"]


def test_a_teardown_that_was_lost_is_tried_again_as_often_as_any_task() -> None:
    run = Played(plan()).ok("s").cancel()
    for _ in range(2):
        run.start("t").feed(RunResumed(run.tick(), by_hand=False))
        assert run.letters == "SCCrC"
    run.start("t").feed(RunResumed(run.tick(), by_hand=False))
    assert (run.letters, run.verdict) == ("SCCFC", "cancelled: cancelled by ann")


def test_nobody_tears_down_what_was_cancelled_twice() -> None:
    run = Played(plan()).ok("s").cancel().start("t").cancel()
    assert run.feed(DriverStopped(9.0, "SIGTERM")).letters == "SCCCC"
    assert run.verdict == "cancelled: cancelled by ann"
    run = Played(plan()).ok("s").cancel().start("t").cancel()
    assert run.feed(RunResumed(9.0, by_hand=False)).letters == "SCCCC"
    assert run.verdict == "cancelled: cancelled by ann"


def test_who_resumes_by_hand_takes_the_request_back() -> None:
    run = Played(plan()).ok("s").start("a").cancel().cancel().feed(RunResumed(9.0))
    assert run.letters == "Sr..."
    run.ok("a", "b", "t").cancel()
    assert run.letters == "SSSSC"
    run = Played(plan()).ok("s").start("a").cancel().cancel().feed(RunResumed(9.0))
    assert run.start("a").cancel().letters == "S>C.C"  # once is once again
    assert run.replayed()


# --- Run again


def test_work_that_is_tried_again_is_set_up_and_torn_down_again() -> None:
    run = Played(plan()).ok("s").fail("a", retryable=False).ok("t").fail("x")
    assert (run.letters, run.verdict) == ("SFUSF", "failed: task 'a' failed")
    run.feed(RunResumed(run.tick()))
    assert run.letters == "r...."
    assert [run.engine.generation(run.slot(name)) for name in "sat"] == [1, 0, 1]
    assert run.ok("s", "a", "b", "t", "x").verdict == "success"
    assert run.replayed()


def test_a_setup_is_not_made_again_while_its_teardown_is_still_to_run() -> None:
    run = Played(plan()).ok("s").fail("a", retryable=False).feed(RunResumed(9.0))
    assert run.letters == "Sr..."
    assert run.engine.generation(0) == 0


def test_one_that_its_teardown_has_begun_to_tear_down_is_made_again() -> None:
    run = Played(plan()).ok("s").fail("a", retryable=False).start("t").feed(RunResumed(9.0))
    assert run.letters == "r...."
    assert run.engine.generation(0) == 1


def test_nor_is_one_whose_scope_has_nothing_to_try_again() -> None:
    run = Played(plan_of({"s": "", "a": "s", "t": "s a", "x": ""}, setups={"t": "s"})).ok("s", "a", "t").fail("x")
    assert run.feed(RunResumed(9.0)).letters == "SSSr"


def test_the_setup_and_teardown_around_a_task_that_a_failure_held_up_run_again_too() -> None:
    tasks = {"d": "", "s": "", "f": "s d", "t": "s f"}
    run = Played(plan_of(tasks, setups={"t": "s"})).ok("s").fail("d").ok("t")
    assert run.letters == "FSUS"
    assert run.feed(RunResumed(9.0)).letters == "rr.."
    assert run.ok("d", "s", "f", "t").verdict == "success"


def test_a_rerun_of_some_leaves_their_setup_as_it_is() -> None:
    run = Played(plan()).ok("s", "a", "b", "t", "x").rerun("b")
    assert run.letters == "SSrSS"


# --- In maps


def test_each_instance_of_a_mapped_group_is_torn_down_by_itself() -> None:
    tasks = {"m": "", "s": "", "a": "s", "t": "s a", "x": "t"}
    run = Played(plan_of(tasks, setups={"t": "s"}, groups={"m": "s a t"}, rules={"x": "all_done"})).expand("m", 3)
    run.ok("s[0]").fail("s[1]").skip("s[2]")
    assert (run.of("a"), run.of("t")) == ("rUK", ".UK")
    run.fail("a[0]")
    assert run.of("t") == "rUK"
    assert run["x"] == "."
    assert run.ok("t[0]")["x"] == "r"
    assert run.ok("x").verdict == "failed: 2 tasks failed: 's[1]', 'a[0]'"


def test_a_cancelled_map_is_torn_down_where_it_was_set_up() -> None:
    tasks = {"m": "", "s": "", "a": "s", "t": "s a"}
    run = Played(plan_of(tasks, setups={"t": "s"}, groups={"m": "s a t"})).expand("m", 2).ok("s[1]").cancel()
    assert (run.of("s"), run.of("a"), run.of("t")) == ("CS", "CC", "Cr")
    assert run.ok("t[1]").verdict == "cancelled: cancelled by ann"


def test_one_that_was_never_expanded_has_nothing_to_tear_down() -> None:
    tasks = {"m": "", "s": "", "a": "s", "t": "s a"}
    run = Played(plan_of(tasks, setups={"t": "s"}, groups={"m": "s a t"})).cancel()
    assert (run.letters, run.verdict) == ("CCCC", "cancelled: cancelled by ann")


def test_a_teardown_outside_waits_for_the_whole_map() -> None:
    tasks = {"s": "", "m": "s", "t": "s m"}
    run = Played(plan_of(tasks, setups={"t": "s"}, maps="m")).ok("s").expand("m", 2).fail("m[0]")
    assert run["t"] == "."
    assert run.ok("m[1]")["t"] == "r"
