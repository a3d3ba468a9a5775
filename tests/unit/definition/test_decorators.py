"""`@task` and `@workflow`."""

from __future__ import annotations

import functools
import pickle
import threading
from datetime import date
from typing import Any

import pytest

from penstock import Task, Workflow, WorkflowManager, task, task_group, workflow
from penstock.definition.placeholder import Output
from penstock.errors import DefinitionError, DuplicateTaskError, OptionError, ParameterError
from penstock.plan.plan import Plan
from tests.unit.definition.places import line_at


@task
def double(x: int) -> int:
    """Twice."""
    return 2 * x


@task(retries=2, retry_delay=5)
def fetch(day: date) -> str:
    return day.isoformat()


def compiled(flow: Any, **params: Any) -> Plan:
    return WorkflowManager("memory").compile(flow, params)


# --- @task


def test_outside_of_a_workflow_a_task_function_is_the_plain_function() -> None:
    assert double(4) == 8
    assert double(x=4) == 8
    assert fetch(date(2013, 1, 1)) == "2013-01-01"


def test_it_keeps_what_a_function_says_of_itself() -> None:
    assert double.__name__ == "double"  # type: ignore[attr-defined]
    assert double.__doc__ == "Twice."
    assert double.__wrapped__(1) == 2
    assert "double" in repr(double)


def test_inside_of_a_workflow_a_call_makes_a_task_and_gives_its_output() -> None:
    with Workflow("flow") as flow:
        out = double(1)
    assert isinstance(out, Output)
    assert compiled(flow).names == ("double",)


def test_an_output_that_is_passed_on_makes_an_edge_that_carries_the_value() -> None:
    with Workflow("flow") as flow:
        double(double(1))
    plan = compiled(flow)
    assert plan.upstreams == ((), (0,))
    assert plan.inputs == ((), (0,))


def test_a_task_knows_the_line_of_its_call() -> None:
    with Workflow("flow") as flow:
        double(1)
        double(2)
    first, second = compiled(flow).places
    line = flow.tasks[0].line
    assert (first, second) == (f"{__file__}:{line}", f"{__file__}:{line + 1}")
    assert line_at(first) == "double(1)"


def test_repeated_calls_are_numbered() -> None:
    with Workflow("flow") as flow:
        for number in range(4):
            double(number)
    plan = compiled(flow)
    assert plan.names == ("double", "double__1", "double__2", "double__3")
    assert plan.numbered == frozenset(range(4))


def test_numbering_passes_over_names_that_are_taken() -> None:
    with Workflow("flow") as flow:
        double.named("double__1")(0)
        flow.add_task(Task("double__2", double.func, args=[0]))
        double(1)
        double(2)
    assert compiled(flow).names == ("double__1", "double__2", "double", "double__3")


def test_a_name_can_be_given_where_it_is_called() -> None:
    with Workflow("flow") as flow:
        double.named("x")(1)
        double.options(name="y")(1)
        double(1)
    plan = compiled(flow)
    assert plan.names == ("x", "y", "double")
    assert plan.numbered == frozenset({2})


def test_a_name_can_be_given_where_it_is_defined() -> None:
    @task(name="twice")
    def double_it(x: int) -> int:
        return 2 * x

    with Workflow("flow") as flow:
        double_it(1)
    plan = compiled(flow)
    assert plan.names == ("twice",)
    assert not plan.numbered


def test_an_explicit_name_given_twice_is_an_error_and_is_not_numbered() -> None:
    with Workflow("flow") as flow:
        double.named("x")(1)
        double.named("x")(2)
    with pytest.raises(DuplicateTaskError, match="'x'"):
        compiled(flow)


def test_options_are_those_of_the_decorator_unless_the_call_says_otherwise() -> None:
    with Workflow("flow") as flow:
        fetch(date(2013, 1, 1))
        fetch.options(retries=7)(date(2013, 1, 2))
    first, second = compiled(flow).policies
    assert (first.retries, first.retry_delay) == (2, 5.0)
    assert (second.retries, second.retry_delay) == (7, 5.0)


def test_options_do_not_change_the_function_they_are_asked_of() -> None:
    fetch.options(retries=9, name="other", after="nothing")
    with Workflow("flow") as flow:
        fetch(date(2013, 1, 1))
    assert compiled(flow).policies[0].retries == 2


