"""Maps with the values that they are over: how many instances there are, and what each is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product, zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import Skip, Task, Workflow, task, task_group, workflow
from penstock.definition.group import GroupArgument, group_of
from penstock.plan.expansion import Expanded, ExpansionError, Values, instance_name
from tests.unit.plan.compiling import compiled


@task
def load(*values: object, **named: object) -> Any: ...


@task
def give() -> Any: ...


def lookup(values: dict[str, Any], params: dict[str, Any]) -> Values:
    """Values of tasks and parameters, by name; as from outside of all mapped groups."""

    def argument(found: GroupArgument) -> Any:
        expansion = next(one for one in group_of(found).workflow.tasks if one.name == group_of(found).name)
        return Expanded(expansion, made).column(found)

    made = Values(lambda task: values[task.name], lambda name: params[name], argument)
    return made


def expanded(make: Callable[[], Any], values: dict[str, Any] | None = None, **params: Any) -> Expanded:
    """The last task or group that is made, expanded."""
    with Workflow("flow") as flow:
        make()
    [*_, mapped] = [one for one in flow.tasks if one.expand is not None]
    return Expanded(mapped, lookup(values or {}, params))


def instances(make: Callable[[], Any], values: dict[str, Any] | None = None, **params: Any) -> list[dict[str, Any]]:
    found = expanded(make, values, **params)
    return [found.arguments(index) for index in range(found.width)]


def values_of(make: Callable[[], Any], values: dict[str, Any] | None = None, **params: Any) -> list[Any]:
    return [one["x"] for one in instances(lambda: load.named("mapped").expand(x=make()), values, **params)]


# --- Sources

VALUES = {"give": [1, 2, 3], "other": ["a", "b"]}


def other() -> Any:
    return give.named("other")()


SOURCES: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "list": (lambda: [1, "b"], [1, "b"]),
    "tuple": (lambda: (1, 2), [1, 2]),
    "range": (lambda: range(2, 8, 3), [2, 5]),
    "dict": (lambda: {"a": 1, "b": [2]}, [("a", 1), ("b", [2])]),
    "nothing": (list, []),
    "output": (give, [1, 2, 3]),
    "task": (lambda: give()._task, [1, 2, 3]),
    "list of outputs": (lambda: [give(), [other()], {"k": other()}], [[1, 2, 3], [["a", "b"]], {"k": ["a", "b"]}]),
    "dict of outputs": (lambda: {"k": give()}, [("k", [1, 2, 3])]),
    "map": (lambda: give().map(lambda value: value * 10), [10, 20, 30]),
    "map of a map": (lambda: give().map(str).map(lambda text: text + "!"), ["1!", "2!", "3!"]),
    "zip": (lambda: give().zip(other()), [(1, "a"), (2, "b")]),
    "zip of three": (lambda: give().zip(other(), range(9)), [(1, "a", 0), (2, "b", 1)]),
    "zip with a fillvalue": (lambda: give().zip(other(), fillvalue=None), [(1, "a"), (2, "b"), (3, None)]),
    "concat": (lambda: give().concat(other(), [], {"k": 1}), [1, 2, 3, "a", "b", ("k", 1)]),
    "all of them": (
        lambda: give().map(str).concat([other()]).zip(other(), fillvalue=0).map(list),
        [["1", "a"], ["2", "b"], ["3", 0], [["a", "b"], 0]],
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_each_instance_is_given_one_value(kind: str) -> None:
    make, expected = SOURCES[kind]
    assert values_of(make, VALUES) == expected


def test_a_parameter_of_the_workflow_is_mapped_over() -> None:
    @workflow
    def flow(days: list[int], scale: int = 3) -> None:
        load.expand(x=days, y=[scale, [scale]])

    [mapped] = compiled_tasks(flow.build({}))
    found = Expanded(mapped, lookup({}, {"days": [1, 2], "scale": 5}))
    assert [found.arguments(index) for index in range(found.width)] == [
        {"x": 1, "y": 5},
        {"x": 1, "y": [5]},
        {"x": 2, "y": 5},
        {"x": 2, "y": [5]},
    ]


def compiled_tasks(flow: Workflow) -> Sequence[Task]:
    return compiled(flow).tasks


class Items:
    """Has a length and values in order, as an array has."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[str]:
        return iter("ab")


@pytest.mark.parametrize(
    ("value", "expected"),
    [((1, 2), [1, 2]), ({"a": 1}, [("a", 1)]), (range(2), [0, 1]), (Items(), ["a", "b"]), ([None, 1], [None, 1])],
    ids=lambda value: type(value).__name__,
)
def test_an_output_may_be_whatever_has_an_order(value: Any, expected: list[Any]) -> None:
    assert values_of(give, {"give": value}) == expected


