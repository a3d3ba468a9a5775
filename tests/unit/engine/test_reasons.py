"""What a reason says in full: which tasks are behind it, when, and in what words."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.engine.events import (
    AttemptDeferred,
    AttemptFailed,
    DriverStopped,
    ErrorText,
    GroupRetryDue,
    RunResumed,
    TasksMarked,
)
from penstock.engine.explain import Explainer, Kind, Reason
from penstock.policy import Polling, TaskPolicy
from tests.unit.engine.played import Played, plan_of

CHAIN = {"a": "", "b": "a", "c": "b"}


def reason(run: Played, name: str) -> Reason:
    return Explainer(run.engine).reason(run.slot(name))


def names(run: Played, name: str) -> list[str]:
    """The tasks that are right behind one."""
    return [run.engine.name(slot) for slot in reason(run, name).slots]


# --- What has not ended, or has by itself


def test_what_runs_or_has_ended_by_itself_says_since_when() -> None:
    run = Played(plan_of({"a": "", "b": "", "c": "", "d": ""})).ok("a").fail("b").skip("c").start("d")
    ended = run.engine.ended
    assert reason(run, "a") == Reason(Kind.SUCCEEDED, at=ended[0])
    assert reason(run, "b") == Reason(Kind.FAILED, at=ended[1], text="ValueError: no")
    assert reason(run, "c") == Reason(Kind.SAID, at=ended[2], text="nothing to do")
    assert reason(run, "d") == Reason(Kind.RUNNING, at=run.engine.started[3])
    run.feed(TasksMarked(run.tick(), (0,), "failed", "ann", "why not"))
    assert reason(run, "a") == Reason(Kind.MARKED, at=run.now, text="marked by ann: why not")


def test_what_pauses_says_until_when_and_what_for() -> None:
    options: dict[str, dict[str, Any]] = {"a": {"retries": 1, "retry_delay": 10.0}, "b": {"polling": Polling(7.0)}}
    run = Played(plan_of({"a": "", "b": "", "c": "", "d": "", "e": ""}, options=options)).fail("a")
    assert reason(run, "a") == Reason(Kind.RETRY, at=run.now + 10.0, text="ValueError: no")
    run.start("b", "c", "d", "e")
    run.feed(AttemptDeferred(1, 1, run.now))
    run.feed(AttemptDeferred(2, 1, run.now, None, "go"))
    run.feed(AttemptDeferred(3, 1, run.now, 99.0, "go"))
    run.feed(AttemptDeferred(4, 1, run.now, 99.0, "approval:e"))
    assert reason(run, "b") == Reason(Kind.EARLY, at=run.now + 7.0)
    assert reason(run, "c") == Reason(Kind.MESSAGE, text="go")
    assert reason(run, "d") == Reason(Kind.MESSAGE, at=99.0, text="go")
    assert reason(run, "e") == Reason(Kind.DECISION, at=99.0, text="approval:e")


def test_all_that_a_task_waits_for_is_named() -> None:
    run = Played(plan_of({"a": "", "b": "", "c": "", "d": "a b c"})).ok("b")
    assert reason(run, "d") == Reason(Kind.UPSTREAMS, (0, 2))


def test_a_limit_says_how_many() -> None:
    plan = plan_of({"a": "", "m": ""}, maps="m", options={"m": {"max_active_instances": 1}}, max_active_tasks=3)
    run = Played(plan).expand("m", 3).start("m[1]")
    assert reason(run, "m[0]") == Reason(Kind.LIMIT, (run.slot("m[1]"),), text="max_active_instances is 1")
    tight = Played(plan_of({"a": "", "b": ""}, max_active_tasks=1)).start("b")
    assert reason(tight, "a") == Reason(Kind.LIMIT, (1,), text="max_active_tasks is 1")


# --- Maps and groups


def test_a_map_stands_as_those_of_its_instances_that_came_to_the_same() -> None:
    run = Played(plan_of({"m": "", "x": "m"}, maps="m")).expand("m", 3).ok("m[0]", "m[2]")
    assert names(run, "m") == ["m[1]"]
    run.skip("m[1]")
    assert (reason(run, "m").kind, names(run, "m")) == (Kind.INSTANCES, ["m[0]", "m[2]"])


def test_what_begins_anew_with_its_group_names_what_failed_in_it() -> None:
    plan = plan_of({"a": "", "m": "", "x": ""}, maps="m", retried={"a m": TaskPolicy(retries=1, retry_delay=10.0)})
    run = Played(plan).expand("m", 2).ok("m[0]", "a").fail("m[1]")
    at, failed = run.now + 10.0, run.slot("m[1]")
    assert reason(run, "a") == Reason(Kind.ROUND, (failed,), at)
    assert reason(run, "m[1]") == Reason(Kind.ROUND, (), at, "ValueError: no")
    assert reason(run, "x") == Reason(Kind.WORKER)


def test_an_instance_that_there_is_no_more_says_so_though_its_group_begins_anew() -> None:
    plan = plan_of({"a": "", "m": "", "x": ""}, maps="m", retried={"a m": TaskPolicy(retries=2)})
    run = Played(plan).expand("m", 2).ok("m[0]", "a").fail("m[1]").feed(GroupRetryDue(0, -1, 9.0)).expand("m", 1)
    removed = Reason(Kind.REMOVED, (run.slot("m"),), run.now)
    run.ok("a").fail("m[0]")
    assert reason(run, "m[1]") == removed
    assert reason(run, "m[0]").kind is Kind.ROUND


def test_who_is_below_a_map_names_the_instance() -> None:
    run = Played(plan_of({"m": "", "x": "m"}, maps="m")).expand("m", 3).ok("m[0]").skip("m[2]").fail("m[1]")
    assert reason(run, "x") == Reason(Kind.RULE, (run.slot("m[1]"),), run.now, "all_success")


def test_an_instance_names_the_one_beside_it() -> None:
    tasks = {"g": "", "a": "", "b": "a"}
    run = Played(plan_of(tasks, groups={"g": "a b"})).expand("g", 3).fail("a[0]").fail("a[2]").skip("a[1]")
    assert [names(run, f"b[{index}]") for index in range(3)] == [["a[0]"], ["a[1]"], ["a[2]"]]


def test_who_decides_is_named_by_its_instance() -> None:
    tasks = {"g": "", "a": "", "b": "a"}
    inside = Played(plan_of(tasks, groups={"g": "a b"}, deciders={"b": "a"})).expand("g", 2)
    inside.ok("a[0]", chosen="b").ok("a[1]", chosen="")
    assert reason(inside, "b[1]") == Reason(Kind.NOT_CHOSEN, (inside.slot("a[1]"),), inside.now)
    outside = Played(plan_of({"a": "", "b": "a"}, maps="a", deciders={"b": "a"})).expand("a", 2)
    outside.ok("a[0]", chosen="b").ok("a[1]", chosen="")
    assert reason(outside, "b") == Reason(Kind.NOT_CHOSEN, (outside.slot("a[1]"),), outside.now)


def test_one_explainer_tells_maps_and_states_apart() -> None:
    tasks = {"m": "", "n": "", "x": "m", "y": "n", "z": "m"}
    rules = {"y": "none_skipped", "z": "none_skipped"}
    run = Played(plan_of(tasks, maps="m n", rules=rules)).expand("m", 2).expand("n", 2)
    run.fail("m[0]").skip("m[1]", "n[1]").ok("n[0]")
    explainer = Explainer(run.engine)
    found = [[run.engine.name(slot) for slot in explainer.reason(run.slot(name)).slots] for name in "xyz"]
    assert found == [["m[0]"], ["n[1]"], ["m[1]"]]


# --- What the law made of it


def test_a_guard_says_when() -> None:
    plan = plan_of({"s": "", "a": "s", "b": "a"}, rules={"b": "all_done"}, guards={"b": "s"})
    run = Played(plan).fail("s")
    assert reason(run, "b") == Reason(Kind.GUARD, (0,), run.now)


def test_who_was_cancelled_because_nobody_knows_what_a_branch_would_have_chosen_names_it() -> None:
    plan = plan_of({"s": "", "d": "", "t": "s d"}, setups={"t": "s"}, deciders={"t": "d"})
    run = Played(plan).ok("s").start("d").cancel().heed("d")
    assert run.letters == "SCC"
    assert reason(run, "t") == Reason(Kind.GUARD, (1,), run.now)


def test_a_branch_that_failed_is_no_reason_beyond_what_the_rule_says() -> None:
    run = Played(plan_of({"d": "", "a": "", "x": "a d"}, deciders={"x": "d"})).fail("d")
    assert reason(run, "x") == Reason(Kind.RULE, (0,), run.now, "all_success")


@pytest.mark.parametrize("rule", ["all_success", "all_done_min_one_success"])
def test_what_could_run_today_was_left_over(rule: str) -> None:
    run = Played(plan_of({"a": "", "x": "a"}, rules={"x": rule})).fail("a")
    ended = run.now
    assert reason(run, "x").kind is Kind.RULE
    run.rerun("a").ok("a")
    assert reason(run, "x") == Reason(Kind.LEFT_OVER, (), ended)


def test_so_was_a_map_and_what_had_been_skipped() -> None:
    run = Played(plan_of({"a": "", "m": "a", "b": "", "x": "b"}, maps="m")).fail("a").skip("b")
    run.rerun("a", "b").ok("a", "b")
    assert run.letters == "SUSK"
    assert [reason(run, name).kind for name in "mx"] == [Kind.LEFT_OVER, Kind.LEFT_OVER]


def test_a_map_of_nothing_says_so() -> None:
    run = Played(plan_of({"m": ""}, maps="m")).expand("m", 0)
    assert reason(run, "m") == Reason(Kind.NOTHING, (), run.now)


def test_what_was_cancelled_earlier_says_when() -> None:
    run = Played(plan_of({"a": "", "b": ""}, options={"a": {"at_most_once": True}})).start("a").cancel()
    ended = run.now
    run.heed("a").rerun()
    assert reason(run, "b") == Reason(Kind.LEFT_OVER, (), ended)
    assert reason(run, "a") == Reason(Kind.SPENT, (), run.engine.ended[0])


def test_an_error_of_which_nothing_is_known_says_nothing() -> None:
    run = Played(plan_of(CHAIN, options={"a": {"retries": 1}})).start("a")
    run.feed(
        AttemptFailed(0, 1, run.tick(), ErrorText("OSError", "full")), DriverStopped(9.0, ""), RunResumed(9.0, False)
    )
    assert reason(run, "a").text == "OSError: full"
