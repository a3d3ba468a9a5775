"""Tasks made by hand, and the ways of putting tasks in order."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import PenstockError, Task, Workflow, WorkflowManager, chain, task
from penstock.definition.placeholder import Output
from penstock.errors import DefinitionError
from tests.unit.definition.places import line_at


def work(*values: object) -> None:
    """Anything."""


@task
def step(*values: object) -> int:
    return 1


def edges(flow: Workflow) -> dict[str, list[str]]:
    """Task -> the tasks that it waits for."""
    plan = WorkflowManager("memory").compile(flow)
    return {name: [plan.names[n] for n in plan.upstreams[number]] for name, number in plan.numbers.items()}


def flow_of(*tasks: Task) -> Workflow:
    flow = Workflow("flow")
    for one in tasks:
        flow.add_task(one)
    return flow


# --- Making them


def test_a_task_knows_where_it_was_made() -> None:
    made = Task("a", work)
    assert made.where == f"{__file__}:{made.line}"
    assert line_at(made.where) == 'made = Task("a", work)'


def test_add_task_gives_the_task_back() -> None:
    made = Task("a", work)
    assert Workflow("flow").add_task(made) is made
    assert WorkflowManager("memory").add_task(made) is made


def test_dependencies_are_names_tasks_or_outputs() -> None:
    a, b, c = Task("a", work), Task("b", work), Task("c", work)
    flow = flow_of(a, b, c, Task("d", work, dependencies=["a", b, c.output]))
    assert edges(flow)["d"] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_dependencies_are_given_in_whatever_holds_them(kind: Any) -> None:
    assert edges(flow_of(Task("a", work), Task("b", work), Task("c", work, kind(["b", "a"]))))["c"] == ["a", "b"]


def test_a_dependency_may_be_added_later_than_what_depends_on_it() -> None:
    assert edges(flow_of(Task("load", work, ["extract"]), Task("extract", work)))["load"] == ["extract"]


def test_a_dependency_that_is_named_twice_counts_once() -> None:
    a = Task("a", work)
    assert edges(flow_of(a, Task("b", work, ["a", a, "a"], args=[a])))["b"] == ["a"]


def test_a_task_among_the_arguments_is_waited_for() -> None:
    a, b = Task("a", work), Task("b", work)
    flow = flow_of(a, b, Task("c", work, args=[a], kwargs={}), Task("d", lambda x, y: None, args=[1], kwargs={"y": b}))
    assert edges(flow) == {"a": [], "b": [], "c": ["a"], "d": ["b"]}


@pytest.mark.parametrize(
    "nest",
    [lambda x: [x], lambda x: (1, x), lambda x: {"k": x}, lambda x: {"k": [1, (x, {"l": x})]}],
    ids=["list", "tuple", "dict", "deep"],
)
def test_a_task_in_a_container_among_the_arguments_is_waited_for(nest: Any) -> None:
    a = Task("a", work)
    assert edges(flow_of(a, Task("b", work, args=[nest(a)]), Task("c", work, args=[nest(a.output)])))["c"] == ["a"]


def test_two_tasks_may_be_given_the_same_list_of_dependencies() -> None:
    common: list[Any] = ["extract"]
    one, other = Task("one", work, common), Task("other", work, common)
    one >> other
    assert edges(flow_of(Task("extract", work), one, other)) == {
        "extract": [],
        "one": ["extract"],
        "other": ["extract", "one"],
    }
    assert common == ["extract"]


# --- Order without data


def test_chain_puts_tasks_lists_and_outputs_in_order() -> None:
    with Workflow("flow") as flow:
        a, d = Task("a", work), Task("d", work)
        flow.add_task(a)
        b, c = step.named("b")(), step.named("c")()
        flow.add_task(d)
        chain(a, [b, c], d)
    assert edges(flow) == {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def test_chain_of_lists_connects_all_of_one_with_all_of_the_next() -> None:
    a, b, c, d = (Task(name, work) for name in "abcd")
    chain([a, b], (c, d))
    assert edges(flow_of(a, b, c, d)) == {"a": [], "b": [], "c": ["a", "b"], "d": ["a", "b"]}


def test_chain_passes_no_values() -> None:
    a, b = Task("a", work), Task("b", work)
    chain(a, b)
    assert WorkflowManager("memory").compile(flow_of(a, b)).inputs == ((), ())


@pytest.mark.parametrize("steps", [(), (Task("a", work),), ([],)], ids=["nothing", "one", "empty"])
def test_chain_of_nothing_much_is_harmless(steps: Any) -> None:
    chain(*steps)


def test_arrows_run_both_ways_and_can_be_strung_together() -> None:
    a, b, c, d = (Task(name, work) for name in "abcd")
    a >> b >> c
    d << c
    assert edges(flow_of(a, b, c, d)) == {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]}


def test_arrows_take_lists_on_either_side() -> None:
    a, b, c, d = (Task(name, work) for name in "abcd")
    a >> [b, c] >> d
    assert edges(flow_of(a, b, c, d)) == {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    e, f, g = (Task(name, work) for name in "efg")
    [f, g] << e
    assert edges(flow_of(e, f, g)) == {"e": [], "f": ["e"], "g": ["e"]}
    h, i, j = (Task(name, work) for name in "hij")
    h << [i, j]
    assert edges(flow_of(h, i, j)) == {"h": ["i", "j"], "i": [], "j": []}


def test_arrows_work_on_outputs_as_on_tasks() -> None:
    with Workflow("flow") as flow:
        a, b, c, d = (step.named(name)() for name in "abcd")
        e = flow.add_task(Task("e", work))
        a >> b  # typed as the value that it stands for
        c << [a, b]  # type: ignore[operator]
        [a, b] >> d  # type: ignore[operator]
        e << d
    assert edges(flow) == {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["a", "b"], "e": ["d"]}


def test_an_arrow_after_one_dependency_was_given_without_a_list_adds_to_it() -> None:
    a, b = Task("a", work), Task("b", work)
    wrong: Any
    for wrong in ("a", a, a.output):
        c = Task("c", work, dependencies=wrong)
        b >> c
        assert edges(flow_of(a, b, c))["c"] == ["a", "b"]


def test_an_arrow_after_the_dependencies_were_given_as_a_tuple_adds_to_them() -> None:
    a, b = Task("a", work), Task("b", work)
    c = Task("c", work, dependencies=("a",))
    b >> c
    assert edges(flow_of(a, b, c))["c"] == ["a", "b"]


@pytest.mark.parametrize("wrong", ["b", 3, None, print, ["b"], [[None]]], ids=str)
def test_what_is_no_task_cannot_be_put_in_order(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match="cannot be put in order: use tasks, outputs of tasks, or lists"):
        chain(Task("a", work), wrong)
    with pytest.raises(DefinitionError, match="cannot be put in order"):
        Task("a", work) >> wrong


def test_the_error_of_a_chain_says_which_line_it_is_on() -> None:
    with pytest.raises(DefinitionError) as caught:
        chain(Task("a", work), "b")
    assert line_at(caught.value.where) == 'chain(Task("a", work), "b")'


def test_the_error_of_an_arrow_says_which_line_it_is_on() -> None:
    a = Task("a", work)
    with pytest.raises(DefinitionError) as caught:
        a >> [["b"]]
    assert line_at(caught.value.where) == 'a >> [["b"]]'


# --- Looking at them


def test_tasks_and_workflows_say_what_they_are() -> None:
    a = Task("a", work)
    assert repr(a) == "<Task 'a'>"
    assert repr(a.output) == "<output of 'a'>"
    assert isinstance(a.output, Output)
    assert repr(flow_of(a)) == "<Workflow 'flow': 1 tasks>"


def test_a_notebook_shows_a_workflow_and_escapes_what_users_named() -> None:
    shown = flow_of(Task("<b>", work), Task("c", work, ["<b>"]))._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b></td>" not in shown


def test_a_workflow_that_is_not_well_formed_can_still_be_looked_at() -> None:
    flow = flow_of(Task("a", None, "b", args=None, kwargs=[]))  # type: ignore[arg-type]
    flow.add_task("nonsense")  # type: ignore[arg-type]
    assert "a" in repr(flow.tasks)
    assert flow._repr_html_()
    with pytest.raises(PenstockError):
        WorkflowManager("memory").compile(flow)
