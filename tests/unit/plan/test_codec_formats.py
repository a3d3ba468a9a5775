"""In which format a plan is written, and that the order in which it was put together leaves no trace in its bytes."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from penstock.errors import StoreCorrupt
from penstock.plan.codec import decode, encode
from penstock.plan.plan import Group, Plan
from penstock.policy import Asking, Polling, TaskPolicy
from tests.simulation.plans import make_plan

FIRST_OPTIONS = {
    *("retries", "retry_delay", "retry_backoff", "max_retry_delay", "retry_jitter", "timeout", "share"),
    *("at_most_once", "commit_first", "notices", "trigger_rule", "allow_failure", "setup", "teardown"),
    *("on_failure_fail_run", "decides", "max_active_instances"),
}
"""Options of tasks that format 3 knew."""


def columns(plan: Plan) -> dict[str, Any]:
    """What a plan is written as."""
    found: dict[str, Any] = json.loads(zlib.decompress(encode(plan)))
    return found


def one(**options: Any) -> Plan:
    """A plan of two tasks, of which the second has these options."""
    return make_plan([[], [0]], policies=[TaskPolicy(), TaskPolicy(**options)])


FORMATS: dict[str, tuple[Plan, int]] = {
    "nothing new": (one(retries=1, timeout=3.0), 3),
    "no tasks": (make_plan([]), 3),
    "a weight": (one(priority_weight=2), 4),
    "a weight rule": (one(weight_rule="upstream"), 4),
    "a sensor": (one(polling=Polling()), 5),
    "a sensor with a weight": (one(polling=Polling(), priority_weight=2), 5),
    "an approval": (one(asking=Asking("Go on?", "{}", None, None)), 6),
    "words for what it waits for": (one(waits_for="rain"), 6),
    "another workflow": (one(workflow="child"), 6),
    "a pool": (one(pool="db", pool_slots=2), 6),
    "a concurrency": (one(concurrency=1), 6),
    "a limit of the run": (replace(one(), max_active_tasks=2), 6),
    "a limit of the run, and a sensor": (replace(one(polling=Polling()), max_active_tasks=2), 6),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_plan_is_written_in_the_oldest_format_that_can_say_it(kind: str) -> None:
    plan, number = FORMATS[kind]
    assert columns(plan)["format"] == number
    assert decode(encode(plan)) == plan


def test_what_a_plan_does_not_use_is_not_written_so_that_its_name_stays_as_it_was() -> None:
    group = Group("group", -1, (0, 1), -1, TaskPolicy(retries=1))
    plan = replace(one(), groups=(group,))
    written = columns(plan)
    assert "max_active_tasks" not in written
    assert {*written["policy"][0]} == {*written["groups"][0]["policy"]} == FIRST_OPTIONS
    assert decode(encode(plan)).groups == (group,)
    assert columns(replace(plan, max_active_tasks=2))["max_active_tasks"] == 2
    assert columns(replace(plan, groups=(replace(group, policy=None),)))["groups"][0]["policy"] is None


@pytest.mark.parametrize("column", ["deciders", "guards", "waits", "setups"])
def test_equal_plans_have_equal_bytes_in_whatever_order_they_were_put_together(column: str) -> None:
    graph: list[list[int]] = [[], [0], [0]]
    one_way: dict[str, Any] = {column: {1: (0,), 2: (0,)}}
    other_way: dict[str, Any] = {column: {2: (0,), 1: (0,)}}
    plan = make_plan(graph, maps={1: "task", 2: "task"}, **one_way)
    other = make_plan(graph, maps={2: "task", 1: "task"}, **other_way)
    assert plan == other
    assert encode(plan) == encode(other)


@pytest.mark.parametrize("column", ["deciders", "guards", "waits", "setups"])
@pytest.mark.parametrize("pairs", [[[1, [7]]], [[7, [0]]], [[1, [-1]]]], ids=str)
def test_a_plan_that_speaks_of_tasks_that_are_not_there_is_refused(column: str, pairs: list[Any]) -> None:
    written = {**columns(one()), column: pairs}
    with pytest.raises(StoreCorrupt, match="depends on one that is not there"):
        decode(zlib.compress(json.dumps(written).encode()))


GROUP = {"name": "group", "parent": -1, "rows": [0], "expansion": -1, "policy": None}
ODD: dict[str, tuple[dict[str, Any], str]] = {
    "a map of nothing": ({"maps": [[7, "task"]]}, "depends on one that is not there"),
    "a group of nothing": ({"groups": [{**GROUP, "rows": [2]}]}, "depends on one that is not there"),
    "a group that nothing expands": ({"groups": [{**GROUP, "expansion": 2}]}, "depends on one that is not there"),
    "a group that less than nothing expands": ({"groups": [{**GROUP, "expansion": -2}]}, "depends on one that is not"),
    "a group in one that there is not": ({"groups": [{**GROUP, "parent": -2}]}, "in one that is not before it"),
    "a group in itself": ({"groups": [{**GROUP, "parent": 0}]}, "in one that is not before it"),
}


@pytest.mark.parametrize("kind", ODD)
def test_maps_and_groups_that_cannot_be_are_refused(kind: str) -> None:
    changes, message = ODD[kind]
    written = {**columns(one()), **changes}
    with pytest.raises(StoreCorrupt, match=message):
        decode(zlib.compress(json.dumps(written).encode()))
    assert decode(zlib.compress(json.dumps({**columns(one()), "groups": [GROUP]}).encode())).groups
