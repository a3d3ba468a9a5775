"""Maps: how many instances there are, what they come to as a whole, and what is done with them again."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.commands import DispatchTasks, ExpandMaps, SendNotices, SetTimer, TasksSettled, WithdrawTasks
from penstock.engine.events import (
    AttemptLost,
    AttemptSucceeded,
    DriverStopped,
    ExpansionFailed,
    MapExpanded,
    RetryDue,
    RunResumed,
    ValueRef,
)
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent
from penstock.engine.states import RunState, TaskState
from penstock.plan.plan import Plan
from penstock.policy import TriggerRule
from tests.unit.engine.played import ERROR, Played, plan_of
from tests.unit.engine.test_law import TABLE, VERDICT

RULES = [rule for rule in TriggerRule if rule is not TriggerRule.ALL_DONE_SETUP_SUCCESS]
VOLATILE = ValueRef("volatile", 0)


def mapped(rule: str = "all_success", **fields: object) -> Plan:
    """m is mapped over the value of up, and x comes after it by a rule."""
    options = {"m": fields}
    return plan_of({"up": "", "m": "up", "x": "m"}, guards={"m": "up"}, maps="m", rules={"x": rule}, options=options)


def grouped(rule: str = "all_success") -> Plan:
    """g expands a and b after it, over the value of up; b takes other's value too, and x comes after b by a rule."""
    tasks = {"up": "", "other": "", "g": "up", "a": "", "b": "a other", "x": "b"}
    return plan_of(tasks, guards={"g": "up"}, groups={"g": "a b"}, rules={"x": rule})


# --- Slots


def test_a_map_is_expanded_when_what_it_is_mapped_over_is_there() -> None:
    run = Played(mapped())
    assert run.letters == "r.."
    assert run.ok("up").commands == [ExpandMaps([1])]
    assert run.letters == "Sr."
    assert run.expand("m", 3).commands == [DispatchTasks([3, 4, 5])]
    assert (run.letters, run.of("m")) == ("SE.", "rrr")


def test_its_instances_have_slots_after_the_rows() -> None:
    engine = Played(mapped()).ok("up").expand("m", 2).engine
    assert [engine.slot(1), engine.slot(1, 0), engine.slot(1, 1)] == [1, 3, 4]
    assert [engine.row(slot) for slot in range(5)] == [0, 1, 2, 1, 1]
    assert [engine.index(slot) for slot in range(5)] == [-1, -1, -1, 0, 1]
    assert [engine.name(slot) for slot in range(5)] == ["up", "m", "x", "m[0]", "m[1]"]
    assert [[*engine.slots(row)] for row in range(3)] == [[0], [3, 4], [2]]
    assert [engine.is_head(slot) for slot in range(5)] == [False, True, False, False, False]
    assert [engine.policy(slot) for slot in (3, 4)] == [engine.plan.policies[1]] * 2
    for index in (2, -2):
        with pytest.raises(LookupError, match=f"task 'm' has no instance {index}"):
            engine.slot(1, index)
    with pytest.raises(LookupError, match="task 'x' has no instance 0"):
        engine.slot(2, 0)


def test_two_maps_are_expanded_one_after_the_other() -> None:
    run = Played(plan_of({"m": "", "n": ""}, maps="m n"))
    assert run.commands == [ExpandMaps([0, 1])]
    run.expand("n", 1).expand("m", 2)
    assert [run.engine.name(slot) for slot in range(5)] == ["m", "n", "n[0]", "m[0]", "m[1]"]
    assert run.ok("m[1]", "n[0]", "m[0]").verdict == "success"


def test_a_run_counts_instances_and_not_their_map() -> None:
    run = Played(mapped()).ok("up")
    assert run.engine.counts() == {"pending": 1, "ready": 1, "success": 1}
    run.expand("m", 3).ok("m[0]").start("m[1]")
    assert run.engine.counts() == {"pending": 1, "ready": 1, "running": 1, "success": 2}
    assert run.ok("m[1]", "m[2]").engine.counts() == {"ready": 1, "success": 4}


