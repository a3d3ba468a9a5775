"""Why a task did not run, in words."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.runtime.why import Whys
from tests.unit.engine.drawn_runs import Chance, draw_plan
from tests.unit.engine.played import Played, plan_of

CHAIN = {"a": "", "b": "a", "c": "b"}


def whys(run: Played, *names: str) -> list[str | None]:
    asked = Whys(run.engine)
    return [asked.why(run.slot(name)) for name in names]


def test_a_failure_is_named_by_what_comes_right_after_it():
    run = Played(plan_of(CHAIN)).fail("a")
    assert whys(run, "a", "b", "c") == [None, "'a' failed", "'b' did not run"]


def test_so_is_a_skip_and_what_skips_itself_has_said_why():
    run = Played(plan_of(CHAIN)).skip("a")
    assert whys(run, "a", "b", "c") == [None, "'a' was skipped", "'b' was skipped"]


def test_what_succeeded_waits_or_was_cancelled_needs_no_reason():
    run = Played(plan_of(CHAIN)).ok("a")
    assert whys(run, "a", "b", "c") == [None, None, None]
    assert whys(run.cancel(), "b") == [None]


@pytest.mark.parametrize(
    ("decides", "chosen", "said"),
    [
        ("branch", "x", "'a' chose 'x'"),
        ("branch", "x y", "'a' chose 'x', 'y'"),
        ("branch", "", "'a' chose nothing"),
        ("short_circuit", "", "'a' was false"),
    ],
)
def test_a_decision_comes_before_all_else(decides: str, chosen: str, said: str):
    plan = plan_of(
        {"a": "", "f": "", "b": "a f", "x": "a", "y": "a"},
        options={"a": {"decides": decides}},
        deciders={"b": "a", "x": "a", "y": "a"},
    )
    run = Played(plan).fail("f").ok("a", chosen=chosen)
    assert whys(run, "b") == [said]


def test_other_rules_are_named():
    plan = plan_of({"a": "", "b": "", "any": "a b", "bad": "a b"}, rules={"any": "one_success", "bad": "one_failed"})
    run = Played(plan).fail("a", "b")
    assert whys(run, "any") == ["'a' failed (one_success)"]
    run = Played(plan).ok("a", "b")
    assert whys(run, "bad") == ["its upstreams are not as one_failed wants them"]


def test_of_a_map_the_instance_is_named():
    plan = plan_of({"a": "", "m": "a", "after": "m"}, guards={"m": "a"}, maps="m")
    run = Played(plan).ok("a").expand("m", 3).ok("m[0]").fail("m[1]").skip("m[2]")
    assert whys(run, "after") == ["'m[1]' failed"]


def test_what_is_mapped_over_nothing_says_so():
    plan = plan_of({"a": "", "m": "a", "after": "m"}, guards={"m": "a"}, maps="m")
    run = Played(plan).ok("a").expand("m", 0)
    assert whys(run, "m", "after") == ["it is mapped over nothing", "'m' was skipped"]


def test_in_a_mapped_group_the_instance_beside_is_named():
    plan = plan_of({"a": "", "g": "a", "x": "", "y": "x"}, guards={"g": "a"}, groups={"g": "x y"})
    run = Played(plan).ok("a").expand("g", 2).fail("x[1]").skip("x[0]")
    assert whys(run, "y[0]", "y[1]") == ["'x[0]' was skipped", "'x[1]' failed"]


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_whatever_the_law_keeps_from_running_has_a_reason(seed: int):
    random = Random(seed)
    engine = played(draw_plan(random, maps=True, rounds=True), random)
    asked = Whys(engine)
    for slot, state in enumerate(engine.states):
        derived = state in (TaskState.SKIPPED, TaskState.UPSTREAM_FAILED) and slot not in engine.skips
        if derived and (slot >= engine.size or slot not in engine.widths):
            assert asked.why(slot), engine.story(slot)


def played(plan: Plan, random: Random) -> RunEngine:
    engine = RunEngine(plan, run_id="run")
    for event in Chance(engine, random, calm=True).events(80):
        engine.handle(event)
    return engine
