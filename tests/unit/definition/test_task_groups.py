"""Groups of tasks as they are written: names, defaults, and functions that fill them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import Task, TaskGroup, Workflow, WorkflowManager, task, task_group, workflow
from penstock.errors import DefinitionError, DuplicateTaskError, InvalidWorkflowError, OptionError
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from tests.unit.definition.places import line_at
from tests.unit.plan.compiling import compiled, edges, plan_of
from tests.unit.plan.refusals import refusal, work


@task
def step(*values: object) -> int:
    return 1


def some(name: str, *values: object) -> Any:
    return step.named(name)(*values)


def groups(plan: Plan) -> dict[str, list[str]]:
    """Group -> the tasks in it."""
    return {group.name: [plan.names[row] for row in group.rows] for group in plan.groups}


# --- Names


def test_tasks_get_the_names_of_the_groups_around_them() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("outer") as outer:
            some("a")
            with TaskGroup("inner"):
                flow.add_task(Task("b", work))
            some("c")
        some("d")
    plan = plan_of(flow)
    assert plan.names == ("outer.a", "outer.inner.b", "outer.c", "d")
    assert groups(plan) == {"outer": ["outer.a", "outer.inner.b", "outer.c"], "outer.inner": ["outer.inner.b"]}
    assert [group.parent for group in plan.groups] == [-1, 0]
    assert [(group.expansion, group.policy) for group in plan.groups] == [(-1, None)] * 2
    assert repr(outer) == "<TaskGroup 'outer'>"
    assert line_at(outer.where) == 'with TaskGroup("outer") as outer:'


def test_a_group_may_leave_the_names_of_its_tasks_alone() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("outer"), TaskGroup("plain", prefix=False):
            some("a")
            with TaskGroup("inner"):
                some("b")
        with TaskGroup("alone", prefix=False):
            some("c")
    plan = plan_of(flow)
    assert plan.names == ("outer.a", "outer.inner.b", "c")
    assert [group.name for group in plan.groups] == ["outer", "outer.plain", "outer.inner", "alone"]


def test_repeated_calls_are_numbered_in_each_group_by_itself() -> None:
    with Workflow("flow") as flow:
        step()
        with TaskGroup("g"):
            step()
            step()
        step()
    plan = plan_of(flow)
    assert plan.names == ("step", "g.step", "g.step__1", "step__1")
    assert plan.numbered == frozenset(range(4))


def test_an_output_names_its_task_as_the_workflow_does() -> None:
    with Workflow("flow"), TaskGroup("g"):
        assert repr(some("a")) == "<output of 'g.a'>"


def test_a_group_can_be_filled_later() -> None:
    with Workflow("flow") as flow:
        group = TaskGroup("g")
        before, after = some("before"), some("after")
        before >> group >> after
        with group:
            some("a")
        some("between")
        with group:
            some("b")
    plan = plan_of(flow)
    assert plan.names == ("before", "after", "g.a", "between", "g.b")
    assert edges(plan) == {
        "before": [],
        "after": ["g.a", "g.b"],
        "g.a": ["before"],
        "between": [],
        "g.b": ["before"],
    }


def test_a_group_that_is_left_by_an_error_collects_nothing_more() -> None:
    with Workflow("flow") as flow:
        with pytest.raises(ZeroDivisionError), TaskGroup("g"):
            raise ZeroDivisionError
        some("a")
    assert plan_of(flow).names == ("a",)


def test_a_group_of_one_workflow_does_not_take_the_tasks_of_another() -> None:
    other = Workflow("other")
    with Workflow("flow") as flow, TaskGroup("g"):
        other.add_task(Task("a", work))
        with other:
            some("b")
        some("c")
    assert plan_of(flow).names == ("g.c",)
    assert plan_of(other).names == ("a", "b")


def test_a_group_is_made_in_a_workflow() -> None:
    with pytest.raises(DefinitionError, match="task group 'g' is made outside of a workflow: make it inside") as caught:
        TaskGroup("g")
    assert (
        line_at(caught.value.where).startswith("with pytest.raises") or line_at(caught.value.where) == 'TaskGroup("g")'
    )


def test_two_groups_of_one_name_are_shown_with_both_places() -> None:
    with Workflow("flow") as flow:
        first = TaskGroup("g")
        second = TaskGroup("g")
    error = refusal(flow)
    assert isinstance(error, DuplicateTaskError)
    assert error.message == f"task group 'g' is defined twice, first at {first.where}; give one another name"
    assert error.where == second.where


def test_groups_of_one_name_in_different_groups_are_two() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("a"):
            TaskGroup("g")
        with TaskGroup("b"):
            TaskGroup("g")
    assert list(groups(plan_of(flow))) == ["a", "a.g", "b", "b.g"]


def test_a_task_may_have_the_name_of_a_group() -> None:
    with Workflow("flow") as flow:
        some("g")
        with TaskGroup("g"):
            some("a")
    assert plan_of(flow).names == ("g", "g.a")


@pytest.mark.parametrize("name", ["", None, 3, "a\nb"], ids=repr)
def test_a_name_that_is_no_printable_text_is_refused(name: Any) -> None:
    with Workflow("flow") as flow:
        group = TaskGroup(name)
        with group:
            some("a") if isinstance(name, str) and name.isprintable() else None
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert f"a task group's name is a printable text, not {name!r}" in str(error)
    assert error.where == group.where


def test_a_task_in_a_group_without_a_name_is_still_told_of() -> None:
    with Workflow("flow") as flow, TaskGroup("g"):
        flow.add_task(Task("", work))
    assert "a task's name is a printable text, not ''" in str(refusal(flow))


# --- Options


def test_defaults_of_inner_groups_come_before_those_of_outer_ones_and_of_the_workflow() -> None:
    with Workflow("flow", defaults={"retries": 1, "retry_delay": 1, "share": True}) as flow:
        some("a")
        with TaskGroup("outer", defaults={"retries": 2, "retry_delay": 2}):
            some("b")
            with TaskGroup("inner", defaults={"retries": 3}):
                some("c")
                step.options(name="d", retries=4)()
            with TaskGroup("plain"):
                some("e")
    found = compiled(flow)
    assert [(policy.retries, policy.retry_delay) for policy in found.plan.policies] == [
        (1, 1.0),
        (2, 2.0),
        (3, 2.0),
        (4, 2.0),
        (2, 2.0),
    ]
    assert all(policy.share for policy in found.plan.policies)
    assert found.options(3) == {"retries": 4, "retry_delay": 2, "share": True}
    assert found.options(0) == {"retries": 1, "retry_delay": 1, "share": True}


def test_callbacks_among_the_defaults_of_a_group_are_told() -> None:
    with Workflow("flow") as flow, TaskGroup("g", defaults={"on_failure": print}):
        some("a")
    found = compiled(flow)
    assert found.plan.policies[0].notices == ("failed",)
    assert found.callback(0, "task_failed") is print


@pytest.mark.parametrize("wrong", [["retries"], "retries", 3], ids=repr)
def test_defaults_are_a_dict(wrong: Any) -> None:
    with Workflow("flow") as flow, TaskGroup("g", defaults=wrong) as group:
        some("a")
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert f"task group 'g': defaults={wrong!r} are not a dict of options" in str(error)
    assert error.where == group.where


def test_a_wrong_default_is_told_of_each_task_that_has_it() -> None:
    wrong: Any = {"retires": 1}
    with Workflow("flow") as flow, TaskGroup("g", defaults=wrong):
        some("a")
        some("b")
    error = refusal(flow)
    assert isinstance(error, InvalidWorkflowError)
    assert "task 'g.b': there is no option 'retires'; did you mean 'retries'?" in str(error.problems[1])


def test_a_group_is_tried_again_as_a_unit() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g", retries=2, retry_delay=3, retry_backoff=2, max_retry_delay=60, tooltip="words"):
            some("a")
        with TaskGroup("h", retry_delay=3):
            some("b")
        soon: Any = None
        TaskGroup("i", retries=1, retry_delay=soon)
    first, second, third = plan_of(flow).groups
    assert third.policy == TaskPolicy(retries=1)
    assert first.policy == TaskPolicy(retries=2, retry_delay=3.0, retry_backoff=2.0, max_retry_delay=60.0)
    assert second.policy is None
    assert plan_of(flow).policies == (TaskPolicy(), TaskPolicy())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retries": -1}, "retries=-1 is not a whole number from 0 up"),
        ({"retries": True}, "retries=True is not a whole number"),
        ({"retry_delay": "1"}, "retry_delay='1' is not 0 or more seconds"),
        ({"retry_backoff": -1}, "retry_backoff=-1 is not 0 or more"),
        ({"max_retry_delay": -1}, "max_retry_delay=-1 is not 0 or more seconds"),
        ({"tooltip": 3}, "tooltip=3 is not a text"),
    ],
    ids=str,
)
def test_an_option_with_a_value_that_cannot_be_is_refused(options: dict[str, Any], told: str) -> None:
    with Workflow("flow") as flow:
        group = TaskGroup("g", **options)
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert f"task group 'g': {told}" in str(error)
    assert error.where == group.where


def test_what_begins_once_is_in_no_group_that_begins_anew() -> None:
    with Workflow("flow") as flow, TaskGroup("g", retries=1), TaskGroup("inner"):
        step.options(name="pay", at_most_once=True)()
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert "task 'g.inner.pay' has at_most_once=True, and task group 'g' is tried again as a unit" in str(error)


# --- Functions


@task_group
def etl(day: int, scale: int = 1) -> int:
    """Extract and load."""
    return some("load", some("extract", day), scale)


def test_outside_of_a_workflow_the_function_of_a_group_is_itself() -> None:
    def double(x: int) -> int:
        return 2 * x

    assert task_group(double)(4) == 8
    assert etl.__name__ == "etl"  # type: ignore[attr-defined]
    assert etl.__doc__ == "Extract and load."
    assert "etl" in repr(etl)


def test_inside_of_a_workflow_it_fills_a_group_and_gives_what_it_returns() -> None:
    @workflow
    def flow(scale: int = 2) -> None:
        some("after", etl(1, scale=scale))

    plan = plan_of(flow)
    assert plan.names == ("etl.extract", "etl.load", "after")
    assert groups(plan) == {"etl": ["etl.extract", "etl.load"]}
    assert plan.wiring == ("(1)", "(#etl.extract, $scale)", "(#etl.load)")


def test_repeated_calls_make_numbered_groups_whose_tasks_are_numbered_too() -> None:
    with Workflow("flow") as flow:
        etl(1)
        etl(2)
        etl.named("other")(3)
    plan = plan_of(flow)
    assert list(groups(plan)) == ["etl", "etl__1", "other"]
    assert plan.names[:4] == ("etl.extract", "etl.load", "etl__1.extract", "etl__1.load")
    assert plan.numbered == frozenset(range(4)), "the names in a group that was named say what they mean"


def test_tasks_in_a_named_group_within_a_numbered_one_are_numbered_too() -> None:
    @task_group
    def outer() -> None:
        with TaskGroup("inner"):
            some("a")

    with Workflow("flow") as flow:
        outer()
    assert plan_of(flow).numbered == {0}


def test_a_group_that_is_numbered_passes_over_the_names_of_tasks() -> None:
    with Workflow("flow") as flow:
        some("etl")
        some("etl__1")
        etl(1)
    assert list(groups(plan_of(flow))) == ["etl__2"]


def test_a_function_that_returns_nothing_gives_the_group_to_put_in_order() -> None:
    @task_group
    def clean() -> None:
        some("a")

    with Workflow("flow") as flow:
        group: Any = clean()
        group >> some("after")
    assert isinstance(group, TaskGroup)
    assert edges(plan_of(flow))["after"] == ["clean.a"]


def test_options_of_the_decorator_and_of_the_call() -> None:
    @task_group(name="named", prefix=False, retries=1, defaults={"retries": 5}, tooltip="words")
    def fill() -> Any:
        return some("a")

    with Workflow("flow") as flow:
        before = some("before")
        fill()
        fill.options(name="again", retries=2, prefix=True, after=before)()
        fill.options(name="third", prefix=True, after=[before, "named"])()
    plan = plan_of(flow)
    assert plan.names == ("before", "a", "again.a", "third.a")
    assert [group.policy and group.policy.retries for group in plan.groups] == [1, 2, 1]
    assert [policy.retries for policy in plan.policies] == [0, 5, 5, 5]
    assert edges(plan) == {"before": [], "a": [], "again.a": ["before"], "third.a": ["before", "a"]}


def test_the_place_of_a_group_is_that_of_the_call() -> None:
    with Workflow("flow") as flow:
        etl(1)
    assert line_at(flow.groups[0].where) == "etl(1)"
    assert line_at(flow.tasks[0].where).startswith("return step.named(name)")


def test_groups_may_be_called_in_groups() -> None:
    @task_group
    def outer() -> int:
        return etl(etl(1))

    with Workflow("flow") as flow:
        outer()
    plan = plan_of(flow)
    assert list(groups(plan)) == ["outer", "outer.etl", "outer.etl__1"]
    assert edges(plan)["outer.etl__1.extract"] == ["outer.etl.load"]


def test_a_manager_collects_tasks_in_groups_too() -> None:
    manager = WorkflowManager("memory")
    with manager.workflow, TaskGroup("g"):
        manager.add_task(Task("a", work))
    assert manager.compile().names == ("g.a",)