def test_instances_are_called_what_the_user_wants() -> None:
    run = Played(mapped()).ok("up").feed(MapExpanded(1, 9.0, 2, ("north", "south")))
    assert run.engine.map_names == {1: ("north", "south")}


def test_nothing_is_expanded_that_is_no_map_or_less_than_empty() -> None:
    run = Played(mapped()).ok("up")
    for event in (MapExpanded(2, 9.0, 1), MapExpanded(1, 9.0, -1), ExpansionFailed(2, 9.0, ERROR)):
        with pytest.raises(InvalidEvent):
            run.engine.handle(event)
    assert run.letters == "Sr."


def test_an_expansion_that_comes_late_changes_nothing() -> None:
    run = Played(mapped(), odd=True)
    assert run.expand("m", 2).commands == []  # nobody asked for it yet
    run.ok("up").expand("m", 2).expand("m", 3).fail_to_expand("m")
    assert (run.letters, run.of("m")) == ("SE.", "rr")


# --- What it comes to


@pytest.mark.parametrize(
    ("ends", "letter"), [("S", "S"), ("SS", "S"), ("KS", "S"), ("KK", "K"), ("FK", "F"), ("SF", "F"), ("FF", "F")]
)
def test_a_map_as_a_whole_is_the_worst_of_its_instances(ends: str, letter: str) -> None:
    run = Played(mapped("all_done")).ok("up").expand("m", len(ends))
    for index, end in enumerate(ends):
        assert run["m"] == "E"
        run.end(f"m[{index}]", end)
    assert run["m"] == letter
    assert run.engine.ended[1] == run.now
    assert run.ok("x").verdict.partition(":")[0] == ("failed" if "F" in ends else "success")


@pytest.mark.parametrize("rule", RULES)
def test_who_comes_after_it_sees_what_each_instance_came_to(rule: TriggerRule) -> None:
    for ends in ("S", "F", "K", "SF", "SK", "FK", "SFK", "SSS"):
        for order in (ends, ends[::-1]):
            run = Played(mapped(rule)).ok("up").expand("m", len(ends))
            for index, end in enumerate(order):
                run.end(f"m[{index}]", end)
            assert VERDICT[run["x"].upper()] is TABLE[rule][frozenset(ends)]
            assert run.replayed()


def test_it_may_begin_before_the_last_one_has_ended() -> None:
    run = Played(mapped("one_success")).ok("up")
    assert run["x"] == "."
    assert run.expand("m", 3).fail("m[1]")["x"] == "."
    assert run.ok("m[0]").commands == [DispatchTasks([2])]
    assert run.ok("x").fail("m[2]").letters == "SFS"


def test_or_be_told_that_it_will_not() -> None:
    run = Played(mapped()).ok("up").expand("m", 3).fail("m[2]")
    assert (run.letters, run.commands) == ("SEU", [TasksSettled([2], TaskState.UPSTREAM_FAILED)])


def test_the_last_instance_ends_the_run() -> None:
    run = Played(plan_of({"m": ""}, maps="m")).expand("m", 2).ok("m[1]")
    assert run.verdict == ""
    assert run.fail("m[0]").verdict == "failed: task 'm[0]' failed"


def test_failures_are_told_by_the_names_of_instances() -> None:
    run = Played(plan_of({"m": ""}, maps="m")).expand("m", 5)
    for index in (4, 0, 1, 3):
        run.fail(f"m[{index}]")
    assert run.ok("m[2]").verdict == "failed: 4 tasks failed: 'm[0]', 'm[1]', 'm[3]' ..."


def test_only_leaves_count_where_the_run_says_so() -> None:
    leaves = plan_of({"m": "", "x": "m"}, maps="m", rules={"x": "all_done"}, run_state="leaves")
    assert Played(leaves).expand("m", 2).fail("m[0]").ok("m[1]", "x").verdict == "success"
    leaves = plan_of({"m": ""}, maps="m", run_state="leaves")
    assert Played(leaves).expand("m", 2).fail("m[0]").ok("m[1]").verdict == "failed: task 'm[0]' failed"


# --- Nothing to expand


