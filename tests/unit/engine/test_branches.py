"""Branches and short circuits: what was not chosen is skipped, and what they chose is forgotten when they run again."""

from __future__ import annotations

import pytest

from penstock.engine.commands import DispatchTasks, TasksSettled
from penstock.engine.events import DriverStopped, PlanAdopted, RunResumed
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from tests.unit.engine.played import Played, plan_of


def fork() -> Plan:
    """choose is a branch before a and b, with x after a, y after b, and join after both."""
    return plan_of(
        {"choose": "", "a": "choose", "b": "choose", "x": "a", "y": "b", "join": "x y"},
        rules={"join": "none_failed_min_one_success"},
        options={"choose": {"decides": "branch"}},
        deciders={"a": "choose", "b": "choose"},
    )


def circuit(*, far: bool) -> Plan:
    """gate is a short circuit before a, which is before b; late and early are below them by other rules; teardown t
    comes last. It looks `far` if it decides about everything below it."""
    below = ["a", "b", "late", "early"] if far else ["a", "late"]
    return plan_of(
        {"s": "", "gate": "s", "a": "gate", "b": "a", "late": "gate b", "early": "b", "t": "s late"},
        rules={"late": "all_done", "early": "one_done"},
        options={"gate": {"decides": "short_circuit"}},
        deciders=dict.fromkeys(below, "gate"),
        setups={"t": "s"},
        waits={"t": "gate a b"},
    )


# --- Branches


def test_what_a_branch_does_not_follow_is_skipped_and_what_is_below_goes_by_its_rule() -> None:
    run = Played(fork()).ok("choose", chosen="a")
    assert run.letters == "SrK.K."
    assert run.commands == [TasksSettled([2, 4], TaskState.SKIPPED), DispatchTasks([1])]
    run.ok("a", "x", "join")
    assert (run.letters, run.verdict) == ("SSKSKS", "success")


def test_it_may_follow_several_or_all() -> None:
    assert Played(fork()).ok("choose", chosen="a b").letters == "Srr..."
    assert Played(fork()).ok("choose").letters == "Srr..."


def test_it_may_follow_none() -> None:
    run = Played(fork()).ok("choose", chosen="")
    assert (run.letters, run.verdict) == ("SKKKKK", "success")


def test_one_that_failed_has_decided_nothing() -> None:
    assert Played(fork()).fail("choose").letters == "FUUUUU"
    assert Played(fork()).skip("choose").letters == "KKKKKK"
    plan = plan_of({"choose": "", "a": "choose"}, rules={"a": "all_done"}, deciders={"a": "choose"})
    assert Played(plan).fail("choose").letters == "Fr"


def test_whoever_is_below_two_branches_must_be_chosen_by_both() -> None:
    plan = plan_of({"one": "", "two": "", "a": "one two"}, rules={"a": "one_success"}, deciders={"a": "one two"})
    assert Played(plan).ok("one", chosen="a")["a"] == "."
    assert Played(plan).ok("one", chosen="a").ok("two", chosen="")["a"] == "K"
    assert Played(plan).ok("one", chosen="a").ok("two", chosen="a")["a"] == "r"


def test_what_it_chose_is_on_record_and_gives_the_same_run() -> None:
    run = Played(fork()).ok("choose", chosen="b")
    assert run.engine.chosen == {0: (2,)}
    assert run.ok("b").replayed()


def test_an_attempt_that_failed_before_chose_nothing() -> None:
    plan = plan_of({"choose": "", "a": "choose"}, options={"choose": {"retries": 1}}, deciders={"a": "choose"})
    run = Played(plan).fail("choose")
    assert run.letters == "~."
    assert run.engine.chosen == {}


# --- Short circuits


def test_a_false_one_skips_all_below_it_whatever_the_rules_but_not_teardowns() -> None:
    run = Played(circuit(far=True)).ok("s").ok("gate", chosen="")
    assert run.letters == "SSKKKKr"
    assert run.commands == [TasksSettled([2, 3, 4, 5], TaskState.SKIPPED), DispatchTasks([6])]


def test_a_near_one_skips_those_right_below_it_and_the_rest_goes_by_its_rule() -> None:
    run = Played(circuit(far=False)).ok("s").ok("gate", chosen="")
    assert run.letters == "SSKKKKr"  # b by its rule, and early, since nothing that it looks at was done
    plan = plan_of({"gate": "", "a": "gate", "b": "a", "c": "b"}, rules={"b": "all_done"}, deciders={"a": "gate"})
    assert Played(plan).ok("gate", chosen="").letters == "SKr."


@pytest.mark.parametrize("far", [True, False])
def test_a_true_one_lets_all_go_by_their_rules(far: bool) -> None:
    run = Played(circuit(far=far)).ok("s", "gate")
    assert run.letters == "SSr...."
    run.fail("a")
    assert run.letters == "SSFUrK."


def test_who_is_far_below_is_skipped_before_what_lies_between_has_ended() -> None:
    plan = plan_of({"gate": "", "other": "", "a": "gate other"}, rules={"a": "always"}, deciders={"a": "gate"})
    run = Played(plan).start("other").ok("gate", chosen="")
    assert run.letters == "S>K"


