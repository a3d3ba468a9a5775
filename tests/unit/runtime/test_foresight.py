"""A run foreseen: the order, the time and the conditions of one that has not begun."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.priorities import longest_paths
from penstock.runtime.foresight import Forecast, foresee
from tests.unit.engine.drawn_runs import draw_plan
from tests.unit.engine.played import plan_of

DIAMOND = {"a": "", "b": "a", "c": "a", "d": "b c"}


def order(forecast: Forecast) -> list[tuple[int, float | None]]:
    return [(task.row, task.starts) for task in forecast.tasks]


def test_tasks_begin_as_workers_and_upstreams_let_them():
    plan = plan_of(DIAMOND)
    two = foresee(plan, [1.0, 5.0, 2.0, 1.0], 2, {})
    assert (two.seconds, order(two)) == (7.0, [(0, 0.0), (1, 1.0), (2, 1.0), (3, 6.0)])
    one = foresee(plan, [1.0, 2.0, 5.0, 1.0], 1, {})
    assert (one.seconds, order(one)) == (9.0, [(0, 0.0), (2, 1.0), (1, 6.0), (3, 8.0)])


def test_without_history_there_is_an_order_and_no_time():
    forecast = foresee(plan_of(DIAMOND), (), 1, {})
    assert forecast.seconds is None
    assert [task.row for task in forecast.tasks] == [0, 1, 2, 3]
    assert forecast.unknown == 4


def test_what_has_no_history_counts_as_a_middling_one():
    forecast = foresee(plan_of({"a": "", "b": "a", "c": "b"}), [1.0, nan, 3.0], 1, {})
    assert (forecast.seconds, forecast.unknown) == (7.0, 1)


def test_a_map_of_known_width_takes_as_many_turns_and_another_one():
    plan = plan_of({"m": ""}, maps="m", options={"m": {"max_active_instances": 2}})
    assert foresee(plan, [1.0], 8, {0: 5}).seconds == 3.0
    assert foresee(plan, [1.0], 8, {}).seconds == 1.0


def test_limits_hold_back_what_they_will():
    names = dict.fromkeys("abcd", "")
    seconds = [1.0] * 4
    pool = plan_of(names, options={name: {"pool": "db", "pool_slots": 2} for name in "abc"})
    assert foresee(pool, seconds, 8, {}, {"db": 4}).seconds == 2.0
    assert foresee(pool, seconds, 8, {}).seconds == 1.0, "a pool of which nothing is known has enough"
    assert foresee(replace(plan_of(names), max_active_tasks=1), seconds, 8, {}).seconds == 4.0
    once = plan_of({"m": ""}, maps="m", options={"m": {"concurrency": 1}})
    assert foresee(once, [1.0], 8, {0: 3}).seconds == 3.0


def test_what_runs_only_if_something_fails_is_last_and_has_no_time():
    forecast = foresee(plan_of({"alarm": "a", "a": ""}, rules={"alarm": "one_failed"}), [1.0, 2.0], 1, {})
    assert order(forecast) == [(1, 0.0), (0, None)]
    assert forecast.seconds == 2.0


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_any_plan_takes_no_longer_than_one_after_the_other_and_no_less_than_its_share(seed: int, workers: int):
    random = Random(seed)
    plan = draw_plan(random, maps=True, rounds=True)
    lengths = [float(random.randint(1, 9)) for _ in range(len(plan))]
    for row in plan.expanded_by:
        lengths[row] = 0.0
    forecast = foresee(plan, lengths, workers, {})
    begun = [task for task in forecast.tasks if task.starts is not None]
    work = sum(lengths[task.row] for task in begun)
    assert forecast.seconds is not None
    assert work / workers <= forecast.seconds <= work
    if len(begun) == len(plan) - len(plan.expanded_by):
        slowest = max(longest_paths(plan.upstreams, lengths)) if not any(_early(plan)) else 0.0
        assert forecast.seconds >= slowest
    assert {task.row for task in forecast.tasks} == {row for row in range(len(plan)) if row not in plan.expanded_by}


def _early(plan) -> list[bool]:
    return [policy.trigger_rule in ("one_success", "one_failed", "one_done", "always") for policy in plan.policies]