@pytest.mark.parametrize("rule", RULES)
def test_a_map_of_nothing_is_skipped(rule: TriggerRule) -> None:
    run = Played(mapped(rule)).ok("up").expand("m", 0)
    assert run["m"] == "K"
    assert VERDICT[run["x"].upper()] is TABLE[rule][frozenset("K")]
    assert (run.of("m"), [*run.engine.slots(1)]) == ("", [1])


@pytest.mark.parametrize("rule", RULES)
def test_a_map_that_cannot_be_expanded_has_failed(rule: TriggerRule) -> None:
    run = Played(mapped(rule)).ok("up").fail_to_expand("m")
    assert (run["m"], run.engine.errors) == ("F", {1: ERROR})
    assert VERDICT[run["x"].upper()] is TABLE[rule][frozenset("F")]
    verdict = run.verdict or run.ok("x").verdict
    assert verdict == "failed: task 'm' failed"


@pytest.mark.parametrize(("end", "letters"), [("F", "FUU"), ("K", "KKK")])
def test_one_whose_source_is_not_there_is_never_expanded(end: str, letters: str) -> None:
    assert Played(mapped()).end("up", end).letters == letters


def test_a_map_that_cannot_be_expanded_fails_the_run_fast() -> None:
    fast = plan_of({"m": "", "x": ""}, maps="m", fail_fast=True)
    assert Played(fast).fail_to_expand("m").letters == "FC"
    fast = plan_of({"m": "", "x": ""}, maps="m", fail_fast=True, options={"m": {"allow_failure": True}})
    assert Played(fast).fail_to_expand("m").letters == "Fr"


def test_so_does_an_instance() -> None:
    run = Played(plan_of({"m": "", "x": ""}, maps="m", fail_fast=True)).expand("m", 3).start("m[0]").fail("m[2]")
    assert (run.letters, run.of("m")) == ("EC", ">CF")
    assert run.ok("m[0]").verdict == "failed: task 'm[2]' failed, and fail_fast ended the rest"
    assert run.letters == "FC"


# --- Retries, notices, lost workers


def test_each_instance_has_retries_of_its_own() -> None:
    plan = plan_of({"m": ""}, maps="m", options={"m": {"retries": 1, "retry_delay": 10.0, "retry_jitter": 1.0}})
    run = Played(plan).expand("m", 2).fail("m[0]")
    due = run.engine.retries_due[1]
    assert run.commands == [SetTimer(1, due)]
    run.fail("m[1]")
    assert (run.of("m"), run.letters) == ("~~", "E")
    assert run.engine.retries_due[2] - run.now != due - run.now + 2.0  # nor do they wait for the same time
    run.feed(RetryDue(2, 30.0)).fail("m[1]")
    assert run.of("m") == "~F"
    assert run.feed(RetryDue(1, 31.0)).ok("m[0]").of("m") == "SF"
    assert [run.engine.attempts[slot] for slot in range(3)] == [0, 2, 2]


def test_somebody_is_told_of_an_instance_by_its_name() -> None:
    plan = plan_of({"m": ""}, maps="m", options={"m": {"notices": ("failed",)}})
    run = Played(plan).expand("m", 2).fail("m[1]")
    told = [notice for command in run.commands if isinstance(command, SendNotices) for notice in command.notices]
    assert [(notice.kind, notice.task, notice.attempt) for notice in told] == [("task_failed", "m[1]", 1)]
    assert "m[1]" in told[0].id


def test_an_instance_whose_worker_died_is_tried_again() -> None:
    run = Played(mapped()).ok("up").expand("m", 2)
    for number in (1, 2, 3):
        run.start("m[1]").feed(AttemptLost(4, number, run.tick(), ERROR))
        assert run.of("m") == ("rF" if number == 3 else "rr")
    assert run.engine.lost == {4: 3}


def test_an_instance_that_may_begin_once_does() -> None:
    run = Played(mapped(at_most_once=True)).ok("up").expand("m", 3).start("m[0]", "m[1]").ok("m[1]")
    assert [run.engine.is_spent(slot) for slot in range(6)] == [False, False, False, True, True, False]
    run.feed(RunResumed(run.tick()))
    assert run.of("m") == "FSr"
    assert run.engine.errors[3].type == "WorkerLost"


