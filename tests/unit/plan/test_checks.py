"""Everything that can be known to be wrong before anything runs: said with what, where and what to do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest

from penstock import Task, Workflow, WorkflowManager, task, workflow
from penstock.errors import (
    ArgumentsError,
    CycleError,
    DefinitionError,
    DuplicateTaskError,
    InvalidWorkflowError,
    MissingDependencyError,
    NotCallableError,
    OptionError,
)
from tests.unit.definition.places import line_at
from tests.unit.plan.compiling import plan_of
from tests.unit.plan.refusals import flow_of, problem, refusal, work

# --- Cycles


def test_a_cycle_is_shown_with_its_path_and_place() -> None:
    extract = Task("extract", work, ["transform"])
    error = problem(extract, Task("transform", work, ["extract"]))
    assert isinstance(error, CycleError)
    assert str(error).startswith("extract -> transform -> extract")
    assert "remove one of the edges" in str(error)
    assert error.path == ("extract", "transform", "extract")
    assert error.where == extract.where


def test_a_cycle_is_shown_in_the_direction_in_which_tasks_run() -> None:
    error = problem(Task("a", work, ["c"]), Task("b", work, ["a"]), Task("c", work, ["b"]))
    assert isinstance(error, CycleError)
    assert error.path == ("a", "b", "c", "a")


def test_a_task_that_depends_on_itself_is_a_cycle() -> None:
    error = problem(Task("a", work, ["a"]))
    assert isinstance(error, CycleError)
    assert error.path == ("a", "a")


def test_a_cycle_through_data_and_order_is_found() -> None:
    a, b = Task("a", work), Task("b", work)
    b.args = [a]
    b >> a
    assert isinstance(problem(a, b), CycleError)


def test_what_leads_to_a_cycle_or_follows_it_is_not_part_of_it() -> None:
    error = problem(
        Task("before", work),
        Task("a", work, ["b", "before"]),
        Task("b", work, ["a"]),
        Task("after", work, ["b"]),
    )
    assert isinstance(error, CycleError)
    assert set(error.path) == {"a", "b"}


def test_several_cycles_are_all_shown() -> None:
    error = problem(*(Task(one, work, [other]) for one, other in ("ab", "ba", "cd", "dc", "ee")))
    assert isinstance(error, InvalidWorkflowError)
    paths = [one.path for one in error.problems if isinstance(one, CycleError)]
    assert paths == [("a", "b", "a"), ("c", "d", "c"), ("e", "e")]


def test_a_cycle_as_long_as_a_big_workflow_is_found() -> None:
    size = 20_000
    error = problem(*(Task(f"t{n}", work, [f"t{(n + 1) % size}"]) for n in range(size)))
    assert isinstance(error, CycleError)
    assert len(error.path) == size + 1


# --- Dependencies


def test_a_missing_dependency_is_named_with_the_nearest() -> None:
    load = Task("load", work, dependencies=["transfrom"])
    error = problem(Task("transform", work), load)
    assert isinstance(error, MissingDependencyError)
    expected = "task 'load' depends on 'transfrom', which does not exist; did you mean 'transform'?"
    assert error.message == expected
    assert error.where == load.where
    assert line_at(error.where).startswith("load = Task(")


def test_a_missing_dependency_without_a_near_name_says_what_to_do() -> None:
    error = problem(Task("load", work, dependencies=["zzz"]))
    assert isinstance(error, MissingDependencyError)
    assert "add it to the workflow" in str(error)


def test_a_task_that_was_not_added_is_missing() -> None:
    forgotten = Task("forgotten", work)
    error = problem(Task("load", work, dependencies=[forgotten]))
    assert isinstance(error, MissingDependencyError)
    assert "'forgotten'" in str(error)
    assert forgotten.where in str(error)
    assert "add it" in str(error)


def test_another_task_of_the_same_name_does_not_stand_in_for_it() -> None:
    error = problem(Task("a", work), Task("load", work, dependencies=[Task("a", work)]))
    assert isinstance(error, MissingDependencyError)


def test_a_task_that_was_not_added_is_missing_among_arguments_too() -> None:
    error = problem(Task("load", work, args=[{"k": [Task("forgotten", work)]}]))
    assert isinstance(error, MissingDependencyError)


@pytest.mark.parametrize("wrong", [3, None, print, ["a"]], ids=str)
def test_a_dependency_that_is_no_task_is_refused(wrong: Any) -> None:
    load = Task("load", work, dependencies=[wrong])
    error = problem(Task("a", work), load)
    assert isinstance(error, MissingDependencyError)
    assert "a dependency is a task, an output or a name" in str(error)
    assert error.where == load.where


def test_one_name_where_a_list_is_meant_is_shown_how_to_write_it() -> None:
    error = problem(Task("extract", work), Task("load", work, dependencies="extract"))
    assert isinstance(error, OptionError)
    assert "write dependencies=['extract']" in str(error)


@pytest.mark.parametrize("wrong", [3, {"a": 1}, print], ids=str)
def test_dependencies_that_are_no_list_are_refused(wrong: Any) -> None:
    assert isinstance(problem(Task("a", work), Task("load", work, dependencies=wrong)), OptionError)


# --- Names


def test_a_name_given_twice_is_shown_with_both_places() -> None:
    first = Task("load", work)
    second = Task("load", work)
    error = problem(first, second)
    assert isinstance(error, DuplicateTaskError)
    assert "'load'" in str(error)
    assert first.where in error.message
    assert error.where == second.where


def test_a_task_added_twice_is_a_duplicate() -> None:
    once = Task("load", work)
    assert isinstance(problem(once, once), DuplicateTaskError)


@pytest.mark.parametrize("name", ["", None, 3, "a\nb", "a\x1b[31m", "\ud800", ["a"]], ids=repr)
def test_a_name_that_is_no_printable_text_is_refused(name: Any) -> None:
    wrong = Task(name, work)
    error = problem(wrong)
    assert isinstance(error, OptionError)
    assert error.where == wrong.where


@pytest.mark.parametrize("name", ["überweisen", "load the data", "a/b", "../x", "日本", "a'b", "x" * 300])
def test_a_name_may_be_anything_printable(name: str) -> None:
    assert WorkflowManager("memory").compile(flow_of(Task(name, work))).names == (name,)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_workflow_has_a_name(name: Any) -> None:
    error = refusal(Workflow(name))
    assert isinstance(error, OptionError)
    assert line_at(error.where) == "error = refusal(Workflow(name))"


# --- What is called


@pytest.mark.parametrize("wrong", [None, "extract", 3, ["f"], {"f": 1}], ids=repr)
def test_what_cannot_be_called_is_refused(wrong: Any) -> None:
    extract = Task("extract", wrong)
    error = problem(extract)
    assert isinstance(error, NotCallableError)
    assert "'extract'" in str(error)
    assert "give it a function" in str(error)
    assert error.where == extract.where


def test_a_function_that_was_called_too_early_is_told() -> None:
    @task
    def extract() -> int:
        return 1

    with Workflow("flow") as flow:
        flow.add_task(Task("x", extract()))  # type: ignore[arg-type]
    error = refusal(flow)
    assert isinstance(error, NotCallableError)
    assert "pass the function itself" in str(error)


@pytest.mark.parametrize("wrong", ["extract", work, None])
def test_what_is_added_is_a_task(wrong: Any) -> None:
    error = problem(wrong)
    assert isinstance(error, DefinitionError)
    assert "Task(name, function)" in str(error)


class Called:
    def __call__(self, x: int) -> int:
        return x

    def method(self, x: int) -> int:
        return x

    @classmethod
    def of_class(cls, x: int) -> int:
        return x

    @staticmethod
    def static(x: int) -> int:
        return x


CALLABLES: dict[str, Callable[..., Any]] = {
    "lambda": lambda x: x,
    "object": Called(),
    "method": Called().method,
    "class method": Called.of_class,
    "static method": Called.static,
    "class": Called.__mro__[-1],
    "partial": partial(lambda a, x: x, 1),
    "builtin": len,
    "type": str,
    "default": lambda x, y=2: x,
    "star": lambda *x: x,
    "task function": task(lambda x: x),
}


@pytest.mark.parametrize("kind", CALLABLES)
def test_whatever_can_be_called_may_be_a_task(kind: str) -> None:
    args = [] if kind == "class" else ["value"]
    assert WorkflowManager("memory").compile(flow_of(Task("x", CALLABLES[kind], args=args))).names == ("x",)


# --- Arguments


def two(a: int, b: int = 2, *, c: int = 3) -> None: ...


MISFITS: dict[str, tuple[Any, Any]] = {
    "too few": ((), None),
    "too many": ((1, 2, 3), None),
    "unknown name": ((1,), {"z": 1}),
    "given twice": ((1,), {"a": 1}),
    "positional for keyword": ((1, 2, 3), {"c": 3}),
    "text for a name": ((1,), {1: 2}),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_arguments_that_do_not_fit_are_shown_with_the_signature(kind: str) -> None:
    args, kwargs = MISFITS[kind]
    wrong = Task("load", two, args=args, kwargs=kwargs)
    error = problem(wrong)
    assert isinstance(error, ArgumentsError)
    assert "task 'load'" in str(error)
    assert "two(a: 'int', b: 'int' = 2, *, c: 'int' = 3)" in str(error)
    assert error.where == wrong.where


@pytest.mark.parametrize("kind", ["method", "object", "lambda", "builtin", "partial", "task function"])
def test_arguments_are_checked_whatever_is_called(kind: str) -> None:
    assert isinstance(problem(Task("x", CALLABLES[kind], args=[1, 2, 3])), ArgumentsError)


def test_a_missing_keyword_argument_is_found() -> None:
    def needs(*, c: int) -> None: ...

    assert isinstance(problem(Task("x", needs)), ArgumentsError)
    assert isinstance(problem(Task("x", needs, args=[1])), ArgumentsError)


def test_dependencies_alone_pass_nothing() -> None:
    error = problem(Task("a", work), Task("b", two, dependencies=["a"]))
    assert isinstance(error, ArgumentsError)
    assert "missing a required argument: 'a'" in str(error)


def test_a_call_of_a_task_function_that_does_not_fit_is_shown_with_its_line() -> None:
    @task
    def load(rows: int) -> None: ...

    @workflow
    def flow() -> None:
        load()  # type: ignore[call-arg]

    error = refusal(flow)
    assert isinstance(error, ArgumentsError)
    assert line_at(error.where).startswith("load()")


def test_a_callable_that_does_not_tell_what_it_takes_is_believed() -> None:
    class Silent:
        __signature__ = "nonsense"

        def __call__(self, x: int) -> None: ...

    assert WorkflowManager("memory").compile(flow_of(Task("x", Silent(), args=[1, 2])))


@pytest.mark.parametrize(("args", "kwargs"), [(5, None), (None, None), ((), [1]), ((), "ab")], ids=repr)
def test_arguments_that_are_no_arguments_are_refused(args: Any, kwargs: Any) -> None:
    wrong = Task("load", work, args=args, kwargs=kwargs)
    error = problem(wrong)
    assert "'load'" in str(error)
    assert error.where == wrong.where


# --- All together


def test_all_problems_of_a_workflow_are_told_at_once() -> None:
    flow = flow_of(
        Task("a", work, ["b"]),
        Task("b", work, ["a"]),
        Task("c", None),  # type: ignore[arg-type]
        Task("c", work),
        Task("d", two),
        Task("e", work, ["zzz", "yyy"], retries=-1, timeout=0),
        Task("", work),
    )
    error = refusal(flow)
    assert isinstance(error, InvalidWorkflowError)
    kinds = sorted(type(one).__name__ for one in error.problems)
    assert kinds == [
        "ArgumentsError",
        "CycleError",
        "DuplicateTaskError",
        "MissingDependencyError",
        "MissingDependencyError",
        "NotCallableError",
        "OptionError",
        "OptionError",
        "OptionError",
    ]
    assert str(error).startswith("workflow 'flow' has 9 problems:")
    for one in error.problems:
        assert f"{type(one).__name__}: {one}" in str(error)
        assert one.where is not None
        assert one.where in str(error)


def test_a_missing_dependency_does_not_hide_a_cycle_through_the_same_task() -> None:
    error = problem(Task("a", work, ["b", "zzz"]), Task("b", work, ["a"]))
    assert isinstance(error, InvalidWorkflowError)
    assert {type(one) for one in error.problems} == {CycleError, MissingDependencyError}


def test_nothing_runs_if_anything_is_wrong() -> None:
    ran: list[str] = []
    manager = WorkflowManager("memory")
    manager.add_task(Task("fine", lambda: ran.append("fine")))
    manager.add_task(Task("wrong", work, ["zzz"]))
    with pytest.raises(MissingDependencyError):
        manager.run()
    assert ran == []
    assert manager.runs() == []


def test_what_is_no_workflow_is_refused() -> None:
    def flights() -> None: ...

    with pytest.raises(DefinitionError, match="add @workflow to it"):
        WorkflowManager("memory").run(flights)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="is not a workflow"):
        WorkflowManager("memory").run("flights")  # type: ignore[arg-type]


def test_checking_a_big_workflow_takes_no_recursion() -> None:
    plan = WorkflowManager("memory").compile(
        flow_of(*(Task(f"t{n}", work, [f"t{n - 1}"] if n else []) for n in range(20_000)))
    )
    assert len(plan) == 20_000


def test_upstreams_are_ascending_whether_they_are_awaited_or_taken() -> None:
    tasks: list[Task] = [Task(f"t{number}", work) for number in range(9)]
    last = Task("last", work, [tasks[8]], args=[tasks[1]])
    assert plan_of(flow_of(*tasks, last)).upstreams[9] == (1, 8)


def test_a_decorated_function_is_called_as_the_one_that_it_stands_for() -> None:
    def two(x: object, y: object) -> None: ...

    @wraps(two)
    def around(*values: object, **more: object) -> None: ...

    assert "do not fit two(x" in str(problem(Task("a", around, args=[1])))
    assert len(plan_of(flow_of(Task("a", around, args=[1, 2])))) == 1


def test_what_is_wrong_with_tasks_is_told_before_what_is_wrong_with_the_graph() -> None:
    def takes(value: object) -> None: ...

    fails = Task("fails", work, retries=-1)
    error = problem(fails, Task("b", takes, args=[fails], trigger_rule="all_done"))
    assert isinstance(error, OptionError)