@pytest.mark.parametrize(
    "value", [None, 3, 1.5, "text", b"bytes", {1, 2}, iter([1]), object()], ids=lambda v: str(v)[:9]
)
def test_an_output_that_is_something_else_cannot_be_expanded(value: Any) -> None:
    for make in (give, lambda: give().map(str), lambda: give().concat([1]), lambda: give().zip([1])):
        with pytest.raises(ExpansionError, match="argument 'x' of task 'mapped' is mapped over") as caught:
            values_of(make, {"give": value})
        assert "cannot be" in str(caught.value) or "no order" in str(caught.value)


def test_values_are_loaded_once_and_not_copied() -> None:
    value = [[1], [2]]
    loads: list[str] = []
    with Workflow("flow") as flow:
        load.expand(x=give(), y=[1, 2])

    def load_value(task: Task) -> Any:
        loads.append(task.name)
        return value

    found = Expanded(flow.tasks[-1], Values(load_value, str, repr))
    assert [found.arguments(index)["x"] for index in range(found.width)] == [[1], [1], [2], [2]]
    assert found.arguments(0)["x"] is value[0]
    assert loads == ["give"]


def test_a_function_is_asked_for_the_values_that_are_wanted() -> None:
    def odd(value: int) -> int:
        if value % 2 == 0:
            raise Skip(f"{value} is even")
        return value * 10

    found = expanded(lambda: load.expand(x=give().map(odd)), VALUES)
    assert found.width == 3
    assert found.arguments(0) == {"x": 10}
    assert found.arguments(2) == {"x": 30}
    with pytest.raises(Skip, match="2 is even"):
        found.arguments(1)


@pytest.mark.parametrize("index", [-1, 4, 100])
def test_there_are_no_other_instances(index: int) -> None:
    for make in (lambda: load.expand(x=[1, 2], y=[1, 2]), lambda: load.expand_kwargs([{}] * 4)):
        found = expanded(make)
        assert found.width == 4
        with pytest.raises(IndexError, match=f"task 'load' has no instance {index}"):
            found.arguments(index)


# --- Several

LISTS = st.lists(st.integers(), max_size=4)


@given(st.dictionaries(st.sampled_from("abcd"), LISTS, min_size=1))
def test_several_arguments_give_all_combinations_the_last_changing_fastest(sources: dict[str, list[int]]) -> None:
    found = instances(lambda: load.expand(**sources))
    assert found == [dict(zip(sources, values, strict=True)) for values in product(*sources.values())]


@given(LISTS, LISTS, LISTS)
def test_zip_and_concat_do_what_they_do_elsewhere(a: list[int], b: list[int], c: list[int]) -> None:
    values = {"give": a, "other": b}
    assert values_of(lambda: give().zip(other(), c), values) == list(zip(a, b, c, strict=False))
    assert values_of(lambda: give().zip(other(), c, fillvalue="x"), values) == list(zip_longest(a, b, c, fillvalue="x"))
    assert values_of(lambda: give().concat(other(), c), values) == a + b + c


# --- Rows of arguments


def test_rows_of_arguments() -> None:
    assert instances(lambda: load.expand_kwargs([{"x": 1}, {"y": 2, "z": give()}]), VALUES) == [
        {"x": 1},
        {"y": 2, "z": [1, 2, 3]},
    ]
    rows = [{"x": 1}, {}]
    assert instances(lambda: load.expand_kwargs(give()), {"give": rows}) == rows
    assert instances(lambda: load.expand_kwargs([give(), {"x": 2}]), {"give": {"x": 1}}) == [{"x": 1}, {"x": 2}]
    assert instances(lambda: load.expand_kwargs(give().map(lambda x: {"x": x})), VALUES)[2] == {"x": 3}


@pytest.mark.parametrize("row", [None, 3, [("x", 1)], "x", {1: 2}], ids=repr)
def test_what_is_no_row_fails_its_instance_alone(row: Any) -> None:
    found = expanded(lambda: load.expand_kwargs(give()), {"give": [{"x": 1}, row]})
    assert found.arguments(0) == {"x": 1}
    with pytest.raises(ExpansionError, match=r"instance 1 of task 'load' is given .*, not a dict of arguments"):
        found.arguments(1)