def test_an_attempt_of_the_map_as_a_whole_cannot_be() -> None:
    run = Played(mapped()).ok("up")
    with pytest.raises(InvalidEvent, match="'m' is ready"):
        run.start("m")
    with pytest.raises(InvalidEvent, match="'m' is expanded"):
        run.expand("m", 1).start("m")


# --- Cancelled


def test_a_map_that_was_not_expanded_is_cancelled() -> None:
    for run in (Played(mapped()), Played(mapped()).ok("up")):
        asked = run["m"] == "r"
        run.cancel()
        assert run.letters == ("SCC" if asked else "CCC")
        assert WithdrawTasks([1] if asked else [0]) in run.commands
        assert run.expand("m", 2).commands == []


def test_instances_that_have_not_started_are_cancelled_and_others_asked_to_end() -> None:
    run = Played(mapped(retries=1)).ok("up").expand("m", 4).ok("m[0]").start("m[1]").fail("m[2]").cancel()
    assert (run.letters, run.of("m")) == ("SEC", "S>CC")
    assert run.commands[1:2] == [TasksSettled([2, 5, 6], TaskState.CANCELLED)]
    run.heed("m[1]")
    assert (run.letters, run.of("m"), run.verdict) == ("SCC", "SCCC", "cancelled: cancelled by ann")


def test_a_map_all_of_whose_instances_have_ended_is_not_cancelled() -> None:
    run = Played(mapped()).ok("up").expand("m", 2).ok("m[0]", "m[1]").cancel()
    assert (run.letters, run.of("m")) == ("SSC", "SS")
    run = Played(mapped()).ok("up").expand("m", 2).ok("m[0]").start("m[1]").cancel().ok("m[1]")
    assert (run.letters, run.of("m")) == ("SSC", "SS")


# --- Another driver, and resumed by hand


def test_another_driver_expands_what_the_first_did_not() -> None:
    run = Played(mapped()).ok("up").feed(DriverStopped(9.0, "SIGTERM"), RunResumed(9.0, by_hand=False))
    assert run.commands == [ExpandMaps([1])]
    assert run.expand("m", 1).ok("m[0]", "x").verdict == "success"


def test_it_goes_on_with_the_instances_that_are_left() -> None:
    run = Played(mapped()).ok("up").expand("m", 3).ok("m[1]").start("m[0]")
    run.feed(RunResumed(9.0, by_hand=False))
    assert (run.letters, run.of("m"), run.commands) == ("SE.", "rSr", [DispatchTasks([3, 5])])
    assert run.ok("m[0]", "m[2]", "x").verdict == "success"
    assert run.replayed()


def test_one_failed_instance_is_tried_again_alone() -> None:
    run = Played(mapped()).ok("up").expand("m", 3).ok("m[0]").fail("m[1]").ok("m[2]")
    assert (run.letters, run.verdict) == ("SFU", "failed: task 'm[1]' failed")
    run.feed(RunResumed(run.tick()))
    assert (run.letters, run.of("m"), run.commands) == ("SE.", "SrS", [DispatchTasks([4])])
    run.ok("m[1]")
    assert (run.letters, run.of("m")) == ("SSr", "SSS")
    assert run.engine.generation(4) == 0
    assert run.engine.attempts[4] == 2
    assert run.ok("x").verdict == "success"
    assert run.replayed()


def test_so_is_one_that_was_cancelled() -> None:
    run = Played(mapped()).ok("up").expand("m", 2).ok("m[0]").cancel().feed(RunResumed(9.0))
    assert (run.letters, run.of("m"), run.commands) == ("SE.", "Sr", [DispatchTasks([4])])


def test_a_map_that_could_not_be_expanded_is_tried_again() -> None:
    run = Played(mapped()).ok("up").fail_to_expand("m").feed(RunResumed(9.0))
    assert (run.letters, run.commands) == ("Sr.", [ExpandMaps([1])])
    assert run.expand("m", 1).engine.errors == {}
    assert run.ok("m[0]", "x").verdict == "success"