def test_after_is_order_without_data() -> None:
    with Workflow("flow") as flow:
        a = double.named("a")(1)
        b = flow.add_task(Task("b", print))
        double.options(after=a).named("c")(1)
        double.named("d").options(after=[a, b, "c"])(1)
        double.options(after="a").options(after="b", name="e")(1)
    plan = compiled(flow)
    assert plan.upstreams == ((), (), (0,), (0, 1, 2), (0, 1))
    assert set(plan.inputs) == {()}


def test_a_method_stays_a_method() -> None:
    class Source:
        def __init__(self, table: str) -> None:
            self.table = table

        @task
        def read(self, limit: int) -> str:
            return f"{self.table}:{limit}"

    source = Source("flights")
    assert source.read(3) == "flights:3"
    with Workflow("flow") as flow:
        source.read(3)
    run = WorkflowManager("memory", observers=[]).run(flow)
    assert run.task("read").result == "flights:3"


def test_a_task_function_called_by_another_at_run_time_is_plain() -> None:
    @task
    def quadruple(x: int) -> int:
        return double(double(x))

    with Workflow("flow") as flow:
        quadruple(3)
    run = WorkflowManager("memory", observers=[]).run(flow)
    assert [one.name for one in run.tasks] == ["quadruple"]
    assert run.task("quadruple").result == 12


def test_a_task_function_can_be_pickled() -> None:
    fetch_it = task(len)
    assert pickle.loads(pickle.dumps(fetch_it))("four") == 4


def test_the_decorator_itself_and_group_functions_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(task)) is task
    assert pickle.loads(pickle.dumps(task_group(len)))("four") == 4
    assert repr(task) == "<the decorator @task>"


def test_what_decides_is_a_task_function_like_any_other() -> None:
    @task.branch
    def choose(x: int) -> str:
        return "a"

    @task.short_circuit(name="gate", retries=2)
    def is_even(x: int) -> bool:
        return x % 2 == 0

    over = task.branch(task(retries=3)(repr))
    assert (choose(1), is_even(3)) == ("a", False)
    with Workflow("flow") as flow:
        choose(1)
        is_even.options(retries=1)(2)
        over("x")
    plan = compiled(flow)
    assert plan.names == ("choose", "gate", "repr")
    assert [policy.decides for policy in plan.policies] == ["branch", "short_circuit", "branch"]
    assert [policy.retries for policy in plan.policies] == [0, 1, 3]


def test_conditions_stand_above_the_task_and_keep_what_is_below() -> None:
    def yes() -> bool:
        return True

    @task.run_if(yes)
    @task.skip_if(print)
    @task(name="named", retries=2)
    def anything() -> int:
        return 3

    assert anything() == 3
    with Workflow("flow") as flow:
        anything()
    assert flow.tasks[0].name == "named"
    assert flow.tasks[0].options == {"retries": 2, "skip_if": print, "run_if": yes}


@pytest.mark.parametrize("option", ["run_if", "skip_if"])
def test_a_condition_is_put_on_a_task_once(option: str) -> None:
    decorate = getattr(task, option)
    with pytest.raises(
        DefinitionError, match=rf"@task.{option}\(...\) stands above @task: .* is no task yet"
    ) as caught:
        decorate(bool)(double.func)
    assert line_at(caught.value.where) == "decorate(bool)(double.func)"
    with pytest.raises(DefinitionError, match=f"has a {option} already: put both conditions into one function"):
        decorate(bool)(decorate(bool)(double))


def test_workflows_can_be_built_one_within_the_other() -> None:
    with Workflow("outer") as outer:
        double(1)
        with Workflow("inner") as inner:
            double(2)
        double(3)
    assert compiled(outer).names == ("double", "double__1")
    assert compiled(inner).names == ("double",)


def test_a_workflow_that_is_left_by_an_error_collects_nothing_more() -> None:
    with pytest.raises(ZeroDivisionError), Workflow("flow") as flow:
        raise ZeroDivisionError
    assert double(2) == 4
    assert flow.tasks == []


def test_a_workflow_can_be_gone_on_with() -> None:
    with Workflow("flow") as flow:
        double(1)
    with flow:
        double(2)
    assert compiled(flow).names == ("double", "double__1")


def test_another_thread_does_not_fill_the_workflow_of_this_one() -> None:
    results = []
    with Workflow("flow") as flow:
        thread = threading.Thread(target=lambda: results.append(double(5)))
        thread.start()
        thread.join()
    assert results == [10]
    assert flow.tasks == []


