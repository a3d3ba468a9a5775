"""Which of the tasks that are ready goes first."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import Workflow, WorkflowManager, task, task_group
from penstock.engine.priorities import STEP, longest_paths, priority_weights, ranks
from penstock.plan.graph import invert, reach
from penstock.plan.plan import Group, Plan
from penstock.policy import TaskPolicy, WeightRule
from tests.simulation.plans import Graph, graphs, make_plan

RULES: list[WeightRule | None] = [None, "downstream", "upstream", "absolute"]


def naive_path(graph: Graph, lengths: Sequence[float], row: int) -> float:
    below = invert(graph)[row]
    return lengths[row] + max((naive_path(graph, lengths, down) for down in below), default=0)


def columns(graph: Graph, values: st.SearchStrategy[float]) -> st.SearchStrategy[list[float]]:
    return st.lists(values, min_size=len(graph), max_size=len(graph))


@given(graphs(), st.data())
def test_a_path_is_the_longest_of_all(graph: Graph, data: st.DataObject):
    lengths = data.draw(columns(graph, st.integers(0, 9)))
    assert longest_paths(graph, lengths) == [naive_path(graph, lengths, row) for row in range(len(graph))]


@given(graphs(), st.data())
def test_what_is_above_goes_before_what_is_below_it(graph: Graph, data: st.DataObject):
    durations = data.draw(st.just([]) | columns(graph, st.floats(0, 1e9) | st.just(nan)))
    found = ranks(make_plan(graph), durations)
    assert len(found) == len(graph)
    for row, above in enumerate(graph):
        assert all(found[upstream] < found[row] for upstream in above)


@given(graphs(), st.data())
def test_the_same_plan_and_durations_give_the_same_ranks(graph: Graph, data: st.DataObject):
    durations = data.draw(columns(graph, st.floats(0, 100) | st.just(nan)))
    assert ranks(make_plan(graph), durations) == ranks(make_plan(graph), [*durations])


def test_without_durations_what_has_more_after_it_goes_first():
    plan = make_plan([[], [], [1], [2]])
    assert ranks(plan) == [-1, -3, -2, -1]


def test_with_durations_what_takes_longer_goes_first():
    plan = make_plan([[], [], [1], [2]])
    assert ranks(plan, [9.0, 1.0, 2.0, 3.0]) == [-90, -60, -50, -30]


def test_a_task_that_is_new_is_taken_for_one_of_middling_length():
    plan = make_plan([[]] * 4)
    assert ranks(plan, [5.0, nan, 1.0, 2.0]) == [-50, -20, -10, -20]
    assert ranks(plan, [nan] * 4) == ranks(plan)
    assert ranks(plan, [inf, 1.0, -inf, nan]) == [-10] * 4, "what cannot be is not believed"


def test_of_an_even_number_the_longer_of_the_two_in_the_middle_is_middling():
    assert ranks(make_plan([[]] * 5), [9.0, 1.0, nan, 5.0, 2.0]) == [-90, -10, -50, -50, -20]


def test_what_differs_by_less_than_a_step_is_equal():
    plan = make_plan([[]] * 3)
    assert ranks(plan, [0.0, STEP / 10, STEP]) == [-1] * 3
    assert ranks(plan, [1.02, 0.98, 1.0]) == [-10] * 3


def test_what_waits_for_more_than_its_upstreams_counts_as_below():
    plan = make_plan([[], [0], [], [0]], waits={3: (1,)})
    assert ranks(plan) == [-3, -2, -1, -1]


# --- Weights


@st.composite
def weighted(draw: st.DrawFn) -> tuple[Graph, list[TaskPolicy]]:
    graph = draw(graphs())
    policy = st.builds(TaskPolicy, priority_weight=st.none() | st.integers(-3, 9), weight_rule=st.sampled_from(RULES))
    return graph, draw(st.lists(policy, min_size=len(graph), max_size=len(graph)))


def naive_weight(graph: Graph, policies: Sequence[TaskPolicy], row: int) -> int:
    """As in Airflow: its own weight, and that of each of its relatives once."""
    edges: Sequence[Sequence[int]] = {"upstream": graph, "absolute": [[]] * len(graph)}.get(
        policies[row].weight_rule or "downstream", invert(graph)
    )
    weights = [1 if policy.priority_weight is None else policy.priority_weight for policy in policies]
    return sum(weights[relative] for relative in reach([row], edges))


@given(weighted())
def test_weights_are_what_they_are_in_airflow(drawn: tuple[Graph, list[TaskPolicy]]):
    graph, policies = drawn
    found = priority_weights(make_plan(graph, policies=policies))
    if all(policy == TaskPolicy() for policy in policies):
        assert found is None
    else:
        assert found == [naive_weight(graph, policies, row) for row in range(len(graph))]


@given(weighted(), st.data())
def test_weights_come_first_and_then_what_is_farther_from_the_end(
    drawn: tuple[Graph, list[TaskPolicy]], data: st.DataObject
):
    graph, policies = drawn
    durations = data.draw(columns(graph, st.integers(1, 9)))
    found = ranks(make_plan(graph, policies=policies), durations)
    weights = priority_weights(make_plan(graph, policies=policies)) or [0] * len(graph)
    paths = longest_paths(graph, durations)
    keys = [(-weight, -path) for weight, path in zip(weights, paths, strict=True)]
    for one, other in zip(range(len(graph)), range(1, len(graph)), strict=False):
        assert (found[one] < found[other]) == (keys[one] < keys[other])
        assert (found[one] == found[other]) == (keys[one] == keys[other])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("downstream", [115, 105, 5, 1]), ("upstream", [10, 110, 115, 1]), ("absolute", [10, 100, 5, 1])],
)
def test_each_rule_on_a_chain(rule: WeightRule, expected: list[int]):
    policies = [TaskPolicy(priority_weight=weight, weight_rule=rule) for weight in (10, 100, 5)]
    assert priority_weights(make_plan([[], [0], [1], []], policies=[*policies, TaskPolicy()])) == expected


def test_a_rule_alone_makes_all_tasks_weigh_one():
    policies = [TaskPolicy(weight_rule="upstream")] * 3
    assert priority_weights(make_plan([[], [0], [0, 1]], policies=policies)) == [1, 2, 3]


@task
def work(value: object = None) -> list[int]:
    return []


@task_group
def group(x: int) -> object:
    return work.named("b")(work.named("a")(x))


def plan_with_mapped_group(**options: Any) -> Plan:
    with Workflow("flow", **options) as flow:
        work.named("last")(group.expand(x=work.named("first")()))
    return WorkflowManager("memory").compile(flow)


def test_what_is_above_a_mapped_group_is_above_the_tasks_in_it():
    plan = plan_with_mapped_group(defaults={"priority_weight": 10})
    weights = dict(zip(plan.names, priority_weights(plan) or (), strict=True))
    names = ("first", "group.a", "group.b", "last")
    assert [weights[name] for name in names] == [40, 30, 20, 10]


def test_also_above_one_that_takes_nothing_of_what_its_group_is_mapped_over():
    group = Group("group", -1, (2,), 1)
    policies = [TaskPolicy(priority_weight=weight) for weight in (10, 100, 5)]
    plan = make_plan([[], [0], []], policies=policies, guards={2: (1,)}, maps={1: "group"}, groups=(group,))
    assert priority_weights(plan) == [15, 5, 5]


def test_what_expands_a_group_takes_no_time():
    plan = plan_with_mapped_group()
    paths = dict(zip(plan.names, ranks(plan), strict=True))
    assert [paths[name] for name in ("first", "group.a", "group.b", "last")] == [-4, -3, -2, -1]
