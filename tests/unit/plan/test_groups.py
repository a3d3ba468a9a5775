"""Edges to and from groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import Task, TaskGroup, Workflow, chain, setup, task, task_group, teardown
from penstock.errors import CycleError, DefinitionError, InvalidWorkflowError, MissingDependencyError
from tests.unit.plan.compiling import edges, plan_of
from tests.unit.plan.refusals import refusal, work


@task
def step(*values: object) -> int:
    return 1


def some(name: str, *values: object) -> Any:
    return step.named(name)(*values)


def test_an_edge_to_a_group_is_one_to_its_roots_and_an_edge_from_it_one_from_its_leaves() -> None:
    with Workflow("flow") as flow:
        before, after = some("before"), some("after")
        with TaskGroup("g") as g:
            a, b = some("a"), some("b")
            a >> some("c")
            some("d", a, b)
        before >> g >> after
    assert edges(plan_of(flow)) == {
        "before": [],
        "after": ["g.c", "g.d"],
        "g.a": ["before"],
        "g.b": ["before"],
        "g.c": ["g.a"],
        "g.d": ["g.a", "g.b"],
    }
    assert plan_of(flow).inputs[plan_of(flow).numbers["after"]] == (), "they pass no values"


WAYS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "arrows": lambda a, g, b: a >> g >> b,
    "arrows back": lambda a, g, b: b << g << a,
    "arrows from a list": lambda a, g, b: [a] >> g >> [b],
    "arrows back to a list": lambda a, g, b: [b] << g << [a],
    "chain": chain,
    "chain of lists": lambda a, g, b: chain([a], [g], [b]),
    "run_after": lambda a, g, b: (g.run_after(a), b.run_after(g)),
    "names": lambda a, g, b: (g.run_after("a"), b.run_after("g")),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_group_is_put_in_order_as_a_task_is(way: str) -> None:
    with Workflow("flow") as flow:
        a, b = flow.add_task(Task("a", work)), flow.add_task(Task("b", work))
        with TaskGroup("g") as g:
            some("x")
        WAYS[way](a, g, b)
    assert edges(plan_of(flow)) == {"a": [], "b": ["g.x"], "g.x": ["a"]}


def test_a_group_may_stand_where_dependencies_are_given() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("outer"), TaskGroup("g") as g:
            some("x")
        flow.add_task(Task("a", work, [g]))
        flow.add_task(Task("b", work, ["outer.g"]))
        step.options(name="c", after=g)()
        step.options(name="d", after=["outer", "a"])()
        TaskGroup("h", after="a") >> some("e")
    found = edges(plan_of(flow))
    assert found["a"] == found["b"] == found["c"] == ["outer.g.x"]
    assert found["d"] == ["outer.g.x", "a"]
    assert found["e"] == ["a"]


def test_a_name_is_that_of_a_task_first() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g"):
            some("x")
        flow.add_task(Task("after", work, ["g"]))
        some("g")
    assert edges(plan_of(flow))["after"] == ["g"]


def test_an_edge_between_groups_is_one_from_all_leaves_to_all_roots() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g") as g:
            some("a"), some("b")
        with TaskGroup("h") as h:
            some("c"), some("d")
        g >> h
    found = edges(plan_of(flow))
    assert found["h.c"] == found["h.d"] == ["g.a", "g.b"]


def test_edges_between_inner_groups_say_what_the_roots_of_the_outer_one_are() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("outer") as outer:
            with TaskGroup("g") as g:
                some("a")
            with TaskGroup("h") as h:
                some("b")
            g >> h
        some("before") >> outer >> some("after")
    found = edges(plan_of(flow))
    assert (found["outer.g.a"], found["outer.h.b"], found["after"]) == (["before"], ["outer.g.a"], ["outer.h.b"])


def test_a_path_that_leaves_a_group_and_comes_back_does_not_count_as_inside() -> None:
    with Workflow("flow") as flow:
        before, outside = some("before"), some("outside")
        with TaskGroup("g") as g:
            a, b = some("a"), some("b")
        a >> outside >> b
        before >> g
    assert edges(plan_of(flow))["g.b"] == ["before", "outside"]


def test_data_that_comes_from_inside_counts_as_an_edge() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g") as g:
            some("b", [some("a")])
        some("before") >> g >> some("after")
    found = edges(plan_of(flow))
    assert (found["g.b"], found["after"]) == (["g.a"], ["g.b"])


def test_an_empty_group_passes_edges_through() -> None:
    with Workflow("flow") as flow:
        a, b, c = some("a"), some("b"), some("c")
        empty, other = TaskGroup("empty"), TaskGroup("other")
        [a, b] >> empty >> other >> c
    assert edges(plan_of(flow))["c"] == ["a", "b"]


def test_an_empty_group_in_a_group_passes_on_only_what_leads_to_it() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g") as g:
            empty = TaskGroup("empty")
            a, b = some("a"), some("b")
            a >> empty >> b
        some("before") >> g >> some("after")
    assert edges(plan_of(flow)) == {"g.a": ["before"], "g.b": ["g.a"], "before": [], "after": ["g.b"]}


def test_teardowns_are_no_leaves() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g") as g:
            made = setup(work).named("make")()
            made >> some("a") >> teardown(work).named("clean")(made)
        some("before") >> g >> some("after")
    found = edges(plan_of(flow))
    assert found["after"] == ["g.a"]
    assert found["g.make"] == ["before"]


def test_an_empty_group_passes_on_what_leads_to_the_groups_around_it_and_in_it() -> None:
    with Workflow("flow") as flow:
        x, y, after, last = some("x"), some("y"), some("after"), some("last")
        with TaskGroup("outer") as outer:
            some("a")
            with TaskGroup("empty") as empty, TaskGroup("inner") as inner:
                pass
        x >> outer
        y >> inner >> last
        empty >> after
    found = edges(plan_of(flow))
    assert found["after"] == found["last"] == ["x", "y"]
    assert found["outer.a"] == ["x"]


def test_what_comes_before_an_empty_group_is_not_what_comes_before_the_one_around_it() -> None:
    with Workflow("flow") as flow:
        x, after = some("x"), some("after")
        with TaskGroup("outer") as outer:
            a = some("a")
            empty = TaskGroup("empty", after=a)
        chain(x, outer)
        chain(empty, after)
    assert edges(plan_of(flow)) == {"x": [], "after": ["outer.a"], "outer.a": ["x"]}


@pytest.mark.parametrize("kind", ["of teardowns", "empty"])
def test_what_only_a_map_of_nothing_comes_after_is_a_leaf(kind: str) -> None:
    with Workflow("flow") as flow:
        made, after, later = setup(work)(), some("after"), some("later")
        with TaskGroup("g") as g:
            items = some("items")

            @task_group
            def each(x: int) -> None:
                if kind == "of teardowns":
                    teardown(work).named("clean")(made)

            mapped = each.expand(x=items)
        chain(g, after)
        chain(mapped, later)
    found = edges(plan_of(flow))
    assert found["after"] == ["g.items"]
    assert found["later"] == ["g.items"], "what it is mapped over"


def test_an_empty_group_in_a_mapped_one_passes_on_what_that_is_mapped_over() -> None:
    with Workflow("flow") as flow:
        x, items, after, within = some("x"), some("items"), some("after"), some("within")

        @task_group
        def each(y: int) -> None:
            some("a")
            TaskGroup("first") >> after
            chain(some("b"), TaskGroup("second"), within)

        x >> each.expand(y=items)
    found = edges(plan_of(flow))
    assert found["after"] == ["x", "items"]
    assert found["within"] == ["each.b"]


def test_what_only_an_empty_map_comes_after_ends_the_block_of_a_teardown() -> None:
    with Workflow("flow") as flow:
        made = setup(work)()
        with teardown(work).named("clean")(made):
            items = some("items")

            @task_group
            def each(x: int) -> None: ...

            each.expand(x=items)
    assert "items" in edges(plan_of(flow))["clean"]


def test_a_group_of_teardowns_passes_edges_through() -> None:
    with Workflow("flow") as flow:
        made = setup(work).named("make")()
        with TaskGroup("g") as g:
            teardown(work).named("clean")(made)
        some("before") >> g >> some("after")
    assert edges(plan_of(flow))["after"] == ["before"]
    assert edges(plan_of(flow))["g.clean"] == ["make", "before"]


# --- What cannot be


def test_a_cycle_through_groups_is_shown_by_its_tasks() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g") as g:
            some("a")
        x = some("x")
        g >> x >> g
    error = refusal(flow)
    assert isinstance(error, CycleError)
    assert error.path == ("g.a", "x", "g.a")


def test_a_cycle_of_empty_groups_is_shown_by_their_names() -> None:
    with Workflow("flow") as flow:
        g, h = TaskGroup("g"), TaskGroup("h")
        g >> h >> g >> some("after")
    error = refusal(flow)
    assert isinstance(error, CycleError)
    assert error.path == ("g", "h", "g")
    assert error.where == g.where


def test_a_cycle_through_an_empty_group_is_shown_by_its_task() -> None:
    with Workflow("flow") as flow:
        x = some("x")
        TaskGroup("g") >> x
        flow.groups[0].run_after(x)
    error = refusal(flow)
    assert isinstance(error, CycleError)
    assert error.path == ("x", "x")


def test_a_task_and_the_group_that_it_is_in_are_in_no_order() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g") as g:
            a, b = some("a"), some("b")
        g >> a
        b >> g
    error = refusal(flow)
    assert isinstance(error, InvalidWorkflowError)
    first, second = error.problems
    assert "task 'g.a' depends on task group 'g', and one of them is in the other: put it in order" in str(first)
    assert "task group 'g' depends on task 'g.b', which is in it" in str(second)


@pytest.mark.parametrize("way", ["inner first", "outer first", "itself"])
def test_a_group_and_one_in_it_are_in_no_order(way: str) -> None:
    with Workflow("flow") as flow, TaskGroup("g") as g:
        with TaskGroup("h") as h:
            some("a")
        chain(*{"inner first": (h, g), "outer first": (g, h), "itself": (g, g)}[way])
    error = refusal(flow)
    assert type(error) is DefinitionError
    assert "and one of them is in the other" in str(error)


def test_a_group_of_another_workflow_is_missing() -> None:
    with Workflow("other"):
        stranger = TaskGroup("stranger")
    with Workflow("flow") as flow:
        stranger >> some("a")
    error = refusal(flow)
    assert isinstance(error, MissingDependencyError)
    assert "task 'a' depends on task group 'stranger' (made at" in str(error)
    assert "was not added to workflow 'flow'" in str(error)


def test_a_missing_dependency_of_a_group_is_named_with_the_nearest() -> None:
    with Workflow("flow") as flow:
        some("transform")
        group = TaskGroup("g", after="transfrom")
    error = refusal(flow)
    assert isinstance(error, MissingDependencyError)
    assert error.message == "task group 'g' depends on 'transfrom', which does not exist; did you mean 'transform'?"
    assert error.where == group.where


def test_a_name_without_that_of_the_group_is_shown_with_it() -> None:
    with Workflow("flow") as flow, TaskGroup("group"):
        some("a")
        with TaskGroup("inner"):
            flow.add_task(Task("b", work, ["a"]))
    assert "task 'group.inner.b' depends on 'a', which does not exist; did you mean 'group.a'?" in str(refusal(flow))


def test_a_misspelt_group_is_named() -> None:
    with Workflow("flow") as flow:
        TaskGroup("extraction")
        flow.add_task(Task("b", work, ["extracton"]))
    assert "did you mean 'extraction'?" in str(refusal(flow))


def test_no_way_leads_out_of_a_group_that_is_tried_again_and_back() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g", retries=1):
            a, b = some("a"), some("b")
        chain(a, some("x"), some("y"), b)
    error = refusal(flow)
    assert "task 'g.b' of task group 'g' waits for 'y', which is outside and waits for the group" in str(error)
    assert "put 'y' into the group" in str(error)


@pytest.mark.parametrize("is_mapped", [False, True])
def test_groups_that_are_tried_again_do_not_wait_for_each_other(is_mapped: bool) -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g", retries=1):
            a, b = some("a"), some("b")

        @task_group(retries=1)
        def h(x: int = 0) -> None:
            chain(a, some("c"))
            chain(some("d"), b)

        if is_mapped:
            h.expand(x=[1, 2])
        else:
            h()
    error = str(refusal(flow))
    assert "groups that are tried again as units wait for each other" in error
    assert "'g.b' -> group 'g' -> 'h.c' -> group 'h' -> 'g.b'" in error


def test_of_two_groups_one_may_wait_for_the_other() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g", retries=1):
            a, b = some("a"), some("b")
        with TaskGroup("h", retries=1):
            chain(a, some("c"))
            chain(b, some("d"))
    assert len(plan_of(flow)) == 4


def test_a_way_through_an_inner_group_is_no_way_out() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("g", retries=1):
            a, b = some("a"), some("b")
            with TaskGroup("inner"):
                c = some("c")
            chain(a, c, b)
        chain(some("x"), a)
        chain(b, some("y"))
    plan_of(flow)


# --- Against a graph that is drawn from task to task


@st.composite
def drawings(draw: st.DrawFn) -> tuple[list[int], list[int], list[tuple[str, str]]]:
    """The parents of groups, the groups of tasks (-1: none), and edges between tasks and groups, without circles."""
    groups = draw(st.integers(1, 4))
    parents = [draw(st.integers(-1, number - 1)) for number in range(groups)]
    places = [draw(st.integers(-1, groups - 1)) for _ in range(draw(st.integers(1, 6)))]
    steps = [f"t{n}" for n in range(len(places))] + [f"g{n}" for n in range(groups)]
    order = draw(st.permutations(steps))
    pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
    drawn = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=8)) if pairs else []
    return parents, places, drawn


def around(step: str, parents: list[int], places: list[int]) -> list[str]:
    """The groups that a task or group is in, the innermost first."""
    kind, number = step[0], int(step[1:])
    outer = places[number] if kind == "t" else parents[number]
    return [] if outer < 0 else [f"g{outer}", *around(f"g{outer}", parents, places)]


@given(drawings())
def test_edges_are_those_of_a_graph_in_which_each_group_has_a_task_at_either_end(
    drawing: tuple[list[int], list[int], list[tuple[str, str]]],
) -> None:
    """Another way to the same: what is *reachable* does not depend on which tasks are roots and leaves."""
    parents, places, drawn = drawing
    inside = {step: around(step, parents, places) for a, b in drawn for step in (a, b)}
    drawn = [(a, b) for a, b in drawn if a not in inside[b] and b not in inside[a]]
    with Workflow("flow") as flow:
        made: dict[str, Any] = {}
        for number, parent in enumerate(parents):
            outer = made.get(f"g{parent}")
            flow.group = outer
            made[f"g{number}"] = TaskGroup(f"g{number}", prefix=False)
        for number, place in enumerate(places):
            flow.group = made.get(f"g{place}")
            made[f"t{number}"] = flow.add_task(Task(f"t{number}", work))
        flow.group = None
        for a, b in drawn:
            made[a] >> made[b]
    tasks = [f"t{number}" for number in range(len(places))]
    expected = reachable(tasks, list(made), drawn, parents, places)
    if any(task in expected[task] for task in tasks):
        with pytest.raises(DefinitionError):
            plan_of(flow)
        return
    found = edges(plan_of(flow))
    assert {task: above(task, found) for task in tasks} == expected


def reachable(
    tasks: list[str], steps: list[str], drawn: list[tuple[str, str]], parents: list[int], places: list[int]
) -> dict[str, set[str]]:
    """Task -> all tasks above it, in a graph where whatever is in a group lies between its begin and its end. (The end
    of a group that has tasks does not wait for groups in it that have none.)"""
    graph: dict[str, set[str]] = {f"{step}{end}": set() for step in steps for end in ("<", ">")}
    for step in steps:
        graph[f"{step}>"].add(f"{step}<")
    full = {group for step in tasks for group in around(step, parents, places)}
    for step in steps:
        for outer in around(step, parents, places)[:1]:
            graph[f"{step}<"].add(f"{outer}<")
            if step in tasks or step in full or outer not in full:
                graph[f"{outer}>"].add(f"{step}>")
    for a, b in drawn:
        graph[f"{b}<"].add(f"{a}>")
    return {
        task: {name[:-1] for name in above_all(f"{task}<", graph) if name[-1] == ">" and name[:-1] in tasks}
        for task in tasks
    }


def above_all(node: str, graph: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    frontier = [node]
    while frontier:
        for other in graph[frontier.pop()] - found:
            found.add(other)
            frontier.append(other)
    return found


def above(task: str, found: dict[str, list[str]]) -> set[str]:
    return above_all(task, {name: set(upstreams) for name, upstreams in found.items()})