def test_an_argument_that_is_partial_is_not_in_a_row() -> None:
    found = expanded(lambda: load.partial(x=1).expand_kwargs(give()), {"give": [{"y": 1}, {"x": 2}]})
    assert found.arguments(0) == {"y": 1}
    with pytest.raises(ExpansionError, match="instance 1 of task 'load' is given its argument 'x' twice"):
        found.arguments(1)


def test_rows_that_are_no_list_cannot_be_expanded() -> None:
    with pytest.raises(ExpansionError, match="what task 'load' takes all its arguments from is mapped over 3, which"):
        expanded(lambda: load.expand_kwargs(give()), {"give": 3})


# --- Groups


@task_group
def each(x: Any, y: Any = 7) -> Any:
    load(x, y)
    return [x, y]


def group_instances(make: Callable[[], Any], values: dict[str, Any]) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """What stands for the arguments in each instance, and outside."""
    seen: list[Any] = []
    found = expanded(lambda: seen.extend(make()), values)
    arguments = [one for one in seen if isinstance(one, GroupArgument)]
    columns = [found.column(one) for one in arguments]
    rows = [tuple(found.argument(one, index) for one in arguments) for index in range(found.width)]
    assert [list(column) for column in zip(*rows, strict=True)] == columns or not rows
    return rows, columns


def test_arguments_of_a_group_are_another_value_in_each_instance() -> None:
    rows, columns = group_instances(lambda: each.expand(x=give(), y=["a", other()]), VALUES)
    assert rows == [(x, y) for x in (1, 2, 3) for y in ("a", ["a", "b"])]
    assert columns[0] == [1, 1, 2, 2, 3, 3]


def test_rows_of_arguments_for_a_group() -> None:
    rows, _ = group_instances(lambda: each.expand_kwargs(give()), {"give": [{"x": 1}, {"x": 2, "y": 3}]})
    assert rows == [(1, 7), (2, 3)], "a default stands where nothing is given"


def test_what_a_group_does_not_take_or_is_not_given_fails_the_instance() -> None:
    seen: list[Any] = []
    found = expanded(lambda: seen.extend(each.expand_kwargs(give())), {"give": [{"y": 1}, {"x": 1, "z": 1}]})
    with pytest.raises(ExpansionError, match="instance 0 of task group 'each' is not given its argument 'x'"):
        found.argument(seen[0], 0)
    assert found.argument(seen[1], 0) == 1
    with pytest.raises(
        ExpansionError, match="instance 1 of task group 'each' is given 'z', which is no argument of it"
    ):
        found.argument(seen[0], 1)


def test_an_argument_that_has_left_its_group_is_mapped_over_as_a_list() -> None:
    assert values_of(lambda: each.expand(x=give(), y=[0, 1])[0], VALUES) == [1, 1, 2, 2, 3, 3]
    found = expanded(lambda: load.expand(x=[each.expand(x=give())[0], 5]), VALUES)
    assert found.arguments(0) == {"x": [1, 2, 3]}


# --- Names


def name(text: str, index: int = 0, **partial: Any) -> str:
    def body(day: Any, region: Any = "eu", *rest: Any, **more: Any) -> None: ...

    with Workflow("flow") as flow:
        task(body).named("body").partial(**partial).expand(day=[give(), 2, "a\nb", [3]])
    [mapped] = [one for one in flow.tasks if one.expand is not None]
    values = lookup({"give": {"k": 5}, "other": "us"}, {})
    return instance_name(mapped, text, index, Expanded(mapped, values), values)


def test_a_name_is_made_of_arguments_mapped_or_not_and_of_defaults() -> None:
    assert name("{day:03}", 1) == "002"
    assert name("day {day} of {region}", 1) == "day 2 of eu"
    assert name("{region}", 1, region="us") == "us"
    assert name("{day[k]}") == "5"
    assert name("{day[0]!r}{extra}", 3, extra=1) == "31"
    assert name("all", 1) == "all"
    assert name("{{{day}}}", 1) == "{2}"


def test_a_name_for_what_does_not_tell_its_parameters() -> None:
    mapped = Task("t", type, kwargs={"y": 1}, expand={"x": [2]})
    values = lookup({}, {})
    assert instance_name(mapped, "{x}{y}", 0, Expanded(mapped, values), values) == "21"


def test_a_name_is_one_line_of_moderate_length() -> None:
    assert name("{day}", 2) == "a?b"
    assert name("{day:1000}", 1) == " " * 200


@pytest.mark.parametrize(("text", "index"), [("{unknown}", 0), ("{day.missing}", 0), ("{day:%Y}", 3), ("{day", 0)])
def test_a_name_that_cannot_be_made_is_none(text: str, index: int) -> None:
    assert name(text, index) == ""
