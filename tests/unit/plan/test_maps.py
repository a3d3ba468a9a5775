"""Maps of tasks and groups: what they are compiled to, and what of them is refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest

from penstock import Task, TaskGroup, Workflow, chain, setup, task, task_group, teardown, workflow
from penstock.errors import (
    ArgumentsError,
    CycleError,
    DefinitionError,
    DuplicateTaskError,
    InvalidWorkflowError,
    MissingDependencyError,
    OptionError,
    PlaceholderError,
)
from penstock.plan.plan import Plan
from tests.unit.definition.places import line_at
from tests.unit.plan.compiling import compiled, edges, named, plan_of
from tests.unit.plan.refusals import flow_of, problem, refusal, work


@task
def days() -> Any:
    return [1, 2]


@task
def load(day: int, region: str = "eu", **more: object) -> int:
    return day


@task
def strict(day: int, region: str = "eu") -> int:
    return day


def some(name: str, *values: object) -> Any:
    return task(work).named(name)(*values)


def wiring(plan: Plan) -> dict[str, str]:
    return dict(zip(plan.names, plan.wiring, strict=True))


def inputs(plan: Plan) -> dict[str, list[str]]:
    return {name: [plan.names[row] for row in rows] for name, rows in zip(plan.names, plan.inputs, strict=True)}


def maps(plan: Plan) -> dict[str, str]:
    return {plan.names[row]: kind for row, kind in plan.maps.items()}


# --- Tasks


def test_a_mapped_task_is_one_row_that_needs_what_it_is_mapped_over() -> None:
    with Workflow("flow") as flow:
        some("sum", load.expand(day=days()))
    plan = plan_of(flow)
    assert plan.names == ("days", "load", "sum")
    assert maps(plan) == {"load": "task"}
    assert edges(plan) == inputs(plan) == {"days": [], "load": ["days"], "sum": ["load"]}
    assert named(plan, plan.guards) == {"load": ["days"]}
    assert wiring(plan) == {"days": "()", "load": "() for each day of #days", "sum": "(#load)"}
    assert plan.numbered == {0, 1}


def test_arguments_that_are_the_same_for_all_are_partial() -> None:
    with Workflow("flow") as flow:
        before = some("before")
        load.options(name="x", after=before).partial(region=some("region")).expand(day=[1, 2])
    plan = plan_of(flow)
    assert edges(plan)["x"] == ["before", "region"]
    assert inputs(plan)["x"] == ["region"]
    assert plan.guards == {}, "a list that is written down has a width"
    assert wiring(plan)["x"] == "(region=#region) for each day of list(1, 2)"


def test_the_class_form_says_the_same() -> None:
    source = Task("days", work)
    plan = plan_of(
        flow_of(
            source,
            Task("a", load.func, kwargs={"region": "us"}, expand={"day": source, "x": range(3)}),
            Task("b", load.func, expand={"day": source.output}),
            Task("c", load.func, expand_kwargs=[{"day": 1}, {"day": 2, "region": "x"}]),
            Task("d", load.func, args=[1], expand_kwargs=source),
        )
    )
    assert wiring(plan) == {
        "days": "()",
        "a": "(region='us') for each day of #days for each x of range(0, 3)",
        "b": "() for each day of #days",
        "c": "() for each of list(dict('day': 1), dict('day': 2, 'region': 'x'))",
        "d": "(1) for each of #days",
    }
    assert named(plan, plan.guards) == {"a": ["days"], "b": ["days"], "d": ["days"]}
    assert maps(plan) == dict.fromkeys("abcd", "task")


SOURCES: dict[str, Callable[[], Any]] = {
    "list": lambda: [1, 2],
    "empty list": list,
    "tuple": lambda: (1, 2),
    "range": lambda: range(3),
    "dict": lambda: {"a": 1},
    "deque": lambda: deque([1]),
    "keys": {"a": 1}.keys,
    "output": days,
    "map": lambda: days().map(str),
    "zip": lambda: days().zip([1, 2], range(3), fillvalue=0),
    "concat": lambda: days().concat((1, 2), days()),
    "all of them": lambda: days().map(str).concat([1]).zip(days().map(int)).map(repr),
    "mapped": lambda: load.expand(day=[1]),
    "list with outputs": lambda: [days(), 2],
}


@pytest.mark.parametrize("kind", SOURCES)
def test_whatever_has_an_order_can_be_mapped_over(kind: str) -> None:
    with Workflow("flow") as flow:
        load.named("x").expand(day=SOURCES[kind]())
    assert "x" in maps(plan_of(flow))


def test_equal_maps_have_equal_wiring_and_others_another() -> None:
    def text(make: Callable[[], Any]) -> str:
        with Workflow("flow") as flow:
            load.named("x").expand(day=make())
        return wiring(plan_of(flow))["x"]

    different: list[Callable[[], Any]] = [
        *SOURCES.values(),
        lambda: [1, 3],
        lambda: range(4),
        lambda: list(range(1000)),
        lambda: list(range(1001)),
        lambda: days().map(int),
        lambda: days().zip([1, 2], range(3), fillvalue=1),
        lambda: days().zip([1, 2], range(3)),
        lambda: days().concat((1, 2)),
    ]
    texts = [text(make) for make in different]
    assert texts == [text(make) for make in different]
    assert len({*texts}) == len(texts)
    assert max(map(len, texts)) < 300, "long lists are digests"


def test_a_map_takes_its_width_from_outputs_and_not_from_items_of_a_list() -> None:
    with Workflow("flow") as flow:
        a, b, c, d = (days.named(name)() for name in "abcd")
        load.named("x").expand(day=[a, b], region=c.map(str).zip([d]))
    plan = plan_of(flow)
    assert edges(plan)["x"] == inputs(plan)["x"] == ["a", "b", "c", "d"]
    assert named(plan, plan.guards) == {"x": ["c"]}


def test_a_parameter_of_the_workflow_can_be_mapped_over() -> None:
    @workflow
    def flow(days: list[int] = [1], other: Any = (), more: Sequence[date] = ()) -> None:  # noqa: B006
        load.named("a").expand(day=days)
        load.named("b").expand(day=other)
        load.named("c").expand_kwargs(more)

    assert wiring(plan_of(flow))["a"] == "() for each day of $days"


def test_a_map_has_bounds_and_names() -> None:
    with Workflow("flow") as flow:
        load.options(max_active_instances=3, map_name="{day:03}/{region}/{more}").expand(day=[1])
    found = compiled(flow)
    assert found.plan.policies[0].max_active_instances == 3
    assert found.options(0)["map_name"] == "{day:03}/{region}/{more}"


def test_an_early_rule_does_not_start_before_the_width_is_known() -> None:
    with Workflow("flow") as flow:
        load.options(trigger_rule="one_success").partial(region=some("x")).expand(day=days(), z=[some("y")])
    plan = plan_of(flow)
    assert named(plan, plan.guards) == {"load": ["days"]}
    assert named(plan, plan.waits) == {"load": ["x", "y"]}


# --- Tasks that cannot be mapped so


def refused(make: Callable[[], Any]) -> DefinitionError:
    """What is said of a map, and of its place."""
    with Workflow("flow") as flow:
        make()
    error = refusal(flow)
    problems = error.problems if isinstance(error, InvalidWorkflowError) else [error]
    assert all(one.where is not None and one.where.startswith(__file__) for one in problems)
    return error


NOT_ITERABLE: list[tuple[Any, str]] = [
    ("text", "is mapped over 'text', a text that cannot be mapped over: put it in a list"),
    (b"bytes", "is mapped over b'bytes', which cannot be iterated"),
    (3, "is mapped over 3, which cannot be iterated: give it a list, a tuple, a range or a dict"),
    (1.5, "which cannot be iterated"),
    (None, "is mapped over None, which cannot be iterated"),
    (True, "which cannot be iterated"),
    (object(), "which cannot be iterated"),
    (iter([1]), "which cannot be iterated"),
    ({1, 2}, "is mapped over {1, 2}, a set, which has no order: make it a sorted list"),
    (frozenset([1]), "a set, which has no order"),
    (work, "which cannot be iterated"),
]


@pytest.mark.parametrize(
    ("source", "told"), NOT_ITERABLE, ids=lambda value: value[:30] if isinstance(value, str) else type(value).__name__
)
def test_what_has_no_items_in_order_cannot_be_mapped_over(source: Any, told: str) -> None:
    error = refused(lambda: load.expand(day=source))
    assert isinstance(error, ArgumentsError)
    assert error.message.startswith("argument 'day' of task 'load' is mapped over")
    assert told in error.message
    assert line_at(error.where).startswith("error = refused(lambda: load.expand(")
    assert told in refused(lambda: load.expand(day=days().concat(source))).message
    assert told in refused(lambda: load.expand(day=days().zip([1], source).map(str))).message


WRONG: dict[str, tuple[Callable[[], Any], type[DefinitionError], str]] = {
    "nothing": (load.expand, OptionError, "task 'load' is mapped over nothing: name an argument"),
    "both ways": (
        lambda: load.partial(day=1).expand(day=[1]),
        ArgumentsError,
        "argument 'day' of task 'load' is both mapped and partial; give it once",
    ),
    "both ways in a row": (
        lambda: load.partial(region="x").expand_kwargs([{"day": 1}, {"day": 1, "region": "y"}]),
        ArgumentsError,
        "argument 'region' of task 'load' is both mapped and partial",
    ),
    "unknown": (
        lambda: strict.expand(day=[1], regoin=[2]),
        ArgumentsError,
        "the arguments of task 'strict' do not fit strict(day: 'int', region: 'str' = 'eu') -> 'int': got an "
        "unexpected keyword argument 'regoin'",
    ),
    "unknown partial": (
        lambda: strict.partial(x=1).expand_kwargs(days()),
        ArgumentsError,
        "unexpected keyword argument 'x'",
    ),
    "unknown in a row": (
        lambda: strict.expand_kwargs([{"day": 1}, {"day": 1, "x": 2}]),
        ArgumentsError,
        "unexpected keyword argument 'x'",
    ),
    "missing": (lambda: strict.expand(region=["eu"]), ArgumentsError, "missing a required argument: 'day'"),
    "missing in a row": (
        lambda: strict.expand_kwargs([{"region": "eu"}]),
        ArgumentsError,
        "missing a required argument",
    ),
    "rows of a dict": (
        lambda: load.expand_kwargs({"day": [1]}),
        ArgumentsError,
        "what task 'load' takes all its arguments from is {'day': [1]}; give expand_kwargs a list of dicts",
    ),
    "rows of a text": (lambda: load.expand_kwargs("abc"), ArgumentsError, "give expand_kwargs a list of dicts"),
    "no row": (
        lambda: load.expand_kwargs([{"day": 1}, 3]),
        ArgumentsError,
        "item 2 of what task 'load' takes all its arguments from is 3, not a dict of arguments",
    ),
    "numbers for names": (lambda: load.expand_kwargs([{1: 1}]), ArgumentsError, "item 1 of what"),
    "map of nothing": (lambda: load.expand(day=days().map(3)), OptionError, ".map(3), which cannot be called"),
    "map of two": (
        lambda: load.expand(day=days().map(lambda a, b: a)),
        OptionError,
        "which must take one value, and is <lambda>(a, b): missing a required argument: 'b'; give it a plain function",
    ),
    "async map": (lambda: load.expand(day=days().map(later)), OptionError, "which is async, and nobody awaits it"),
    "a bound below one": (
        lambda: load.options(max_active_instances=0).expand(day=[1]),
        OptionError,
        "task 'load': max_active_instances=0 is not a whole number from 1 up",
    ),
    "no text": (lambda: load.options(map_name=3).expand(day=[1]), OptionError, "map_name=3 is not a text"),  # type: ignore[arg-type]
    "no format": (lambda: load.options(map_name="{day").expand(day=[1]), OptionError, "map_name='{day' is no format: "),
    "no name": (
        lambda: load.options(map_name="{}").expand(day=[1]),
        OptionError,
        "does not name an argument: write {name}",
    ),
    "a number": (lambda: load.options(map_name="{0.x}").expand(day=[1]), OptionError, "does not name an argument"),
    "another name": (
        lambda: strict.options(map_name="{daay[0]}").expand(day=[1]),
        OptionError,
        "task 'strict': map_name='{daay[0]}' names 'daay', and there are day, region",
    ),
    "a branch": (
        lambda: task.branch(lambda x: None).named("b").expand(x=[1]),
        OptionError,
        "task 'b' is a branch and cannot be mapped by itself: put it into a group, and map that",
    ),
    "a short circuit": (
        lambda: task.short_circuit(lambda x: True).named("b").expand(x=[1]),
        OptionError,
        "task 'b' is a short circuit and cannot be mapped by itself",
    ),
    "items as a value": (
        lambda: load(days().map(str)),
        ArgumentsError,
        "task 'load' takes days.map(...) as a value, and it can only be mapped over: f.expand(x=...)",
    ),
    "items in a list": (lambda: load.expand(day=[days().zip([1])]), ArgumentsError, "takes days.zip(...) as a value"),
    "an output as a key": (lambda: load.expand(day={days(): 1}), ArgumentsError, "from within a key of a dict"),
    "a fillvalue": (
        lambda: load.expand(day=days().zip([1], fillvalue=days())),
        ArgumentsError,
        "the fillvalue of a zip",
    ),
}


NEVER_MAPPED = "'load' was given partial arguments and never mapped: call .expand(...) on it"
UNMAPPED: dict[str, Callable[[], Any]] = {
    "left alone": lambda: load.partial(region="eu"),
    "as a value": lambda: load(load.partial(region="eu")),  # type: ignore[arg-type]
    "in a list": lambda: load([load.partial(region="eu")]),  # type: ignore[arg-type]
    "as a value of a map": lambda: load.expand(day=[load.partial(region="eu")]),
    "as a partial argument": lambda: load.partial(day=load.partial(region="eu")).expand(region=["eu"]),
}


@pytest.mark.parametrize("way", UNMAPPED)
def test_what_is_given_some_arguments_and_never_mapped_is_told(way: str) -> None:
    error = refused(UNMAPPED[way])
    assert (type(error), error.message) == (ArgumentsError, NEVER_MAPPED)
    assert str(error.where).startswith(__file__)


def test_what_was_given_some_arguments_outside_is_told_where_it_is_a_value() -> None:
    half: Any = load.partial(region="eu")
    assert refused(lambda: load(half)).message == NEVER_MAPPED
    with Workflow("flow") as flow:
        half.expand(day=[1])
    assert plan_of(flow).names == ("load",)


def test_a_group_with_some_arguments_that_is_never_mapped_is_told() -> None:
    @task_group
    def each(x: int, y: int) -> None: ...

    assert refused(lambda: each.partial(y=1)).message == NEVER_MAPPED.replace("load", "each")


def test_some_arguments_may_be_mapped_twice() -> None:
    with Workflow("flow") as flow:
        half = load.partial(region="eu")
        half.expand(day=[1])
        half.expand_kwargs([{"day": 2}])
    assert plan_of(flow).names == ("load", "load__1")


async def later(value: object) -> object:
    return value


@pytest.mark.parametrize("kind", WRONG)
def test_a_map_that_cannot_be_is_refused(kind: str) -> None:
    make, expected, told = WRONG[kind]
    error = refused(make)
    assert isinstance(error, expected), error
    assert told in error.message


def test_a_map_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "the arguments of task 'load' contain themselves" in str(refused(lambda: load.expand(day=endless)))


@pytest.mark.parametrize("sources", [["day"], "day", 3, [("day", [1])]], ids=repr)
def test_the_class_form_takes_a_dict(sources: Any) -> None:
    error = problem(Task("load", load.func, expand=sources))
    assert isinstance(error, OptionError)
    assert 'is no dict; write expand={"x": [...]}' in str(error)


def test_the_class_form_takes_one_of_the_two() -> None:
    error = problem(Task("load", load.func, expand={"day": [1]}, expand_kwargs=[{"day": 1}]))
    assert "task 'load' is given both expand and expand_kwargs; give it one of them" in str(error)


@pytest.mark.parametrize("kind", [int, str, bytes, bool, date, set, frozenset], ids=lambda kind: kind.__name__)
def test_a_parameter_of_a_type_without_items_cannot_be_mapped_over(kind: type) -> None:
    def flow(days: Any = None) -> None:
        load.expand(day=days)

    flow.__annotations__["days"] = kind
    error = refusal(workflow(flow))
    assert isinstance(error, ArgumentsError)
    assert (
        f"argument 'day' of task 'load' is mapped over parameter 'days', which is annotated as {kind.__name__}"
        in str(error)
    )


def test_what_is_wrong_elsewhere_is_told_of_maps_too() -> None:
    stranger = Task("stranger", work)
    error = problem(
        Task("a", None, expand={"x": [1]}),  # type: ignore[arg-type]
        Task("b", work, expand={"x": stranger}),
        Task("c", work, args=3, expand={"x": 3}),  # type: ignore[arg-type]
    )
    assert isinstance(error, InvalidWorkflowError)
    kinds = sorted(type(one).__name__ for one in error.problems)
    assert kinds == [*["ArgumentsError"] * 3, "MissingDependencyError", "NotCallableError"]


def test_arguments_to_be_mapped_are_named() -> None:
    methods: list[Any] = [
        load.expand,
        load.partial,
        load.partial().expand,
        each.expand,
        each.partial,
        each.partial().expand,
    ]
    for method in methods:
        with (
            Workflow("flow"),
            pytest.raises(ArgumentsError, match=r"\(\) takes arguments by name: write \w+\.\w+\(x=\.\.\.\)"),
        ):
            method([1])


def test_they_are_shown_how_to_be_named() -> None:
    with Workflow("flow"), pytest.raises(ArgumentsError) as caught:
        load.expand([1])
    assert caught.value.message == "load.expand() takes arguments by name: write load.expand(x=...)"
    assert line_at(caught.value.where) == "load.expand([1])"


def test_nothing_is_mapped_outside_of_a_workflow() -> None:
    for make in (
        lambda: load.expand(day=[1]),
        lambda: load.expand_kwargs([{}]),
        lambda: load.partial().expand(day=[1]),
        lambda: each.expand(x=[1]),
        lambda: each.partial().expand_kwargs([{}]),
    ):
        with pytest.raises(DefinitionError, match="is mapped outside of a workflow: only inside of one") as caught:
            make()
        assert caught.value.where is not None
        assert caught.value.where.startswith(__file__)


# --- Groups


@task_group
def each(x: Any, y: Any = 1) -> Any:
    return some("b", some("a", x), y)


def test_a_mapped_group_has_a_row_that_expands_it() -> None:
    with Workflow("flow") as flow:
        some("sum", each.partial(y=5).expand(x=days()))
    plan = plan_of(flow)
    assert plan.names == ("days", "each", "each.a", "each.b", "sum")
    assert maps(plan) == {"each": "group"}
    [group] = plan.groups
    assert (group.name, group.expansion, group.rows, group.parent) == ("each", 1, (2, 3), -1)
    assert (plan.functions[1], plan.digests[1]) == ("", "")
    assert plan.numbered == {0, 2, 3}, "an expansion calls nothing whose calls could be counted"
    assert wiring(plan)["each"] == "() for each x of #days"
    assert wiring(plan)["each.a"] == "(@each.x)"
    assert wiring(plan)["each.b"] == "(#each.a, 5)"
    assert named(plan, plan.guards) == {"each": ["days"], "each.a": ["each"], "each.b": ["each"]}
    assert edges(plan) == inputs(plan)
    assert edges(plan) == {"days": [], "each": ["days"], "each.a": ["days"], "each.b": ["each.a"], "sum": ["each.b"]}
    assert line_at(plan.places[1]) == 'some("sum", each.partial(y=5).expand(x=days()))'
    made = compiled(flow).tasks[1]
    assert made.func is None
    assert made.expand is not None
    assert repr(made) == "<expansion of group 'each'>"


def test_edges_to_a_mapped_group_lead_to_its_expansion_and_edges_from_it_start_at_its_leaves() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("outer") as outer:
            first = some("first")
            group = each.expand(x=[1, 2])
            first >> group
        some("before") >> outer >> some("after")
        some("other") >> flow.groups[1]
    found = edges(plan_of(flow))
    assert found["outer.first"] == ["before"]
    assert found["outer.each"] == ["before", "other"], "an output stands for its task, and not for the group"
    assert found["outer.each.a"] == []
    assert found["outer.each.b"] == ["outer.first", "outer.each.a"]
    assert found["after"] == ["outer.each.b"]


def test_an_expansion_may_be_the_first_row() -> None:
    with Workflow("flow") as flow:
        each.expand(x=[1])
        some("before") >> flow.groups[0]
    assert edges(plan_of(flow)) == {"each": ["before"], "each.a": [], "each.b": ["each.a"], "before": []}


def test_an_expansion_is_a_root_of_the_group_around_it() -> None:
    with Workflow("flow") as flow:
        with TaskGroup("outer") as outer:
            each.expand(x=[1])
        some("before") >> outer
    plan = plan_of(flow)
    assert edges(plan)["outer.each"] == ["before"]
    assert edges(plan)["outer.each.a"] == []
    assert [(group.name, group.rows, group.expansion) for group in plan.groups] == [
        ("outer", (0, 1, 2), -1),
        ("outer.each", (1, 2), 0),
    ]


def test_what_is_below_a_mapped_group_is_below_what_expands_it() -> None:
    with Workflow("flow") as flow:
        gate, made = task.short_circuit(work).named("gate")(), setup(work).named("made")()
        source = days()
        chain([gate, made], source)
        group = each.expand(x=[source])
        task(work).named("after")(group)
        chain(source, flow.groups[0])
    plan = plan_of(flow)
    assert named(plan, plan.deciders) == {name: ["gate"] for name in ("days", "each", "each.a", "each.b", "after")}
    assert named(plan, plan.guards) == {
        "each": ["made"],
        "each.a": ["made", "each"],
        "each.b": ["made", "each"],
        "after": ["made"],
    }


def test_groups_and_branches_and_teardowns_may_be_in_a_mapped_group() -> None:
    @task_group
    def whole(x: int) -> None:
        made = setup(work).named("make")(x)
        with teardown(work).named("clean")(made):
            choose: Any = task.branch(work).named("choose")()
            with TaskGroup("inner") as inner:
                some("left")
            choose >> [inner, some("right")]

    with Workflow("flow") as flow:
        whole.expand(x=[1, 2])
    plan = plan_of(flow)
    assert edges(plan) == {
        "whole": [],
        "whole.make": [],
        "whole.clean": ["whole.make", "whole.inner.left", "whole.right"],
        "whole.choose": ["whole.make"],
        "whole.inner.left": ["whole.choose"],
        "whole.right": ["whole.choose"],
    }
    assert named(plan, plan.deciders) == {"whole.inner.left": ["whole.choose"], "whole.right": ["whole.choose"]}
    assert named(plan, plan.setups) == {"whole.clean": ["whole.make"]}
    assert named(plan, plan.guards)["whole.right"] == ["whole", "whole.make"]
    assert named(plan, plan.guards)["whole.clean"] == ["whole"]


def test_the_block_of_a_teardown_may_hold_a_mapped_group() -> None:
    with Workflow("flow") as flow:
        made = setup(work).named("make")()
        with teardown(work).named("clean")(made):
            each.expand(x=[1])
    found = edges(plan_of(flow))
    assert found["each"] == ["make"]
    assert found["each.a"] == []
    assert found["clean"] == ["make", "each.b"]


def test_tasks_in_a_mapped_group_have_instances_that_can_be_bounded() -> None:
    @task_group
    def bounded(x: int) -> None:
        load.options(max_active_instances=2)(x)

    with Workflow("flow") as flow:
        bounded.expand(x=[1])
    assert plan_of(flow).policies[1].max_active_instances == 2


def test_an_argument_that_leaves_its_group_stands_for_the_list_of_all() -> None:
    @task_group
    def give(x: Any) -> Any:
        some("inside")
        return x

    with Workflow("flow") as flow:
        source = days()
        given = give.expand(x=source)
        assert repr(given) == "<argument 'x' of group 'give'>"
        some("sum", [given])
        load.expand(day=given)
    plan = plan_of(flow)
    assert edges(plan)["sum"] == edges(plan)["load"] == ["days"]
    assert inputs(plan)["sum"] == ["days"]
    assert named(plan, plan.guards)["load"] == ["days"]
    assert wiring(plan)["load"] == "() for each day of @give.x"


def test_all_sources_of_a_group_are_inputs_of_what_takes_one_of_its_arguments() -> None:
    with Workflow("flow") as flow:
        a, b = days.named("p")(), days.named("q")()
        each.expand(x=a, y=[b, 1])
    plan = plan_of(flow)
    assert inputs(plan) == {"p": [], "q": [], "each": ["p", "q"], "each.a": ["p", "q"], "each.b": ["p", "q", "each.a"]}
    assert named(plan, plan.guards) == {"each": ["p"], "each.a": ["each"], "each.b": ["each"]}


def test_an_argument_is_used_like_an_output() -> None:
    @task_group
    def nosy(x: int) -> None:
        if x > 3:
            some("a")

    with (
        Workflow("flow"),
        pytest.raises(PlaceholderError, match="'x' has no value while the graph is built, so it cannot"),
    ):
        nosy.expand(x=[1])


def test_the_function_of_a_mapped_group_is_called_once_with_its_defaults() -> None:
    seen: list[Any] = []

    @task_group
    def watched(x: Any, y: Any = 2, *, z: Any = 3) -> None:
        seen.append((x, y, z))
        some("a", x)

    with Workflow("flow") as flow:
        watched.partial(z=5).expand(x=[1, 2])
    [(x, y, z)] = seen
    assert (repr(x), y, z) == ("<argument 'x' of group 'watched'>", 2, 5)
    plan_of(flow)


def test_rows_of_arguments_for_a_group() -> None:
    with Workflow("flow") as flow:
        each.expand_kwargs([{"x": 1}, {"x": 2, "y": 3}])
        each.partial(y=1).expand_kwargs(days())
    plan = plan_of(flow)
    assert wiring(plan)["each"] == "() for each of list(dict('x': 1), dict('x': 2, 'y': 3))"
    assert wiring(plan)["each.b"] == "(#each.a, @each.y)"
    assert wiring(plan)["each__1.b"] == "(#each__1.a, 1)"


@task_group
def empty() -> None:
    some("a")


WRONG_GROUPS: dict[str, tuple[Callable[[], Any], type[DefinitionError], str]] = {
    "text": (
        lambda: each.expand(x="abc"),
        ArgumentsError,
        "argument 'x' of task group 'each' is mapped over 'abc', a text",
    ),
    "rows": (lambda: each.expand_kwargs(3), ArgumentsError, "what task group 'each' takes all its arguments from is 3"),
    "unknown in a row": (
        lambda: each.expand_kwargs([{"x": 1, "z": 2}]),
        ArgumentsError,
        "task group 'each' is given 'z', which is no argument of it that is left to be mapped",
    ),
    "partial in a row": (lambda: each.partial(y=1).expand_kwargs([{"x": 1, "y": 2}]), ArgumentsError, "is given 'y'"),
    "missing in a row": (
        lambda: each.expand_kwargs([{"y": 1}]),
        ArgumentsError,
        "task group 'each' is not given its argument 'x' in {'y': 1}",
    ),
    "nothing": (empty.expand, OptionError, "over nothing"),
}


@pytest.mark.parametrize("kind", WRONG_GROUPS)
def test_a_map_of_a_group_that_cannot_be_is_refused(kind: str) -> None:
    make, expected, told = WRONG_GROUPS[kind]
    error = refused(make)
    assert isinstance(error, expected), error
    assert told in error.message


AT_ONCE: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown": (lambda: each.expand(x=[1], z=[2]), "the arguments of task group 'each' do not fit each(x: 'Any', y"),
    "missing": (lambda: each.expand(y=[1]), "missing a required argument: 'x'"),
    "both": (lambda: each.partial(x=1).expand(x=[1]), "argument 'x' of task group 'each' is both mapped and partial"),
}


@pytest.mark.parametrize("kind", AT_ONCE)
def test_a_group_is_told_at_once_that_its_function_cannot_be_called(kind: str) -> None:
    make, told = AT_ONCE[kind]
    with Workflow("flow"), pytest.raises(ArgumentsError) as caught:
        make()
    assert told in caught.value.message
    assert line_at(caught.value.where).startswith(f'"{kind}"')


def test_a_map_within_a_mapped_group_is_refused_by_name() -> None:
    @task_group
    def twice(x: int) -> None:
        with TaskGroup("inner"):
            load.expand(day=[1])

    with Workflow("flow") as flow:
        twice.expand(x=[1])
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert error.message == "task 'twice.inner.load' is mapped within 'twice', which is mapped: map only one of them"


def test_a_mapped_group_within_a_mapped_group_is_refused_by_name() -> None:
    @task_group
    def twice(x: int) -> None:
        each.expand(x=[1])

    with (
        Workflow("flow"),
        pytest.raises(DefinitionError, match=r"task group 'twice.each' is mapped within 'twice', which is mapped"),
    ):
        twice.expand(x=[1])


def test_a_task_has_another_name_than_a_mapped_group() -> None:
    with Workflow("flow") as flow:
        each.named("same").expand(x=[1])
        some("same")
    error = refusal(flow)
    assert isinstance(error, DuplicateTaskError)
    assert error.message.startswith("'same' is the name of a mapped task group and of a task, first at ")


def test_two_mapped_groups_of_one_name_are_told_of_once() -> None:
    with Workflow("flow") as flow:
        each.named("same").expand(x=[1])
        each.named("same").expand(x=[1])
    error = refusal(flow)
    assert isinstance(error, InvalidWorkflowError)
    assert [str(one).split(",")[0] for one in error.problems] == [
        "task group 'same' is defined twice",
        "task 'same.a' is defined twice",
        "task 'same.b' is defined twice",
    ]


def test_a_group_that_is_mapped_over_what_is_in_it_is_a_cycle() -> None:
    with Workflow("flow") as flow:
        source = days()
        each.expand(x=source)
        flow.tasks[2] >> source
    error = refusal(flow)
    assert isinstance(error, CycleError)
    flow.tasks[2].args = []
    error = refusal(flow)
    assert isinstance(error, CycleError)
    assert error.path == ("days", "each", "each.a", "days"), "though no task in the group takes the value"


def test_what_a_group_is_mapped_over_is_missing_once() -> None:
    with Workflow("flow") as flow:
        each.expand(x=Task("stranger", work))
    error = refusal(flow)
    assert isinstance(error, MissingDependencyError)
    assert "task group 'each' depends on task 'stranger'" in str(error)


def test_an_argument_of_a_group_of_another_workflow_is_refused() -> None:
    strangers: list[Any] = []

    @task_group
    def leak(x: Any) -> None:
        strangers.append(x)
        some("a", x)

    with Workflow("one") as one:
        leak.expand(x=[1])
    with Workflow("other") as other:
        some("b", strangers[0])
    plan_of(one)
    assert "task 'b' depends on task group 'leak' (made at" in str(refusal(other))


def test_a_task_of_a_mapped_group_may_be_in_another_workflow_too() -> None:
    with Workflow("one") as one:
        each.expand(x=[1])
    one.tasks[1].args = [1]
    other = Workflow("other")
    other.add_task(one.tasks[1])
    plan = plan_of(other)
    assert (plan.names, plan.groups, plan.guards) == (("each.a",), (), {})


def test_a_retried_group_may_be_mapped() -> None:
    with Workflow("flow") as flow:
        each.options(retries=2).expand(x=[1])
    [group] = plan_of(flow).groups
    assert group.policy is not None
    assert (group.policy.retries, group.expansion) == (2, 0)