def test_one_that_was_cancelled_before_it_was_expanded_is_too() -> None:
    run = Played(mapped()).ok("up").cancel().feed(RunResumed(9.0))
    assert (run.letters, run.commands) == ("Sr.", [ExpandMaps([1])])


def test_an_instance_that_takes_a_value_which_died_has_it_made_again() -> None:
    run = Played(mapped()).start("up").feed(AttemptSucceeded(0, 1, 3.0, VOLATILE)).expand("m", 2).fail("m[0]")
    run.ok("m[1]").feed(RunResumed(9.0))
    assert run.letters == "r.."
    run.start("up").feed(AttemptSucceeded(0, 2, 11.0, VOLATILE))
    assert run.commands == [ExpandMaps([1])]
    run.expand("m", 2)
    assert (run.letters, run.of("m")) == ("SE.", "rS")
    assert run.ok("m[0]", "x").verdict == "success"


# --- Expanded again


def again(width: int, ends: str = "SFS") -> Played:
    """A run whose map had three instances, and is expanded again, since it and what is around it runs again."""
    run = Played(mapped("all_done")).ok("up").expand("m", 3)
    for index, end in enumerate(ends):
        run.end(f"m[{index}]", end)
    run.ok("x").rerun("up", "m", "x").ok("up")
    assert run.commands == [ExpandMaps([1])]
    return run.expand("m", width)


def test_a_map_that_is_wider_has_more_instances() -> None:
    run = again(5)
    assert (run.letters, run.of("m"), run.commands) == ("SE.", "SFSrr", [DispatchTasks([6, 7])])
    run.ok("m[3]", "m[4]")
    assert run["m"] == "F"
    assert run.ok("x").verdict == "failed: task 'm[1]' failed"
    assert run.replayed()


def test_one_that_is_narrower_has_fewer_and_the_rest_is_as_if_it_were_not_there() -> None:
    run = again(1)
    assert (run.letters, run.of("m")) == ("SSr", "S--")
    assert [*run.engine.slots(1)] == [3]
    assert run.engine.counts() == {"ready": 1, "removed": 2, "success": 2}
    with pytest.raises(LookupError):
        run.engine.slot(1, 1)
    with pytest.raises(InvalidEvent, match=r"'m\[1\]' is removed"):
        run.start("m[1]")
    assert run.ok("x").verdict == "success"
    assert run.replayed()


def test_one_that_is_as_wide_as_before_has_the_same() -> None:
    run = again(3)
    assert (run.letters, run.of("m")) == ("SFr", "SFS")


def test_one_that_is_empty_now_has_none() -> None:
    run = again(0)
    assert (run.letters, run.of("m")) == ("SKr", "---")
    assert run.ok("x").verdict == "success"
    assert run.replayed()


def test_an_instance_that_comes_back_goes_on_counting() -> None:
    run = again(1).ok("x").rerun("m", "x").expand("m", 2)
    assert (run.letters, run.of("m"), run.commands) == ("SE.", "Sr-", [DispatchTasks([4])])
    assert [run.engine.attempts[slot] for slot in (3, 4, 5)] == [1, 1, 1]
    run.ok("m[1]")
    assert run.engine.attempts[4] == 2
    assert run.ok("x").verdict == "success"
    assert run.replayed()


def test_one_that_may_begin_once_does_not_begin_again_when_it_comes_back() -> None:
    run = Played(mapped("all_done", at_most_once=True)).ok("up").expand("m", 2).ok("m[0]", "m[1]", "x")
    run.rerun("m", "x").expand("m", 1).ok("x").rerun("m", "x").expand("m", 2)
    assert run["m[1]"] != "r"


@pytest.mark.parametrize("end", "FK")
def test_one_whose_source_is_not_there_this_time_has_no_instances(end: str) -> None:
    run = Played(mapped("all_done")).ok("up").expand("m", 2).ok("m[0]").fail("m[1]").ok("x").rerun("up", "m", "x")
    run.end("up", end)
    assert run.letters == ("FUr" if end == "F" else "KKr")
    assert run.of("m") == "--"
    assert run.ok("x").verdict == ("failed: task 'up' failed" if end == "F" else "success")
    assert run.replayed()


