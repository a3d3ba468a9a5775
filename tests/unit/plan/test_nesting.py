"""Workflows as tasks of others: what is known, and refused, before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest

from penstock import Secret, SubWorkflow, Task, Workflow, chain, task, workflow
from penstock.code.identity import Identify
from penstock.definition.placeholder import Output
from penstock.errors import (
    CycleError,
    DefinitionError,
    InvalidWorkflowError,
    OptionError,
)
from penstock.plan.compile import Compiled, compile_workflow
from penstock.plan.nesting import MOST_LEVELS, too_deep
from tests.unit.plan.compiling import compiled


@task
def first(n: object = 1) -> int:
    return 1


@task
def decide() -> bool:
    return True


@workflow
def adding(a: int, b: int = 2) -> int:
    return first(a)


@workflow
def nothing() -> None: ...


def wrong_with(flow: Any) -> DefinitionError:
    """What is said of a workflow that is given nothing yet."""
    with pytest.raises(DefinitionError) as caught:
        compile_workflow(flow if isinstance(flow, Workflow) else flow.build({}), Identify())
    return caught.value


def told(flow: Any) -> list[str]:
    """The problems of a workflow, in order."""
    error = wrong_with(flow)
    problems = error.problems if isinstance(error, InvalidWorkflowError) else [error]
    return [problem.message for problem in problems]


# --- What is known of them


def test_a_workflow_without_any_has_none_and_one_with_some_has_them_by_their_tasks() -> None:
    @workflow
    def outer() -> int:
        adding(first())
        return adding.named("again")(3)

    assert compiled(adding).children == {}
    found = compiled(outer)
    assert {name: child.plan.workflow for name, child in found.children.items()} == {
        "adding": "adding",
        "again": "adding",
    }
    assert [policy.workflow for policy in found.plan.policies] == [None, "adding", "adding"]
    assert isinstance(found.result, Output)
    assert [*found.children["again"].parameters] == ["a", "b"]


def test_one_that_occurs_twice_is_compiled_once_and_each_of_its_builds_by_itself() -> None:
    @workflow(build=["width"])
    def wide(width: int) -> None:
        for number in range(width):
            first.named(f"t{number}")(number)

    @workflow
    def middle() -> None:
        wide.named("narrow")(1)
        nothing()

    @workflow
    def outer() -> None:
        wide.named("one")(1)
        wide.named("three")(3)
        middle()
        nothing()

    found = compiled(outer).children
    assert (len(found["one"].plan), len(found["three"].plan)) == (1, 3)
    assert found["middle"].children["narrow"] is found["one"]
    assert found["middle"].children["nothing"] is found["nothing"]


@pytest.mark.parametrize("how", ["an output", "a parameter", "left out", "mapped", "mapped over dicts"])
def test_one_whose_graph_depends_on_what_is_not_known_yet_is_not_compiled(how: str) -> None:
    @workflow(build=["width"])
    def wide(width: int = 1, x: int = 0) -> None:
        for number in range(width):
            first.named(f"t{number}")(number)

    @workflow
    def outer(n: int = 2) -> None:
        if how == "an output":
            wide(first())
        elif how == "a parameter":
            wide(n)
        elif how == "left out":
            wide()
        elif how == "mapped":
            wide.expand(width=[1, 2])
        else:
            wide.expand_kwargs([{"width": 1}, {"width": 2}])

    found = compiled(outer).children
    assert [*found] == (["wide"] if how == "left out" else [])


def test_one_that_is_mapped_over_something_else_is() -> None:
    @workflow(build=["width"])
    def wide(width: int = 1, x: int = 0) -> None:
        first(x)

    @workflow
    def outer() -> None:
        wide.partial(width=2).expand(x=[1, 2])

    assert [*compiled(outer).children] == ["wide"]


# --- Ends


def circle(kind: str) -> Any:
    """A workflow that runs itself by way of another, in any case or not."""

    @workflow
    def ping() -> None:
        if kind == "after a task":
            chain(first(), pong())
        elif kind == "if somebody says so":
            pong.options(run_if=lambda context: True)()
        elif kind == "unless somebody says so":
            pong.options(skip_if=lambda context: False)()
        else:
            pong()

    @workflow
    def pong() -> None:
        if kind == "mapped":
            ping_again.expand(n=[1])
        else:
            ping_again(1)

    @workflow
    def ping_again(n: int) -> None:
        ping()

    return ping


def test_a_circle_in_which_nothing_decides_is_refused_by_name() -> None:
    error = wrong_with(circle("in any case"))
    assert isinstance(error, CycleError)
    assert "ping -> pong -> ping_again -> ping" in str(error)
    assert "each of these workflows runs the next in any case, and so never ends; let a task before it decide" in str(
        error
    )


@pytest.mark.parametrize("kind", ["after a task", "mapped", "if somebody says so", "unless somebody says so"])
def test_one_in_which_something_may_is_met_when_it_runs(kind: str) -> None:
    assert "pong" in compiled(circle(kind)).children


def test_what_leads_to_a_circle_is_no_part_of_it() -> None:
    @workflow
    def outer() -> None:
        chain(first(), circle_of_itself())

    @workflow
    def circle_of_itself() -> None:
        circle_of_itself()

    assert "circle_of_itself -> circle_of_itself" in str(wrong_with(outer))
    assert "outer" not in str(wrong_with(outer)).partition(";")[0]


def levels(count: int) -> Workflow:
    """So many workflows within each other."""
    inner = Workflow("level0")
    for number in range(1, count):
        outer = Workflow(f"level{number}")
        outer.add_task(SubWorkflow(f"task{number}", inner))
        inner = outer
    return inner


def test_so_many_levels_may_be_and_one_more_is_refused() -> None:
    found: Compiled = compile_workflow(levels(MOST_LEVELS), Identify())
    depth = 0
    while found.children:
        (found,) = found.children.values()
        depth += 1
    assert depth == MOST_LEVELS - 1
    error = wrong_with(levels(MOST_LEVELS + 1))
    assert error.message == (
        "workflows are more than 100 deep within each other: level100 -> level99 -> level98 -> ... -> level1 -> level0"
    )


def test_a_few_levels_are_shown_all() -> None:
    names = [*"abcdef"]
    assert too_deep(names).endswith(": a -> b -> c -> d -> e -> f")
    assert too_deep([*names, "g"]).endswith(": a -> b -> c -> ... -> f -> g")


# --- Problems


def test_problems_within_several_are_told_all_together() -> None:
    @workflow
    def wrong() -> None:
        first.options(retries=-1)()

    @workflow
    def wrong_twice() -> None:
        first.options(retries=-1)()
        first.named("other").options(timeout=-1)()

    @workflow
    def outer() -> None:
        wrong.named("one")()
        wrong.named("two")()
        wrong_twice()

    assert [message.partition(":")[0] for message in told(outer)] == ["task 'first'"] * 3 + ["task 'other'"]


def test_a_task_that_may_begin_only_once_runs_no_workflow() -> None:
    @workflow
    def outer() -> None:
        nothing.options(at_most_once=True)()

    error = wrong_with(outer)
    assert isinstance(error, OptionError)
    assert error.message == "task 'nothing' runs a workflow and has at_most_once=True: give that to the tasks in it"


# --- Parameters


ADDING: Any = adding
GIVEN: dict[str, tuple[Callable[[Any], object], list[str]]] = {
    "too many": (
        lambda n: ADDING(1, 2, 3),
        ["task 'adding': workflow 'adding' has no parameter 'argument 3'; it has a, b"],
    ),
    "one that it does not have": (
        lambda n: ADDING(1, c=3),
        ["task 'adding': workflow 'adding' has no parameter 'c'"],
    ),
    "of another type": (
        lambda n: ADDING("x"),
        ["task 'adding': workflow 'adding', parameter 'a': 'x' is not int"],
    ),
    "none": (
        lambda n: ADDING(b=n),
        ["task 'adding': workflow 'adding' needs parameter 'a'"],
    ),
    "two of another type": (
        lambda n: ADDING("x", "y"),
        [
            "task 'adding': workflow 'adding', parameter 'a': 'x' is not int",
            "task 'adding': workflow 'adding', parameter 'b': 'y' is not int",
        ],
    ),
    "mapped, with one of another type": (
        lambda n: ADDING.partial(b="y").expand(a=[1]),
        ["task 'adding': workflow 'adding', parameter 'b': 'y' is not int"],
    ),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_parameters_that_do_not_fit_are_told_by_name(kind: str) -> None:
    call, messages = GIVEN[kind]

    @workflow
    def outer(n: int = 1) -> None:
        call(n)

    found = told(outer)
    assert len(found) == len(messages)
    assert all(one.startswith(message) for one, message in zip(found, messages, strict=True)), found


FINE: dict[str, Callable[[Any], object]] = {
    "values": lambda n: adding(1, 2),
    "by name": lambda n: adding(b=1, a=2),
    "defaults": lambda n: adding(1),
    "an output": lambda n: adding(first(n)),
    "an output by name": lambda n: adding(1, b=first()),
    "a parameter": adding,
    "mapped": lambda n: adding.expand(a=[1]),
    "mapped over dicts": lambda n: adding.expand_kwargs([{"a": 1}]),
    "mapped with a value": lambda n: adding.partial(b=1).expand(a=[1]),
    "mapped with an output": lambda n: adding.partial(b=first()).expand(a=[1]),
}


@pytest.mark.parametrize("kind", FINE)
def test_what_fits_or_is_known_only_later_is_taken(kind: str) -> None:
    @workflow
    def outer(n: int = 1) -> None:
        FINE[kind](n)

    assert "adding" in compiled(outer).children


# --- Secrets


@workflow
def logs_in(token: Secret, user: str = "ann", other: Secret | None = None) -> None:
    first(user)


WRITTEN = (
    "task 'logs_in': workflow 'logs_in', parameter 'token': it is a secret, and the graph is kept and shown: "
    "give it a secret parameter of the workflow around, or Secret.from_env('NAME')"
)


def test_a_secret_is_not_written_into_the_graph() -> None:
    @workflow
    def writes() -> None:
        logs_in("hunter2")  # type: ignore[arg-type]

    @workflow
    def has_read() -> None:
        logs_in(Secret("hunter2"))

    @workflow
    def writes_and_errs() -> None:
        logs_in("hunter2", 3)  # type: ignore[arg-type]

    assert told(writes) == told(has_read) == [WRITTEN]
    assert told(writes_and_errs) == [
        WRITTEN,
        "task 'logs_in': workflow 'logs_in', parameter 'user': 3 is not str",
    ]


def test_nor_given_to_what_is_shown() -> None:
    @workflow
    def outer(password: Secret) -> None:
        logs_in(password, user=password)  # type: ignore[arg-type]

    assert told(outer) == [
        "task 'logs_in': workflow 'logs_in', parameter 'user': it is given the secret 'password': annotate it as a "
        "Secret"
    ]


def test_a_secret_of_the_workflow_around_one_from_outside_and_none_are_taken() -> None:
    @workflow
    def outer(password: Secret, user: str = "bob") -> None:
        logs_in(password, user)
        logs_in.named("named")(Secret.from_env("TOKEN"), other=None)

    assert [*compiled(outer).children] == ["logs_in", "named"]


# --- What they return


def returning(value: Any) -> Workflow:
    """A workflow that runs one which returns this."""
    inner = Workflow("inner")
    one = Task("one", first.func)
    inner.add_task(one)
    inner.result = value(one) if isinstance(value, FunctionType) else value
    outer = Workflow("outer")
    outer.add_task(SubWorkflow("runs", inner))
    return outer


STRANGER = Task("stranger", first.func)
Workflow("elsewhere").add_task(STRANGER)


STRANGERS: dict[str, Any] = {
    "a task": STRANGER,
    "an output": STRANGER.output,
    "one deep within": lambda one: [one, {"k": (STRANGER,)}],
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_it_returns_is_its_own(kind: str) -> None:
    error = wrong_with(returning(STRANGERS[kind]))
    assert isinstance(error, DefinitionError)
    assert error.message == (
        "task 'runs' runs workflow 'inner', which returns the output of 'stranger', which is no task of it: let it "
        "return outputs of its tasks, alone or in a list, tuple or dict"
    )


OWN: dict[str, Any] = {
    "none": None,
    "a plain value": 3,
    "a task": lambda one: one,
    "outputs in lists and dicts": lambda one: [one.output, {"k": (one, 1)}],
}


@pytest.mark.parametrize("kind", OWN)
def test_outputs_and_plain_values_in_whatever_it_returns_are(kind: str) -> None:
    assert [*compiled(returning(OWN[kind])).children] == ["runs"]


def test_a_parameter_of_another_workflow_is_not() -> None:
    kept: list[Any] = []

    @workflow
    def lends(n: int) -> None:
        kept.append(n)

    @workflow
    def returns_it(own: int) -> Any:
        return [own, kept[0]]

    @workflow
    def returns_own(own: int) -> Any:
        return {"own": own}

    @workflow
    def outer() -> None:
        returns_own(1)

    @workflow
    def wrong() -> None:
        returns_it(1)

    compiled(lends)
    assert [*compiled(outer).children] == ["returns_own"]
    assert "which returns parameter 'n', which it does not have: let it" in wrong_with(wrong).message
