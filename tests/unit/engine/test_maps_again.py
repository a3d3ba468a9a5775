"""Maps and groups that are tried again, one within the other, when the run goes on from where it was left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.engine.events import (
    AttemptLost,
    AttemptSucceeded,
    GroupRetryDue,
    PlanAdopted,
    RunResumed,
    TasksMarked,
    ValueRef,
)
from penstock.engine.explain import Explainer
from penstock.engine.run import InvalidEvent
from penstock.plan.plan import Group, Plan
from penstock.policy import TaskPolicy
from tests.unit.engine.played import ERROR, Played, plan_of

ONCE_MORE = TaskPolicy(retries=1)
VOLATILE = ValueRef("volatile", 0)


def adopted(run: Played) -> Played:
    """Another driver goes on with the run."""
    return run.feed(RunResumed(run.tick(), by_hand=False))


def made(run: Played, *names: str) -> Played:
    """Bodies return what only their process has."""
    for name in names:
        run.start(name)
        slot = run.slot(name)
        run.feed(AttemptSucceeded(slot, run.engine.attempts[slot], run.tick(), VOLATILE))
    return run


def mark(run: Played, state: str, *names: str) -> Played:
    return run.feed(TasksMarked(run.tick(), tuple(map(run.slot, names)), state, "ann"))


# --- What waits for a group


def test_what_a_settled_index_came_to_may_be_enough_for_who_waits_for_one_success() -> None:
    tasks = {"m": "", "a": "", "b": "", "x": "a"}
    run = Played(plan_of(tasks, groups={"m": "a b"}, retried={"m": ONCE_MORE}, rules={"x": "one_success"}))
    run.expand("m", 2).ok("a[0]")
    assert run["x"] == "."  # b[0] may still fail, and a[0] begin anew with it
    assert run.ok("b[0]")["x"] == "r"
    run.start("x")


def test_a_map_waits_to_be_expanded_again_for_a_group_above_it_in_which_another_map_goes_on() -> None:
    plan = plan_of({"x": "", "m": "", "n": "x"}, maps="m n", retried={"x m": ONCE_MORE})
    run = Played(plan).ok("x").expand("m", 1).ok("m[0]").expand("n", 1).ok("n[0]")
    run.rerun("m[0]", "n[0]")
    assert (run.letters, run.of("m"), run.of("n")) == ("SE.", "r", ".")
    run.ok("m[0]")
    assert run.letters == "SSr"
    assert run.expand("n", 1).ok("n[0]").verdict == "success"


def test_it_waits_too_where_a_mark_has_the_group_go_on() -> None:
    tasks = {"x": "", "g": "", "u": "", "m": "u", "n": "x"}
    options = {"u": {"allow_failure": True}}
    plan = plan_of(tasks, groups={"g": "u m"}, maps="n", retried={"x g u m": ONCE_MORE}, options=options)
    run = Played(plan).ok("x").expand("g", 1).fail("u[0]").expand("n", 1)
    assert (run.letters, run.of("m"), run.of("n")) == ("SSFUE", "U", "r")
    mark(run, "success", "u[0]")
    assert (run.letters, run.of("m"), run.of("n")) == ("SSSE.", "r", ".")


def test_what_expands_a_group_is_enough_for_who_comes_after_that_alone() -> None:
    run = Played(plan_of({"m": "", "a": "", "x": "m"}, groups={"m": "a"}, rules={"x": "all_failed"}))
    assert run.expand("m", 2).letters == "SEK"


def test_a_guard_that_fails_settles_what_waits_for_others_still() -> None:
    """Whatever it was told of before."""
    run = Played(plan_of({"g": "", "a": "", "b": "", "x": "a b"}, rules={"x": "all_done"}, guards={"x": "g"}))
    assert run.ok("a").fail("g").letters == "FSrU"


def test_an_instance_that_is_marked_as_failed_is_the_last_of_its_index() -> None:
    plan = plan_of({"m": "", "a": ""}, groups={"m": "a"}, retried={"m": ONCE_MORE})
    run = Played(plan).expand("m", 3).cancel().rerun("a[0]")
    assert (run.letters, run.of("a")) == ("SE", "rCC")
    mark(run, "failed", "a[0]")
    assert (run.letters, run.of("a")) == ("SF", "FCC")


# --- Values that died with their process


def test_an_instance_has_made_again_what_it_takes_from_its_own_index_and_no_other() -> None:
    run = Played(plan_of({"m": "", "a": "", "b": "a"}, groups={"m": "a b"})).expand("m", 3)
    made(run, "a[0]", "a[1]", "a[2]").ok("b[1]").fail("b[2]")
    assert (adopted(run).of("a"), run.of("b")) == ("rSS", ".SF")


# --- Maps that are expanded again while a round of theirs waits


def widened(width: int) -> Played:
    """Two mapped groups over a value that died with its process, and a group that is not mapped; the rounds of all of
    them wait when the first is expanded again."""
    tasks = {"up": "", "m": "up", "a": "up", "n": "", "b": "", "c": "", "x": "a"}
    plan = plan_of(
        tasks,
        groups={"m": "a", "n": "b"},
        retried={"m": ONCE_MORE, "n": ONCE_MORE, "c": ONCE_MORE},
        rules={"x": "all_done"},
    )
    run = made(Played(plan), "up").expand("m", 3).expand("n", 3).fail("a[0]", "a[2]", "b[1]", "b[2]", "c")
    assert (run["m"], run.of("a"), run.of("b")) == ("S", "FrF", "rFF")
    adopted(run)
    assert (run["up"], run["m"]) == ("r", ".")
    made(run, "up").expand("m", width)
    return run


def due(run: Played) -> list[tuple[str, int]]:
    """The rounds that wait, by the names of their groups."""
    return sorted((run.engine.plan.groups[group].name, index) for group, index in run.engine.rounds_due)


def begun(run: Played, name: str, index: int) -> Played:
    """A round begins."""
    number = next(number for number, group in enumerate(run.engine.plan.groups) if group.name == name)
    return run.feed(GroupRetryDue(number, index, run.tick()))


OTHERS = [("c", -1), ("n", 1), ("n", 2)]


def test_it_waits_on_where_the_map_is_as_wide_as_before() -> None:
    run = widened(3)
    assert due(run) == [("c", -1), ("m", 0), ("m", 2), *OTHERS[1:]]
    assert begun(run, "m", 2).of("a") == "Frr"


def test_it_is_forgotten_with_the_instances_that_there_are_no_more() -> None:
    run = widened(2)
    assert due(run) == [("c", -1), ("m", 0), *OTHERS[1:]]
    begun(run, "m", 0).ok("a[0]", "a[1]")
    assert run["x"] == "r"
    for name, index in OTHERS:
        begun(run, name, index)
    assert run.ok("b[0]", "b[1]", "b[2]", "c", "x").verdict == "success"


def test_or_with_all_of_them() -> None:
    run = widened(0)
    assert due(run) == OTHERS
    assert (run["m"], run["a"], run["x"]) == ("K", "K", "r")
    for name, index in OTHERS:
        begun(run, name, index)
    assert run.ok("b[0]", "b[1]", "b[2]", "c", "x").verdict == "success"


def test_a_mapped_group_of_nothing_is_tried_again_as_soon_as_any() -> None:
    run = Played(plan_of({"m": "", "x": "m"}, groups={"m": ""}, retried={"m": ONCE_MORE})).expand("m", 2).fail("x")
    assert run.letters == "SF"
    assert run.feed(RunResumed(run.tick())).ok("x").verdict == "success"
    assert run.rerun("m").expand("m", 3).verdict == "success"
    run.rerun("x").feed(PlanAdopted(run.tick(), "same"), RunResumed(run.now, by_hand=False))
    assert run.ok("x").verdict == "success"


# --- Groups within groups


def nested() -> Plan:
    """a, and b after it, are tried again together; b and its map once more by themselves."""
    tasks = {"a": "", "b": "a", "c": "b", "x": "c"}
    return plan_of(tasks, maps="c", retried={"a b c": TaskPolicy(retries=2), "b c": ONCE_MORE}, rules={"x": "all_done"})


def test_each_round_of_the_outer_group_has_all_rounds_of_the_inner_again() -> None:
    run = Played(nested())
    outer, inner = ((run.engine.plan.groups[number].name, -1) for number in (0, 1))
    run.ok("a")
    for _ in range(2):
        run.ok("b").expand("c", 2).fail("c[0]").ok("c[1]")
        assert due(run) == [inner]
        begun(run, *inner).ok("b").expand("c", 2).ok("c[0]").fail("c[1]")
        assert due(run) == [outer]
        begun(run, *outer)
        assert (run.letters, run.of("c")) == ("r...", "..")
        run.ok("a")
    run.ok("b").expand("c", 1).ok("c[0]")
    assert (run.letters, run.of("c")) == ("SSSr", "S-")


def test_a_failure_by_hand_in_the_inner_group_is_tried_again_in_neither() -> None:
    run = Played(nested()).ok("a", "b").expand("c", 1).ok("c[0]").rerun("c[0]")
    assert run.letters == "SSE."
    mark(run, "failed", "c[0]")
    assert (run.letters, due(run)) == ("SSFr", [])


def test_who_waits_within_a_mapped_group_for_a_smaller_one_in_it_waits_for_all_of_its_index() -> None:
    plan = plan_of({"m": "", "a": "", "b": "", "y": "a"}, groups={"m": "a b y"}, retried={"a b": TaskPolicy(retries=1)})
    run = Played(plan).expand("m", 2).ok("a[0]", "a[1]").start("b[1]")
    assert run.of("y") == ".."
    explainer = Explainer(run.engine)
    assert [explainer.reason(run.slot(name)).slots for name in ("y[0]", "y[1]")] == [
        (run.slot("b[0]"),),
        (run.slot("b[1]"),),
    ]
    assert run.ok("b[0]").of("y") == "r."
    run.fail("b[1]")
    assert [run.engine.waits_for_round(run.slot(name)) for name in ("a[0]", "a[1]", "b[1]", "y[1]")] == [
        *(False, True, True, False)
    ]
    with pytest.raises(InvalidEvent):
        run.engine.handle(TasksMarked(9.0, (run.slot("a[1]"),), "failed", "ann"))


# --- Rounds that are given up


def test_a_teardown_runs_when_the_rounds_of_a_group_in_a_group_are_given_up() -> None:
    tasks = {"s": "", "c": "s", "a": "c", "b": "a", "t": "s b"}
    plan = plan_of(tasks, setups={"t": "s"}, waits={"t": "a c"}, retried={"c a b": ONCE_MORE, "b": ONCE_MORE})
    run = Played(plan).ok("s", "c", "a").fail("b")
    assert [index for _, index in due(run)] == [-1]
    run.cancel()
    assert (run.letters, due(run)) == ("SSSFr", [])
    assert run.ok("t").verdict == "failed: task 'b' failed"


def test_a_group_of_two_is_given_up_beside_one_of_one() -> None:
    tasks = {"s": "", "a": "s", "b": "a", "d": "s", "t": "s b d"}
    again = {"a b d": ONCE_MORE, "a b": ONCE_MORE, "d": ONCE_MORE}
    run = Played(plan_of(tasks, setups={"t": "s"}, waits={"t": "a"}, retried=again)).ok("s", "a", "d").fail("b")
    assert [group.name for group in run.engine.plan.groups] == ["a b d", "a b", "d"]
    assert run.cancel().letters == "SSFSr"


def test_a_group_in_a_group_in_which_something_is_still_to_come_is_not_the_last() -> None:
    tasks = {"s": "", "a": "s", "b": "s", "t": "s a b"}
    plan = plan_of(tasks, setups={"t": "s"}, retried={"a b": ONCE_MORE, "b": ONCE_MORE})
    run = Played(plan).ok("s").fail("b").start("a").cancel()
    assert run.letters == "S>F."
    assert run.ok("a").letters == "SSFr"


def test_a_map_ends_when_the_rounds_of_its_indexes_are_given_up() -> None:
    tasks = {"s": "", "m": "s", "a": "", "b": "a", "t": "s b"}
    plan = plan_of(tasks, groups={"m": "a b"}, retried={"m": ONCE_MORE}, setups={"t": "s"}, waits={"t": "a m"})
    run = Played(plan).ok("s").expand("m", 3).fail("a[2]", "a[1]").ok("a[0]", "b[0]")
    assert run["t"] == "."
    run.cancel()
    assert (run.letters, run.of("a"), run.of("b")) == ("SSFUr", "SFF", "SUU")


def test_what_an_instance_chose_before_still_counts_when_its_map_is_expanded_again() -> None:
    """For whoever it decides on, however far below."""
    tasks = {"a": "", "d": "a", "b": "", "x": "b"}
    plan = plan_of(tasks, maps="d", deciders={"x": "d"}, options={"d": {"decides": "short_circuit"}})
    run = Played(plan).ok("a").expand("d", 2).ok("d[0]", chosen="").ok("d[1]")
    assert run.letters == "SSrK"
    run.rerun("a", "d[1]", "x").ok("a")
    assert run.letters == "Srr."
    run.expand("d", 2)
    assert (run.letters, run.of("d")) == ("SErK", "Sr")


# --- A group that fails a run which is to fail fast


@pytest.mark.parametrize("end", ["success", "skip", "nothing", "lost", "no map"])
def test_whatever_ends_last_in_it(end: str) -> None:
    """What has failed in a group that is tried again counts when the group is settled."""
    is_map = end in ("nothing", "no map")
    plan = plan_of({"a": "", "b": "", "x": ""}, maps="b" * is_map, retried={"a b": ONCE_MORE}, fail_fast=True)
    run = Played(plan).fail("a", retryable=False)
    assert run.letters == "Frr"
    if end == "success":
        run.ok("b")
    elif end == "skip":
        run.skip("b")
    elif end == "nothing":
        run.expand("b", 0)
    elif end == "no map":
        run.fail_to_expand("b")
    for _ in range(3 * (end == "lost")):
        run.start("b")
        run.feed(AttemptLost(1, run.engine.attempts[1], run.tick(), ERROR))
    assert run["x"] == "C"


def test_or_a_round_in_which_nothing_runs_any_more() -> None:
    plan = plan_of({"p": "", "a": "", "i": "p", "x": ""}, retried={"a i": ONCE_MORE, "i": ONCE_MORE}, fail_fast=True)
    run = Played(plan).ok("p").fail("i").fail("a", retryable=False)
    mark(run, "skipped", "p")
    assert run.letters == "KFFr"
    begun(run, "i", -1)
    assert run.letters == "KFKC"


def test_groups_however_deep_are_settled_for_another_driver_as_they_were() -> None:
    groups = tuple(Group(f"g{number}", number - 1, (0,), -1, ONCE_MORE) for number in range(9))
    run = Played(replace(plan_of({"a": "", "x": "a"}), groups=groups)).ok("a")
    run.feed(PlanAdopted(run.tick(), "same"), RunResumed(run.now, by_hand=False))
    assert run.letters == "Sr"
    assert run.ok("x").verdict == "success"