def test_one_that_cannot_be_expanded_this_time_has_failed_as_a_whole() -> None:
    run = Played(mapped("all_done")).ok("up").expand("m", 2).ok("m[0]", "m[1]", "x").rerun("m", "x")
    run.fail_to_expand("m")
    assert (run.letters, run.of("m")) == ("SFr", "--")
    assert run.ok("x").verdict == "failed: task 'm' failed"


def test_an_instance_that_runs_again_has_its_map_go_on() -> None:
    run = Played(mapped()).ok("up").expand("m", 2).ok("m[0]", "m[1]", "x").rerun("m[1]", "x")
    assert (run.letters, run.of("m"), run.commands) == ("SE.", "Sr", [DispatchTasks([4])])
    assert run.engine.generation(4) == 1
    assert run.ok("m[1]", "x").verdict == "success"
    assert run.replayed()


def test_a_source_that_runs_again_alone_leaves_the_map_as_it_is() -> None:
    run = Played(mapped()).ok("up").expand("m", 2).ok("m[0]", "m[1]", "x").rerun("up").ok("up")
    assert (run.letters, run.of("m"), run.verdict) == ("SSS", "SS", "success")


# --- Mapped groups


def test_a_group_is_expanded_with_all_that_is_in_it() -> None:
    run = Played(grouped()).ok("up")
    assert run.commands == [ExpandMaps([2])]
    assert run.letters == "Srr..."
    run.expand("g", 2)
    assert (run.letters, run.of("a"), run.of("b")) == ("SrSEE.", "rr", "..")
    assert [run.engine.name(slot) for slot in range(6, 10)] == ["a[0]", "a[1]", "b[0]", "b[1]"]
    assert run.commands == [DispatchTasks([6, 7])]
    assert run.engine.ended[2] == run.now


def test_in_it_instances_wait_for_those_of_the_same_index_and_for_all_that_is_outside() -> None:
    run = Played(grouped()).ok("up").expand("g", 3).ok("a[1]")
    assert run.of("b") == "..."
    assert run.ok("other").of("b") == ".r."
    run.fail("a[0]").skip("a[2]")
    assert run.of("b") == "UrK"
    assert run.letters == "SSSFEU"
    assert run.ok("b[1]").letters == "SSSFUU"
    assert run.verdict == "failed: task 'a[0]' failed"
    assert run.replayed()


def test_who_comes_after_it_sees_all_of_them() -> None:
    run = Played(grouped("all_done")).ok("up", "other").expand("g", 2)
    assert run.ok("a[0]", "a[1]", "b[0]")["x"] == "."
    assert run.fail("b[1]")["x"] == "r"
    run = Played(grouped("one_failed")).ok("up", "other").expand("g", 2).fail("a[1]")
    assert (run.of("b"), run["x"]) == (".U", "r")


@pytest.mark.parametrize("rule", RULES)
def test_a_group_of_nothing_is_skipped_with_all_that_is_in_it(rule: TriggerRule) -> None:
    run = Played(grouped(rule)).ok("up", "other").expand("g", 0)
    assert run.letters[2:5] == "KKK"
    assert VERDICT[run["x"].upper()] is TABLE[rule][frozenset("K")]


@pytest.mark.parametrize("rule", RULES)
def test_in_a_group_that_cannot_be_expanded_nothing_can_run(rule: TriggerRule) -> None:
    run = Played(grouped(rule)).ok("up", "other").fail_to_expand("g")
    assert run.letters[2:5] == "FUU"
    assert VERDICT[run["x"].upper()] is TABLE[rule][frozenset("U")]
    assert (run.verdict or run.ok("x").verdict) == "failed: task 'g' failed"


@pytest.mark.parametrize(("end", "letters"), [("F", "FrUUUU"), ("K", "KrKKKK")])
def test_a_group_whose_source_is_not_there_is_never_expanded(end: str, letters: str) -> None:
    assert Played(grouped()).end("up", end).letters == letters


