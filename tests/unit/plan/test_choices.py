"""What a branch chooses, and what it says that it may choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import pytest

from penstock import Task, TaskGroup, Workflow, chain, setup, task, task_group, teardown
from penstock.errors import InvalidWorkflowError, OptionError
from penstock.plan.choices import ChoiceError, choose
from penstock.plan.plan import Plan
from tests.unit.plan.compiling import plan_of
from tests.unit.plan.refusals import refusal, work


@task
def step(*values: object) -> None: ...


@task.branch
def decide() -> str:
    return ""


def some(name: str) -> Any:
    return step.named(name)()


def chosen(plan: Plan, returned: Any, branch: str = "decide") -> list[str]:
    return [plan.names[row] for row in choose(plan, plan.numbers[branch], returned)]


@pytest.fixture
def plan() -> Plan:
    """A branch with tasks, groups and a mapped group after it."""
    with Workflow("flow") as flow:
        first: Any = decide()
        with TaskGroup("outer") as outer:
            one = some("one")
            with TaskGroup("inner"):
                one >> some("two")
                some("three")

        @task_group
        def each(x: int) -> None:
            step.named("a")(x)
            some("b")

        first >> [some("left"), some("right"), outer, each.expand(x=[1])]
    return plan_of(flow)


def test_a_branch_names_a_task_or_several_or_none(plan: Plan) -> None:
    assert chosen(plan, "right") == ["right"]
    assert chosen(plan, ["right", "left"]) == ["left", "right"]
    assert chosen(plan, ("left", "left")) == ["left"]
    assert chosen(plan, {"left"}) == ["left"]
    assert chosen(plan, None) == chosen(plan, []) == []


def test_the_name_of_a_group_is_that_of_its_direct_downstreams_at_any_depth(plan: Plan) -> None:
    assert chosen(plan, "outer") == ["outer.one", "outer.inner.three"]
    assert chosen(plan, "outer.inner") == ["outer.inner.three"]
    assert set(chosen(plan, ["outer.one", "left"])) == {"outer.one", "left"}


def test_the_name_of_a_mapped_group_is_that_of_its_expansion(plan: Plan) -> None:
    assert chosen(plan, "each") == ["each"]


@pytest.mark.parametrize("name", ["lefft", "", "decide", "outer.inner.two", "inner", "each.a"])
def test_a_name_of_anything_else_is_refused_with_what_there_is(plan: Plan, name: str) -> None:
    with pytest.raises(ChoiceError) as caught:
        chosen(plan, ["left", name])
    told = f"branch 'decide' chose '{name}', which is none of its direct downstreams; they are outer.one, "
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("returned", [True, 3, b"left", {"left": 1}, ["left", 3], [["left"]]], ids=repr)
def test_what_is_no_name_is_refused(plan: Plan, returned: Any) -> None:
    with pytest.raises(ChoiceError, match="returns the name of a task or group, a list of names, or None"):
        chosen(plan, returned)


def test_what_is_below_a_chosen_one_is_followed_with_it() -> None:
    with Workflow("flow") as flow:
        first, a, b, join, other = decide(), some("a"), some("b"), some("join"), some("other")
        chain(first, a, b, join)
        first >> [join, other]  # type: ignore[operator]
    assert chosen(plan_of(flow), "a") == ["a", "join"], "the way of `join` is empty, and it joins that of `a`"
    assert chosen(plan_of(flow), "join") == ["join"]
    assert chosen(plan_of(flow), "other") == ["other"]
    assert chosen(plan_of(flow), ["other", "a"]) == ["a", "join", "other"]
    assert chosen(plan_of(flow), None) == []


def test_what_is_below_a_chosen_group_is_followed_with_it() -> None:
    @task_group
    def each(x: int) -> None:
        step.named("a")(x)

    with Workflow("flow") as flow:
        first, join = decide(), some("join")
        with TaskGroup("g") as g:
            some("a")
            last = some("last")
        mapped = each.expand(x=[1])
        first >> [join, g, mapped]  # type: ignore[operator]
        last >> some("between") >> join
        mapped >> join
    assert chosen(plan_of(flow), "g") == ["join", "g.a", "g.last"]
    assert chosen(plan_of(flow), "g.a") == ["g.a"]
    assert chosen(plan_of(flow), "g.last") == ["join", "g.last"]
    assert chosen(plan_of(flow), "each") == ["join", "each"], "by way of the tasks in the group"


def test_a_join_in_a_group_is_followed_with_its_ways() -> None:
    with Workflow("flow") as flow, TaskGroup("g"):
        first, a, join = decide(), some("a"), some("join")
        chain(first, a, join)
        first >> join
    assert chosen(plan_of(flow), "a", "g.decide") == ["g.a", "g.join"]


def test_a_branch_in_a_group_may_leave_the_groups_name_out() -> None:
    @task_group
    def route() -> None:
        decide() >> [some("left"), some("right")]  # type: ignore[operator]

    with Workflow("flow") as flow:
        route()
        with TaskGroup("deep"):
            route()
    plan = plan_of(flow)
    assert chosen(plan, "left", "route.decide") == ["route.left"]
    assert chosen(plan, "deep.route.left", "deep.route.decide") == ["deep.route.left"]
    assert chosen(plan, "route.left", "deep.route.decide") == ["deep.route.left"]
    assert chosen(plan, "left", "deep.route.decide") == ["deep.route.left"]


def test_a_whole_name_comes_before_one_without_the_group() -> None:
    with Workflow("flow") as flow:
        left = some("left")
        with TaskGroup("g"):
            decide() >> [left, some("left"), some("right")]  # type: ignore[operator]
    assert chosen(plan_of(flow), "left", "g.decide") == ["left"]
    assert chosen(plan_of(flow), "g.left", "g.decide") == ["g.left"]


def test_a_task_comes_before_a_group_of_its_name() -> None:
    with Workflow("flow") as flow:
        alone = some("same")
        with TaskGroup("same") as group:
            some("inside")
        decide() >> [alone, group]  # type: ignore[operator]
    assert chosen(plan_of(flow), "same") == ["same"]


def test_teardowns_are_no_matter_of_choice() -> None:
    with Workflow("flow") as flow:
        made = setup(work)()
        first = decide()
        first >> [some("left"), teardown(work).named("clean")(made)]  # type: ignore[operator]
    with pytest.raises(ChoiceError, match=r"they are left$"):
        chosen(plan_of(flow), "clean")


def test_what_a_teardown_in_a_chosen_group_leads_to_is_followed_too() -> None:
    with Workflow("flow") as flow:
        made = setup(work)()
        first = decide()
        with TaskGroup("way") as way:
            some("inside")
            clean = teardown(work).named("clean")(made)
        join = some("join")
        chain(first, way)
        chain(first, join)
        chain(clean, join)
    assert chosen(plan_of(flow), "way") == ["way.inside", "join"]


# --- Annotations


def one() -> Literal["left", "right"]:
    return "left"


def several() -> list[Literal["left", "right"]]:
    return []


def sequence() -> Sequence[Literal["left"]] | Literal["right"] | None:
    return None


async def later() -> Literal["left", "right"] | None:
    return "left"


class Router:
    def __call__(self) -> Literal["left", "right"]:
        return "left"

    def route(self) -> Literal["left", "right"]:
        return "left"


ANNOTATED: dict[str, Callable[..., Any]] = {
    "one": one,
    "several": several,
    "sequence": sequence,
    "async": later,
    "object": Router(),
    "method": Router().route,
    "partial": partial(one),
    "task function": task(one),
}


def branching(func: Callable[..., Any], *names: str) -> Workflow:
    flow = Workflow("flow")
    branch = flow.add_task(Task("decide", func, branch=True))
    for name in names:
        branch >> flow.add_task(Task(name, work))
    return flow


@pytest.mark.parametrize("kind", ANNOTATED)
def test_a_literal_must_name_direct_downstreams(kind: str) -> None:
    plan_of(branching(ANNOTATED[kind], "left", "right"))
    error = refusal(branching(ANNOTATED[kind], "left", "rihgt"))
    assert isinstance(error, OptionError)
    assert error.message == (
        "branch 'decide' may choose 'right', which is none of its direct downstreams; they are left, rihgt"
    )
    assert error.where is not None


def test_all_that_a_literal_names_in_vain_is_told_at_once() -> None:
    error = refusal(branching(one))
    assert isinstance(error, InvalidWorkflowError)
    assert "they are none at all" in str(error.problems[0])
    assert "may choose 'right'" in str(error.problems[1])


def test_a_literal_may_name_groups_and_leave_the_groups_name_out() -> None:
    with Workflow("flow") as flow, TaskGroup("g"):
        with TaskGroup("left") as left:
            some("inside")
        task.branch(one)() >> [left, some("right")]  # type: ignore[operator]
    assert chosen(plan_of(flow), one(), "g.one") == ["g.left.inside"]


@pytest.mark.parametrize(
    "func", [lambda: "left", lambda: None, print, dict], ids=["lambda", "none", "builtin", "class"]
)
def test_what_says_nothing_of_names_is_believed(func: Callable[..., Any]) -> None:
    plan_of(branching(func, "anything"))


def test_only_a_branch_is_asked() -> None:
    flow = Workflow("flow")
    flow.add_task(Task("one", one))
    flow.add_task(Task("two", one, trigger_rule="all_done"))
    plan_of(flow)