# --- @workflow


@workflow
def flights(day: date = date(2013, 1, 1), limit: int = 10) -> None:
    """The flights of a day."""
    double.named("limit")(limit)
    fetch(day)


def test_the_signature_is_the_parameters() -> None:
    assert list(flights.parameters) == ["day", "limit"]
    assert flights.parameters["day"].annotation is date
    assert flights.name == "flights"
    assert flights.__doc__ == "The flights of a day."


def test_the_function_is_called_once_with_placeholders() -> None:
    seen: list[Any] = []

    @workflow
    def watched(day: date = date(2013, 1, 1)) -> None:
        seen.append(day)
        fetch(day)

    run = WorkflowManager("memory", observers=[]).run(watched, day=date(2013, 1, 2))
    assert len(seen) == 1
    assert repr(seen[0]) == "<parameter 'day'>"
    assert run.task("fetch").result == "2013-01-02"


def test_the_plan_does_not_depend_on_the_parameters() -> None:
    assert compiled(flights, day=date(2013, 1, 2)) == compiled(flights)


def test_a_workflow_function_is_not_called_like_a_function() -> None:
    with pytest.raises(DefinitionError, match=r"WorkflowManager\(\)\.run\(flights"):
        flights()


def test_build_parameters_have_values_and_shape_the_graph() -> None:
    @workflow(build=["months"])
    def by_month(months: int = 3, scale: int = 1) -> None:
        for month in range(months):
            double.named(f"month_{month + 1}")(scale)

    assert compiled(by_month).names == ("month_1", "month_2", "month_3")
    assert compiled(by_month, months=1).names == ("month_1",)
    assert compiled(by_month, months=1).build != compiled(by_month).build


def test_a_build_parameter_of_the_wrong_type_is_refused_before_the_function_is_called() -> None:
    @workflow(build=["months"])
    def by_month(months: int = 3) -> None:
        raise AssertionError("called")

    with pytest.raises(ParameterError, match=r"'months': 'three' is not int"):
        compiled(by_month, months="three")


def test_a_build_parameter_that_does_not_exist_is_an_error_at_once() -> None:
    with pytest.raises(OptionError, match=r"'month'") as caught:

        @workflow(build=["month"])
        def by_month(months: int = 3) -> None: ...

    assert caught.value.where is not None
    assert caught.value.where.startswith(f"{__file__}:")


def test_options_of_the_workflow() -> None:
    @workflow(name="nightly", timeout=60, defaults={"retries": 4}, tags=["etl"])
    def anything() -> None:
        double(1)
        fetch(date(2013, 1, 1))

    plan = compiled(anything)
    assert (plan.workflow, plan.timeout, plan.tags) == ("nightly", 60.0, ("etl",))
    assert [policy.retries for policy in plan.policies] == [4, 2]


def test_an_option_that_does_not_exist_is_an_error_that_says_where() -> None:
    def anything() -> None:
        double(1)

    with pytest.raises(DefinitionError, match=r"timeuot.*did you mean 'timeout'") as caught:
        compiled(workflow(timeuot=60)(anything))  # type: ignore[call-overload]
    assert caught.value.where is not None
    with pytest.raises(DefinitionError, match="on_fail'; did you mean 'on_failure'"):
        compiled(workflow(on_fail=print)(anything))  # type: ignore[call-overload]
    with pytest.raises(DefinitionError, match=r"there are timeout, defaults, .*on_cancel"):
        compiled(workflow(zzz=1)(anything))  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["*days", "**days"])
def test_parameters_without_names_are_refused(kind: str) -> None:
    namespace: dict[str, Any] = {"workflow": workflow}
    with pytest.raises(OptionError, match="name its parameters"):
        exec(f"@workflow\ndef anything({kind}): ...", namespace)


def test_parameters_may_be_positional_only_or_keyword_only() -> None:
    @workflow
    def anything(first: int, /, second: int = 2, *, third: int) -> None:
        double.named("a")(first)
        double.named("b")(second)
        double.named("c")(third)

    run = WorkflowManager("memory", observers=[]).run(anything, first=1, third=3)
    assert [one.result for one in run.tasks] == [2, 4, 6]


def test_what_is_no_plain_function_cannot_be_a_workflow() -> None:
    with pytest.raises(DefinitionError, match="put @workflow on a plain function"):
        workflow(functools.partial(print, "a"))