def test_nothing_is_said_of_what_is_in_it_before_it_is_expanded() -> None:
    run = Played(grouped()).fail("other")
    assert run.letters == "rF...."
    run.ok("up")
    assert run.letters == "SFr..."
    assert run.expand("g", 2).of("b") == "UU"
    assert Played(grouped()).fail("other").ok("up").expand("g", 0).letters == "SFKKKK"


def test_a_group_that_is_cancelled() -> None:
    assert Played(grouped()).cancel().letters == "CCCCCC"
    run = Played(grouped()).ok("up", "other").expand("g", 2).ok("a[0]").start("a[1]").cancel()
    assert (run.letters, run.of("a"), run.of("b")) == ("SSSECC", "S>", "CC")
    assert run.fail("a[1]").letters == "SSSFCC"


def test_one_failed_instance_of_it_is_tried_again_with_what_is_below_it() -> None:
    run = Played(grouped()).ok("up", "other").expand("g", 2).ok("a[0]", "b[0]").fail("a[1]")
    assert (run.letters, run.of("b")) == ("SSSFUU", "SU")
    run.feed(RunResumed(run.tick()))
    assert (run.letters, run.of("a"), run.of("b")) == ("SSSEE.", "Sr", "S.")
    assert run.commands == [DispatchTasks([7])]
    assert run.ok("a[1]", "b[1]", "x").verdict == "success"
    assert run.replayed()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_group_that_is_expanded_again_has_as_many_as_it_is_wide(width: int) -> None:
    run = Played(grouped()).ok("up", "other").expand("g", 2)
    run.ok("a[0]", "a[1]", "b[0]", "b[1]", "x").rerun("up", "g", "x").ok("up")
    assert run.commands == [ExpandMaps([2])]
    run.expand("g", width)
    assert run.of("a") == {1: "S-", 2: "SS", 4: "SSrr"}[width]
    assert run.of("b") == {1: "S-", 2: "SS", 4: "SS.."}[width]
    for index in range(2, width):
        run.ok(f"a[{index}]", f"b[{index}]")
    assert run.letters == "SSSSSr"
    assert run.ok("x").verdict == "success"
    assert run.replayed()


# --- Nothing depends on who ends first


@given(
    st.lists(st.sampled_from("SSFK"), max_size=4),
    st.lists(st.sampled_from(["SS", "SF", "SK", "F", "K"]), max_size=4),
    st.sampled_from(RULES),
    st.integers(0, 2**32),
)
def test_what_becomes_of_maps_does_not_depend_on_who_ends_first(
    ends: list[str], pairs: list[str], rule: TriggerRule, seed: int
) -> None:
    """m is mapped, a and b are in a mapped group, and x comes after all of it."""
    tasks = {"m": "", "g": "", "a": "", "b": "a", "x": "m b"}
    plan = plan_of(tasks, maps="m", groups={"g": "a b"}, rules={"x": rule})
    scripts = {f"m[{index}]": end for index, end in enumerate(ends)}
    for index, pair in enumerate(pairs):
        scripts |= {f"a[{index}]": pair[0], f"b[{index}]": pair[1:]}
    seen = frozenset(ends or "K") | frozenset(
        [pair[1] if pair[0] == "S" else {"F": "U", "K": "K"}[pair[0]] for pair in pairs] or "K"
    )
    expected = TABLE[rule][seen]
    widths = {"m": len(ends), "g": len(pairs)}
    for order in range(3):
        random = Random(seed + order)
        run = Played(plan)
        while run.engine.state is RunState.RUNNING:
            able = [
                slot for slot, state in enumerate(run.engine.states) if state in (TaskState.READY, TaskState.RUNNING)
            ]
            name = run.engine.name(random.choice(able))
            if name in widths:
                run.expand(name, widths[name])
            elif run[name] == "r":
                run.start(name)
            else:
                run.end(name, scripts.get(name, "S"))
        assert run["x"] == {VERDICT["R"]: "S", VERDICT["K"]: "K", VERDICT["U"]: "U"}[expected]
        assert (run["m"], run.of("m")) == (next((end for end in "FSK" if end in ends), "K"), "".join(ends))
        check(run.engine)
        assert run.replayed()
