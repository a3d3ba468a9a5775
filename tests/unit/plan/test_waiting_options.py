"""Options of sensors, of what a task waits for in words, and of what runs first: what they come to, and are told of."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from penstock import Task, TaskGroup, Workflow, task, task_group, workflow
from penstock.errors import InvalidWorkflowError, OptionError
from penstock.plan.maps import not_iterable
from penstock.policy import Polling, TaskPolicy
from tests.unit.plan.compiling import compiled, plan_of
from tests.unit.plan.refusals import flow_of, problem, refusal, work


def policy(**options: Any) -> TaskPolicy:
    """What the options of a task come to."""
    return plan_of(flow_of(Task("t", work, **options))).policies[0]


def told(**options: Any) -> list[str]:
    """What is wrong with the options of a task."""
    error = problem(Task("t", work, **options))
    problems = error.problems if isinstance(error, InvalidWorkflowError) else [error]
    assert all(isinstance(one, OptionError) for one in problems)
    return [one.message.removeprefix("task 't': ") for one in problems]


# --- Sensors


def test_a_sensor_looks_once_a_minute_for_a_week() -> None:
    assert policy(sensor=True).polling == Polling(60.0, 1.0, None, 604_800.0, False)
    assert policy(sensor=False).polling is policy().polling is None


def test_how_it_looks_is_said_by_its_options() -> None:
    options = {"poll_interval": timedelta(seconds=5), "poll_backoff": 2, "max_poll_interval": 60, "soft_fail": True}
    assert policy(sensor=True, poll_timeout=3600, **options).polling == Polling(5.0, 2.0, 60.0, 3600.0, True)
    assert policy(sensor=True, poll_timeout=None, poll_interval=0).polling == Polling(0.0, timeout=None)


SENSORS: list[tuple[dict[str, Any], list[str]]] = [
    ({"sensor": 1}, ["sensor=1 is not True or False"]),
    ({"sensor": True, "poll_interval": -1}, ["poll_interval=-1 is not 0 or more seconds"]),
    ({"sensor": True, "poll_backoff": "2"}, ["poll_backoff='2' is not 0 or more"]),
    ({"sensor": True, "max_poll_interval": -1}, ["max_poll_interval=-1 is not 0 or more seconds"]),
    ({"sensor": True, "poll_timeout": 0}, ["poll_timeout=0 is not more than 0 seconds"]),
    ({"sensor": True, "soft_fail": 0}, ["soft_fail=0 is not True or False"]),
    (
        {"sensor": True, "at_most_once": True},
        ["at_most_once=True forbids a second look, and a sensor looks again and again"],
    ),
    (
        {"sensor": True, "branch": True},
        ["it is both a sensor and something that decides; make two tasks of it"],
    ),
    (
        {"sensor": True, "short_circuit": True},
        ["it is both a sensor and something that decides; make two tasks of it"],
    ),
    (
        {"soft_fail": True, "poll_interval": 1, "poll_timeout": 1, "poll_backoff": 1, "max_poll_interval": 1},
        [
            f"{name} is for sensors: use @task.sensor, or leave it out"
            for name in ("max_poll_interval", "poll_backoff", "poll_interval", "poll_timeout", "soft_fail")
        ],
    ),
    (
        {"on_ask": print, "deadline": 1, "default": {}},
        [f"{name} is for approvals: use @task.approval, or leave it out" for name in ("deadline", "default", "on_ask")],
    ),
]


@pytest.mark.parametrize(("options", "messages"), SENSORS, ids=lambda value: " ".join(map(str, value)))
def test_what_no_sensor_has_is_told_in_order(options: dict[str, Any], messages: list[str]) -> None:
    assert told(**options) == messages


def test_defaults_for_sensors_and_pools_are_for_those_alone() -> None:
    with Workflow("flow", defaults={"poll_interval": 5.0, "pool_slots": 2}) as flow:
        for one in (Task("plain", work), Task("looks", work, sensor=True), Task("takes", work, pool="db")):
            flow.add_task(one)
    plan = plan_of(flow)
    assert [None if one.polling is None else one.polling.interval for one in plan.policies] == [None, 5.0, None]
    assert [one.pool_slots for one in plan.policies] == [None, None, 2]


@pytest.mark.parametrize("name", ["setup", "teardown", "on_failure_fail_run", "branch", "short_circuit"])
def test_what_is_no_truth_value_is_told_by_the_name_of_its_option(name: str) -> None:
    assert f"{name}=1 is not True or False" in told(**{name: 1})


# --- What runs first, and how many


def test_weights_and_their_rules_are_what_they_say() -> None:
    assert (policy(priority_weight=3).priority_weight, policy(priority_weight=-3).priority_weight) == (3, -3)
    assert [policy(weight_rule=rule).weight_rule for rule in ("downstream", "upstream", "absolute", None)] == [
        *("downstream", "upstream", "absolute", None)
    ]
    assert told(weight_rule="upstreams") == ["weight_rule='upstreams' does not exist; did you mean 'upstream'?"]
    assert told(weight_rule="heavy") == ["weight_rule='heavy' does not exist; there are downstream, upstream, absolute"]
    assert told(priority_weight=1.5) == ["priority_weight=1.5 is not a whole number"]
    assert told(priority_weight=True) == ["priority_weight=True is not a whole number"]


def test_a_pool_with_its_slots() -> None:
    assert (policy(pool="db").pool, policy(pool="db").pool_slots) == ("db", None)
    assert policy(pool="db", pool_slots=1) == policy(pool="db")
    assert (policy(pool="db", pool_slots=2).pool, policy(pool="db", pool_slots=2).pool_slots) == ("db", 2)
    assert policy(concurrency=1).concurrency == 1
    assert told(pool_slots=1) == ["pool_slots=1 takes slots of no pool: say which, with pool=..., or leave it out"]
    assert told(pool="db", pool_slots=0) == ["pool_slots=0 is not a whole number from 1 up"]
    assert told(concurrency=0) == ["concurrency=0 is not a whole number from 1 up"]
    assert len(told(pool="[db", pool_slots=2)) == 1


# --- What a task waits for, in words


def words(text: Any, func: Any = work, **call: Any) -> str | None:
    return plan_of(flow_of(Task("a", work), Task("t", func, waits_for=text, **call))).policies[1].waits_for


def test_words_are_filled_with_the_arguments_of_the_call() -> None:
    def takes(place: object, at: object = "noon", *, count: int = 3) -> None: ...

    assert words("rain") == "rain"
    assert words(None) is None
    assert words("{place} at {at}, {count} times", takes, args=["here"]) == "here at noon, 3 times"
    assert words("{place} at {at}", takes, kwargs={"place": Path("/tmp/x"), "at": date(2026, 1, 2)}) == (
        "/tmp/x at 2026-01-02"
    )
    assert words("{place} {at}", takes, args=[[1], 1.5]) == "<list> 1.5"
    assert words("{place}", takes, args=[timedelta(seconds=5)]) == "0:00:05"


def test_what_is_not_known_yet_is_named() -> None:
    @task
    def first() -> int:
        return 1

    @task
    def waits(place: int, at: object, each: int = 0) -> None: ...

    @workflow
    def flow(day: int) -> None:
        one = first()
        text = "{place}, {at} and {each}"
        waits.options(waits_for=text)(one, day)
        waits.named("m").options(waits_for=text).partial(at=2).expand(place=[1, 2])
        waits.named("n").options(waits_for=text).expand_kwargs([{"place": 1, "at": 2}])

    texts = [one.waits_for for one in compiled(flow).plan.policies]
    assert texts == [None, "what 'first' gives, parameter 'day' and 0", "'place', 2 and 0", "'place', 'at' and 0"]
    a = Task("a", work)

    def takes(value: object) -> None: ...

    plan = plan_of(flow_of(a, Task("t", takes, args=[a], waits_for="{value}")))
    assert plan.policies[1].waits_for == "what 'a' gives"


def test_long_words_are_cut() -> None:
    assert words("x" * 200) == "x" * 200
    assert words("x" * 201) == "x" * 199 + "…"


def test_words_that_name_what_is_no_argument_are_refused() -> None:
    def takes(place: object, at: object) -> None: ...

    def takes_any(**names: object) -> None: ...

    def takes_nothing() -> None: ...

    def said(text: Any, func: Any, **call: Any) -> str:
        return problem(Task("t", func, waits_for=text, **call)).message.removeprefix("task 't': ")

    assert said("{when}", takes, args=[1, 2]) == (
        "waits_for='{when}' names 'when', which is no argument: there are place, at"
    )
    assert said("{when}", takes_nothing) == "waits_for='{when}' names 'when', which is no argument: there are none"
    assert said(3, takes_nothing) == "waits_for=3 is not a text"
    assert words("{when}", takes_any) == "'when'"
    assert "do not fit" in said("{place}", takes, args=[1, 2, 3])


def test_arguments_by_name_are_in_any_kind_of_mapping() -> None:
    def takes(value: object) -> None: ...

    kwargs = MappingProxyType({"value": 1})
    plan = plan_of(flow_of(Task("t", takes, kwargs=kwargs)))
    assert plan.wiring == ("(value=1)",)


# --- Two of a kind


def test_approvals_with_the_same_options_ask_each_for_its_own() -> None:
    def one(approved: bool) -> None:
        """First?"""

    def two(approved: bool) -> None:
        """Second?"""

    with Workflow("flow") as flow:
        task.approval(one)()
        task.approval(two)()
    asked = [one.asking for one in plan_of(flow).policies]
    assert [each and each.text for each in asked] == ["First?", "Second?"]


def test_dependencies_are_ascending_however_they_are_written() -> None:
    tasks = [Task(f"t{number}", work) for number in range(9)]
    assert plan_of(flow_of(*tasks, Task("last", work, ["t8", "t1"]))).upstreams[9] == (1, 8)


@pytest.mark.parametrize("value", [b"ab", bytearray(b"ab"), 3])
def test_bytes_cannot_be_mapped_over_any_more_than_numbers(value: Any) -> None:
    assert not_iterable(value) == "which cannot be iterated: give it a list, a tuple, a range or a dict"


def test_a_task_of_a_mapped_group_that_another_workflow_has_too_is_in_none_there() -> None:
    kept: list[Task] = []

    @task
    def step(x: int) -> None: ...

    @task_group
    def each(x: int) -> None:
        step(x)

    with Workflow("one") as one:
        with TaskGroup("outer"):
            each.expand(x=[1])
        kept += [found for found in one.tasks if found.group is not None and found.func is step.func]
    assert len(kept) == 1
    with Workflow("other") as other, TaskGroup("own"):
        step.named("t")(1)
    other.add_task(kept[0])
    told = refusal(other).message
    assert told.startswith("task 'outer.each.step' depends on task group 'outer.each' (made at ")
    assert told.endswith(", which was not added to workflow 'other'; add it there")
