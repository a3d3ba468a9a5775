"""What a resume by hand tries again, and what it leaves as it has ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from penstock.engine.commands import DispatchTasks, EndRun, SetGroupTimer
from penstock.engine.events import (
    AttemptDeferred,
    DriverStopped,
    GroupRetryDue,
    MessageReceived,
    PlanAdopted,
    RunResumed,
    TasksRerun,
)
from penstock.engine.run import InvalidEvent
from penstock.plan.plan import Group
from penstock.policy import Polling, TaskPolicy
from tests.unit.engine.played import Played, plan_of

ONCE = {"at_most_once": True}


def resumed(run: Played, *, by_hand: bool = True) -> Played:
    return run.feed(RunResumed(run.tick(), by_hand))


# --- Beside what may not be tried again


def test_who_runs_on_failures_is_tried_again_with_what_failed() -> None:
    run = Played(plan_of({"once": "", "a": "", "b": "a"}, rules={"b": "all_failed"}, options={"once": ONCE}))
    run.fail("once", "a", "b")
    assert run.letters == "FFF"
    assert resumed(run).letters == "Fr."


def test_what_its_setup_keeps_from_running_stays_as_it_has_ended() -> None:
    """The setup has begun, and may not begin again."""
    tasks = {"s": "", "a": "s", "b": "a"}
    run = Played(plan_of(tasks, rules={"b": "all_done"}, guards={"b": "s"}, options={"s": ONCE}))
    run.start("s").cancel().heed("s")
    assert run.letters == "CCC"
    before = [*run.engine.ended]
    assert [type(command) for command in resumed(run).commands] == [EndRun]
    assert run.letters == "CCC"
    assert [*run.engine.ended] == before


def test_what_its_setup_lets_run_is_tried_again() -> None:
    tasks = {"once": "", "s": "", "a": "s", "b": "a"}
    run = Played(plan_of(tasks, rules={"b": "all_done"}, guards={"b": "s"}, options={"once": ONCE}))
    run.fail("once").ok("s").fail("a", "b")
    assert resumed(run).letters == "FSr."


# --- With setups and teardowns


def test_what_has_failed_between_a_setup_and_its_teardown_begins_with_the_setup_again() -> None:
    """Also where a task after it has succeeded, and only that is directly above the teardown."""
    tasks = {"s": "", "a": "s", "b": "a", "t": "s b"}
    run = Played(plan_of(tasks, rules={"b": "all_done"}, setups={"t": "s"}, waits={"t": "a"}))
    run.ok("s").fail("a").ok("b", "t")
    assert run.letters == "SFSS"
    assert resumed(run).letters == "r.S."


def test_all_instances_of_a_mapped_setup_are_made_again_when_it_has_been_torn_down() -> None:
    run = Played(plan_of({"s": "", "t": "s"}, maps="s", setups={"t": "s"}))
    run.expand("s", 3).ok("s[0]", "s[2]").fail("s[1]").ok("t")
    assert (run.letters, run.of("s")) == ("FS", "SFS")
    assert (resumed(run).letters, run.of("s")) == ("E.", "rrr")
    assert [run.engine.generation(run.slot(name)) for name in ("t", "s[0]", "s[1]", "s[2]")] == [1, 1, 0, 1]


# --- Maps


def test_a_map_that_waits_to_be_expanded_again_is_cancelled_as_a_whole() -> None:
    plan = plan_of({"a": "", "m": "a"}, rules={"m": "all_done"}, maps="m")
    run = Played(plan).ok("a").expand("m", 2).ok("m[0]", "m[1]").rerun("a", "m[1]")
    assert (run.letters, run.of("m")) == ("r.", "S.")
    run.start("a").cancel()
    assert run.letters == ">C"
    assert [run.engine.task_state(slot).label for slot in (2, 3)] == ["removed", "removed"]


def test_a_map_that_has_ended_ended_when_it_did_whatever_is_run_again_beside_it() -> None:
    run = Played(plan_of({"a": "", "m": "", "b": ""}, maps="m")).expand("m", 1).ok("m[0]", "a", "b")
    before = run.engine.ended[run.slot("m")]
    run.rerun("a").ok("a")
    assert run.engine.ended[run.slot("m")] == before


# --- With another plan


def test_a_group_that_waits_for_its_next_round_goes_on_first_if_another_plan_puts_something_into_it() -> None:
    again = TaskPolicy(retries=1)
    first = replace(plan_of({"a": "", "x": "a"}), groups=(Group("g", -1, (0,), -1, again),))
    wider = replace(plan_of({"a": "", "b": "", "x": "a b"}), groups=(Group("g", -1, (0, 1), -1, again),))
    run = Played(first, wider=wider).fail("a")
    assert run.engine.rounds_due
    run.feed(PlanAdopted(run.tick(), "wider"))
    resumed(run, by_hand=False)
    assert (run.letters, run.commands) == ("Fr.", [DispatchTasks([1])])
    assert run.engine.rounds_due == {}
    assert run.ok("b").commands == [SetGroupTimer(0, -1, run.now)]


def followed(run: Played, plan: str = "same", *, by_hand: bool = False) -> Played:
    """A driver takes the run over with another plan."""
    return run.feed(PlanAdopted(run.tick(), plan), RunResumed(run.now, by_hand))


def next_round(run: Played, group: int = 0, index: int = -1) -> Played:
    return run.feed(GroupRetryDue(group, index, run.tick()))


def test_rounds_are_counted_on_under_another_plan() -> None:
    run = Played(plan_of({"a": "", "b": ""}, retried={"a": TaskPolicy(retries=2)})).fail("a")
    assert [*followed(run).engine.rounds_due] == [(0, -1)]
    next_round(run).fail("a")
    assert [*followed(run).engine.rounds_due] == [(0, -1)]
    next_round(run).fail("a")
    assert run.engine.rounds_due == {}
    assert run.ok("b").verdict == "failed: task 'a' failed"


def test_each_index_of_a_mapped_group_waits_for_its_own_round_under_another_plan() -> None:
    plan = plan_of({"m": "", "a": "", "b": "a"}, groups={"m": "a b"}, retried={"m": TaskPolicy(retries=2)})
    run = Played(plan).expand("m", 3).fail("a[1]", "a[2]")
    assert [*followed(run).engine.rounds_due] == [(0, 1), (0, 2)]
    next_round(run, index=1).fail("a[1]")
    assert [*followed(run).engine.rounds_due] == [(0, 1), (0, 2)]
    next_round(run, index=1).fail("a[1]")
    assert [*run.engine.rounds_due] == [(0, 2)]
    assert run.of("a") == "rFF"


def test_no_round_follows_of_a_group_that_another_plan_does_not_try_again_or_calls_otherwise() -> None:
    again = TaskPolicy(retries=1)
    plan = plan_of({"m": "", "a": "", "x": "a"}, groups={"m": "a"}, retried={"m": again}, rules={"x": "all_done"})
    once = replace(plan, groups=(replace(plan.groups[0], policy=None),))
    renamed = replace(plan, groups=(replace(plan.groups[0], name="n"),))
    for other in (once, renamed):
        run = Played(plan, other=other).expand("m", 2).fail("a[0]").ok("a[1]")
        assert (run["x"], [*run.engine.rounds_due]) == (".", [(0, 0)])
        assert (followed(run, "other")["x"], run.engine.rounds_due) == ("r", {})


def test_a_mapped_group_into_which_another_plan_puts_something_is_expanded_again() -> None:
    plan = plan_of({"m": "", "a": "", "x": "a"}, groups={"m": "a"})
    wider = plan_of({"m": "", "a": "", "b": "a", "x": "b"}, groups={"m": "a b"})
    run = Played(plan, wider=wider).expand("m", 2).ok("a[0]")
    assert followed(run, "wider").letters == "r..."
    run.expand("m", 2)
    assert (run.letters, run.of("a"), run.of("b")) == ("SEE.", "Sr", "r.")
    run = Played(wider, same=wider, narrower=plan).expand("m", 2).ok("a[0]", "b[0]")
    assert (followed(run, "narrower").letters, run.of("a")) == ("SE.", "Sr")


def test_a_map_that_is_new_in_another_plan_is_expanded_as_any_other() -> None:
    plan = plan_of({"a": "", "m": "a"}, maps="m")
    other = plan_of({"a": "", "m": "a", "n": "a"}, maps="m n")
    run = Played(plan, other=other).ok("a").expand("m", 2).ok("m[0]")
    assert (followed(run, "other").letters, run.of("m")) == ("SEr", "Sr")
    assert run.expand("n", 1).of("n") == "r"


def test_a_run_that_was_to_end_begins_no_round_under_another_plan() -> None:
    plan = plan_of(
        {"s": "", "a": "s", "t": "s a"},
        setups={"t": "s"},
        retried={"s a t": TaskPolicy(retries=1)},
        options={"t": {"on_failure_fail_run": True}},
    )
    run = followed(Played(plan).ok("s").start("a").cancel())
    assert run.letters == "SCr"
    assert run.fail("t").verdict == "cancelled: cancelled by ann"


# --- A driver that died


def test_a_failure_by_the_death_of_a_driver_ends_a_run_that_is_to_fail_fast() -> None:
    run = Played(plan_of({"a": "", "b": "", "c": ""}, options={"b": ONCE}, fail_fast=True)).start("b", "c")
    assert resumed(run, by_hand=False).letters == "CFC"
    assert run.verdict == "failed: task 'b' failed, and fail_fast ended the rest"


def test_the_teardown_of_one_instance_alone_begins_again_with_what_is_tried_again() -> None:
    tasks = {"m": "", "s": "", "a": "s", "t": "s a"}
    run = Played(plan_of(tasks, setups={"t": "s"}, groups={"m": "s a t"})).expand("m", 2).ok("s[0]", "s[1]")
    run.fail("a[1]").ok("t[1]")
    assert (run.of("s"), run.of("a"), run.of("t")) == ("SS", "rF", ".S")
    resumed(run)
    assert (run.of("s"), run.of("a"), run.of("t")) == ("Sr", "r.", "..")


def test_a_run_that_is_to_fail_fast_does_so_when_its_driver_stops_in_good_order() -> None:
    run = Played(plan_of({"a": "", "b": "", "c": ""}, options={"b": ONCE}, fail_fast=True)).start("b", "c")
    assert run.feed(DriverStopped(run.tick(), "SIGTERM")).letters == "CFC"


def test_a_map_ends_with_its_last_instance_when_that_was_to_end_and_its_driver_stops() -> None:
    run = Played(plan_of({"m": "", "x": "m"}, maps="m")).expand("m", 2).start("m[1]").cancel()
    assert (run.letters, run.of("m")) == ("EC", "C>")
    assert run.feed(DriverStopped(run.tick(), "SIGTERM")).letters == "CC"


def test_a_sensor_that_gave_up_softly_stays_so_whatever_is_tried_again_above_it() -> None:
    soft = {"polling": Polling(timeout=0.0, soft_fail=True)}
    run = Played(plan_of({"a": "", "b": "a"}, rules={"b": "all_done"}, options={"b": soft})).fail("a").start("b")
    run.feed(AttemptDeferred(run.slot("b"), 1, run.tick()))
    assert run.letters == "FK"
    assert resumed(run).letters == "rK"


def test_a_teardown_goes_by_its_setups_alone_also_where_nothing_else_is_to_be_weighed() -> None:
    run = Played(plan_of({"s": "", "a": "s", "t": "s a"}, rules={"a": "all_done"}, setups={"t": "s"}))
    assert run.engine.plan.held == ()
    assert run.fail("s").ok("a").letters == "FSU"


def test_a_task_that_was_to_wake_is_not_due_when_a_driver_s_death_ends_the_run() -> None:
    options: dict[str, dict[str, Any]] = {"a": {"at_most_once": True}, "b": {"retries": 1}}
    run = Played(plan_of({"a": "", "b": ""}, options=options, fail_fast=True)).fail("b").start("a")
    assert resumed(run, by_hand=False).letters == "FC"
    assert run.engine.retries_due == {}


@pytest.mark.parametrize("task", [-1, 3, 99])
def test_a_task_that_is_not_there_cannot_be_run_again(task: int) -> None:
    run = Played(plan_of({"m": "", "a": ""}, maps="m")).expand("m", 1).ok("m[0]", "a")
    with pytest.raises(InvalidEvent):
        run.engine.handle(TasksRerun(9.0, (task,)))
    with pytest.raises(InvalidEvent):
        run.rerun("m").expand("m", 0).rerun("m[0]")


def test_tasks_of_two_mapped_groups_that_are_one_now_are_expanded_together() -> None:
    tasks = {"m": "", "a": "", "n": "", "b": ""}
    plan = plan_of(tasks, groups={"m": "a", "n": "b"})
    both = plan_of({"m": "", "a": "", "b": ""}, groups={"m": "a b"})
    run = Played(plan, both=both).expand("m", 2).expand("n", 3).ok("a[0]", "b[2]")
    assert followed(run, "both").letters == "r.."
    run.expand("m", 3)
    assert (run.letters, run.of("a"), run.of("b")) == ("SEE", "Srr", "rrS")


@pytest.mark.parametrize("width", [1, 2])
def test_a_mapped_group_all_of_whose_tasks_are_new_is_expanded_again(width: int) -> None:
    plan = plan_of({"m": "", "a": "", "x": "a"}, groups={"m": "a"})
    other = plan_of({"m": "", "b": "", "x": "b"}, groups={"m": "b"})
    wider = plan_of({"m": "", "a": "", "b": "", "x": "b"}, groups={"m": "a b"})
    run = Played(plan, other=other).expand("m", width)
    assert followed(run, "other").letters == "r.."
    run = Played(plan, wider=wider).expand("m", width)
    assert followed(run, "wider").letters == "r..."


def test_a_group_within_one_that_is_not_tried_again_waits_for_its_round_under_another_plan() -> None:
    groups = (Group("outer", -1, (0, 1), -1), Group("inner", 0, (0,), -1, TaskPolicy(retries=1)))
    run = Played(replace(plan_of({"a": "", "b": ""}), groups=groups)).fail("a")
    assert [*followed(run).engine.rounds_due] == [(1, -1)]


def test_instances_are_numbered_by_their_rows_under_another_plan() -> None:
    run = Played(plan_of({"g": "", "a": "", "m": ""}, groups={"g": "a"}, maps="m")).expand("m", 2).expand("g", 2)
    assert [run.slot(name) for name in ("m[0]", "m[1]", "a[0]", "a[1]")] == [3, 4, 5, 6]
    followed(run.ok("m[0]"))
    assert [run.slot(name) for name in ("m[0]", "m[1]", "a[0]", "a[1]")] == [5, 6, 3, 4]
    assert (run.of("m"), run.of("a")) == ("Sr", "rr")


def test_no_round_follows_of_a_mapped_group_whose_tasks_are_all_new() -> None:
    again = TaskPolicy(retries=1)
    plan = plan_of({"m": "", "a": "", "x": "a"}, groups={"m": "a"}, retried={"m": again})
    other = plan_of({"m": "", "b": "", "x": "b"}, groups={"m": "b"}, retried={"m": again})
    run = followed(Played(plan, other=other).expand("m", 2).fail("a[0]"), "other")
    assert (run.letters, run.engine.rounds_due) == ("r..", {})
    assert run.expand("m", 1).ok("b[0]", "x").verdict == "success"


def test_each_of_two_groups_in_a_group_begins_its_rounds_anew() -> None:
    tasks = {"a": "", "b": "", "y": "a", "z": ""}
    again = TaskPolicy(retries=1)
    run = Played(plan_of(tasks, retried={"a b y z": again, "a b": again, "z": again})).ok("a", "b", "y").fail("z")
    names = [group.name for group in run.engine.plan.groups]
    next_round(run, names.index("z")).fail("z")
    assert [*run.engine.rounds_due] == [(0, -1)]
    next_round(run)
    assert run.letters == "rr.r"
    assert run.ok("a").letters == "Sr.r"  # y does not see a before b has ended
    assert run.ok("b").letters == "SSrr"


def test_a_task_that_is_in_a_mapped_group_only_now_begins_anew() -> None:
    plan = plan_of({"m": "", "a": ""}, maps="m")
    other = plan_of({"m": "", "a": ""}, groups={"m": "a"})
    run = Played(plan, other=other).ok("a")
    assert followed(run, "other").letters == "r."
    assert run.expand("m", 2).of("a") == "rr"


def test_a_map_whose_instances_may_begin_once_is_expanded_again_where_that_failed() -> None:
    run = Played(plan_of({"m": ""}, maps="m", options={"m": ONCE})).fail_to_expand("m")
    assert resumed(run).letters == "r"


def test_who_is_run_again_asks_anew_and_waits_behind_who_asked_before() -> None:
    run = Played(plan_of({"a": "", "b": ""})).start("a", "b")
    run.feed(*(AttemptDeferred(slot, 1, run.tick(), None, "go") for slot in (0, 1)))
    run.rerun("a").start("a")
    run.feed(AttemptDeferred(0, 1, run.tick(), None, "go"), MessageReceived(run.tick(), "go", None, "ann"))
    assert run.letters == "dr"
