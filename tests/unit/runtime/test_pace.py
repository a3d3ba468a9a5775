"""What determined when a run ended, and what was slower than usual."""

from __future__ import annotations

from itertools import pairwise
from math import nan
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.events import RetryDue
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.runtime.pace import critical_path, pace
from tests.unit.engine.drawn_runs import Chance, draw_plan
from tests.unit.engine.played import Played, plan_of


def path(run: Played) -> list[str]:
    return [run.engine.name(slot) for slot in critical_path(run.engine)]


FORK = {"a": "", "b": "", "c": "a b", "d": "a"}


def test_it_goes_back_from_the_last_to_end_along_what_ended_last():
    run = Played(plan_of(FORK)).start("a", "b").ok("b", "a").start("c", "d").ok("d", "c")
    assert path(run) == ["a", "c"]


def test_what_waited_for_a_worker_comes_after_the_one_that_had_it():
    run = Played(plan_of(FORK)).start("a", "b").ok("b", "a").start("d").ok("d", "c")
    assert path(run) == ["a", "d", "c"]


def test_what_waited_for_its_next_attempt_does_not():
    plan = plan_of({"a": "", "b": ""}, options={"b": {"retries": 1}})
    run = Played(plan).fail("b").ok("a")
    run.feed(RetryDue(1, run.tick())).ok("b")
    assert path(run) == ["b"]


def test_a_run_that_has_not_ended_has_none():
    assert path(Played(plan_of({"a": "", "b": ""})).ok("a")) == []


def test_of_a_map_the_last_instance_is_on_it_and_what_did_not_run_is_passed_over():
    plan = plan_of(
        {"a": "", "m": "a", "k": "m", "z": "k"}, guards={"m": "a"}, maps="m", rules={"z": "all_done", "k": "all_failed"}
    )
    run = Played(plan).ok("a").expand("m", 3).ok("m[2]", "m[0]", "m[1]").ok("z")
    assert run["k"] == "K"
    assert path(run)[-1] == "z"
    assert "k" not in path(run)
    assert path(run)[0] == "a"


def _has_run(engine: RunEngine, slot: int) -> bool:
    return engine.attempts[slot] > 0 and TaskState.SUCCESS <= engine.states[slot] < TaskState.REMOVED


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_of_any_run_it_is_a_chain_in_time_that_ends_with_the_last(seed: int):
    random = Random(seed)
    engine = RunEngine(draw_plan(random, maps=True, rounds=True), run_id="run")
    for event in Chance(engine, random, calm=True).events(80):
        engine.handle(event)
    slots = critical_path(engine)
    assert len(set(slots)) == len(slots)
    for before, after in pairwise(slots):
        assert engine.ended[before] <= engine.started[after]
    if slots:
        ran = [slot for slot in range(len(engine.states)) if _has_run(engine, slot)]
        assert engine.ended[slots[-1]] == max(engine.ended[slot] for slot in ran)


@pytest.mark.parametrize(
    ("took", "usual", "told"),
    [
        (4.0, 1.0, "4.0 times as long as usual"),
        (1.0, 4.0, "4.0 times as fast as usual"),
        (1.9, 1.0, ""),
        (0.09, 0.01, ""),
        (4.0, nan, ""),
        (None, 1.0, ""),
        (1.0, 0.0, "longer than usual"),
    ],
)
def test_only_much_is_worth_a_word(took: float | None, usual: float, told: str):
    assert pace(took, usual) == told