# --- Run again


def test_a_branch_that_runs_again_may_follow_another() -> None:
    run = Played(fork()).ok("choose", chosen="a").ok("a", "x", "join")
    run.rerun("choose", "a", "b", "x", "y", "join")
    assert run.engine.chosen == {}
    assert run.letters == "r....."
    run.ok("choose", chosen="b")
    assert run.letters == "SKrK.."
    assert run.ok("b", "y", "join").letters == "SKSKSS"
    assert run.verdict == "success"


def test_one_that_is_run_again_alone_leaves_the_rest_as_it_is() -> None:
    run = Played(fork()).ok("choose", chosen="a").ok("a", "x", "join")
    run.rerun("choose").ok("choose", chosen="b")
    assert run.letters == "SSKSKS"


def test_what_it_chose_holds_when_a_run_is_resumed() -> None:
    run = Played(fork()).ok("choose", chosen="a").fail("a")
    assert run.letters == "SFKUKU"
    run.feed(RunResumed(run.tick()))
    assert run.letters == "SrK.K."
    assert run.ok("a", "x", "join").verdict == "success"
    assert run.replayed()


def test_so_it_does_when_another_driver_goes_on() -> None:
    run = Played(fork()).ok("choose", chosen="a").start("a").feed(DriverStopped(9.0, "SIGTERM"))
    run.feed(RunResumed(9.0, by_hand=False))
    assert run.letters == "SrK.K."


def test_under_another_plan_it_chose_the_tasks_of_the_same_names() -> None:
    other = plan_of(
        {"new": "", "b": "choose", "choose": "new", "a": "choose", "c": "choose"},
        deciders={"a": "choose", "b": "choose", "c": "choose"},
    )
    run = Played(fork(), other=other).ok("choose", chosen="a").start("a")
    run.feed(PlanAdopted(9.0, "other"), RunResumed(9.0))
    assert run.engine.chosen == {2: (3,)}
    assert [run[name] for name in ("new", "choose", "a", "b", "c")] == ["r", "S", "r", "K", "K"]


def test_what_it_chose_and_the_other_plan_does_not_have_is_forgotten() -> None:
    other = plan_of({"choose": "", "b": "choose"}, deciders={"b": "choose"})
    run = Played(fork(), other=other).ok("choose", chosen="a").start("a")
    run.feed(PlanAdopted(9.0, "other"), RunResumed(9.0))
    assert run.engine.chosen == {0: ()}
    assert run.letters == "SK"
    assert run.verdict == "success"


# --- Decisions and maps


def test_in_a_mapped_group_each_instance_decides_for_its_own() -> None:
    plan = plan_of(
        {"m": "", "choose": "", "a": "choose", "b": "choose"},
        deciders={"a": "choose", "b": "choose"},
        groups={"m": "choose a b"},
    )
    run = Played(plan).expand("m", 2)
    run.ok("choose[0]", chosen="a").ok("choose[1]", chosen="b")
    assert (run.of("a"), run.of("b")) == ("rK", "Kr")
    run.ok("a[0]", "b[1]")
    assert run.verdict == "success"


def test_outside_of_it_one_instance_that_does_not_choose_is_enough() -> None:
    plan = plan_of({"m": "", "choose": "", "out": "choose"}, deciders={"out": "choose"}, groups={"m": "choose"})
    run = Played(plan).expand("m", 3).ok("choose[0]", chosen="out").fail("choose[1]")
    assert run["out"] == "."  # the last one may still leave it out
    assert run.ok("choose[2]")["out"] == "U"
    plan = plan_of(
        {"m": "", "choose": "", "out": "choose"},
        rules={"out": "all_done"},
        deciders={"out": "choose"},
        groups={"m": "choose"},
    )
    run = Played(plan).expand("m", 2).ok("choose[0]", chosen="out")
    assert run["out"] == "."
    assert Played(plan).expand("m", 2).ok("choose[0]", chosen="out").ok("choose[1]", chosen="")["out"] == "K"
    assert Played(plan).expand("m", 2).ok("choose[0]", chosen="out").fail("choose[1]")["out"] == "r"


def test_a_map_that_is_not_chosen_is_skipped_and_never_expanded() -> None:
    plan = plan_of({"gate": "", "m": "gate", "x": "m"}, deciders={"m": "gate"}, rules={"x": "all_skipped"}, maps="m")
    run = Played(plan).ok("gate", chosen="")
    assert (run.letters, run.of("m")) == ("SKr", "")


def test_what_a_mapped_branch_chose_does_not_count_while_it_waits_to_be_expanded_again() -> None:
    tasks = {"a": "", "m": "a", "x": "m"}
    plan = plan_of(tasks, maps="m", deciders={"x": "m"}, guards={"m": "a"})
    run = Played(plan).ok("a").expand("m", 2).ok("m[0]", chosen="").ok("m[1]", chosen="x")
    assert run.letters == "SSK"
    run.rerun("a", "m[1]", "x")
    assert run.letters == "r.."
    assert run.ok("a").letters == "Sr."
    run.expand("m", 1)
    assert (run.letters, run.of("m")) == ("SSK", "S-")
