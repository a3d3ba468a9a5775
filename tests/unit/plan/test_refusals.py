"""What is refused and would otherwise go unnoticed: of workflows as a whole, of arguments, and of stored plans."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from penstock import Task, Workflow
from penstock.errors import InvalidWorkflowError, StoreCorrupt
from penstock.plan.codec import decode, encode
from penstock.plan.plan import Plan
from tests.simulation.plans import make_plan
from tests.unit.plan.refusals import flow_of, refusal, work

# --- Workflows


def test_tags_are_texts() -> None:
    flow: Any = Workflow("flow")
    flow.tags = ("daily", 7)
    flow.add_task(Task("one", work))
    assert "tags=('daily', 7) are not texts" in str(refusal(flow))


def test_defaults_are_a_dict() -> None:
    flow: Any = Workflow("flow")
    flow.defaults = ["retries"]
    flow.add_task(Task("one", work, retries=1))
    assert "defaults=['retries'] are not a dict of options" in str(refusal(flow))


def test_arguments_do_not_contain_themselves() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "the arguments of task 'one' contain themselves" in str(refusal(flow_of(Task("one", work, args=[endless]))))


def test_a_hint_is_given_for_the_first_twenty_names_that_do_not_exist() -> None:
    tasks = [Task(f"task{number}", work, dependencies=[f"tusk{number}"]) for number in range(25)]
    problems = refusal(flow_of(*tasks))
    assert isinstance(problems, InvalidWorkflowError)
    hints = ["did you mean" in str(problem) for problem in problems.problems]
    assert hints == [True] * 20 + [False] * 5


def test_a_bound_is_told_with_its_unit_where_it_has_one() -> None:
    assert "retry_backoff=-1 is not 0 or more (" in str(refusal(flow_of(Task("one", work, retry_backoff=-1))))
    assert "retry_delay=-1 is not 0 or more seconds (" in str(refusal(flow_of(Task("one", work, retry_delay=-1))))


# --- Stored plans

COLUMNS = ("upstreams", "inputs", "policies", "functions", "digests", "wiring", "places")
PLAN = make_plan([[], [0], [1]])


def test_a_plan_has_these_columns() -> None:
    assert {field.name for field in fields(Plan)} >= set(COLUMNS)
    assert decode(encode(PLAN)) == PLAN
    assert (PLAN.build, PLAN.selection) == ("{}", "")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_stored_plan_has_a_row_in_each_column_for_each_task(column: str) -> None:
    shorter: dict[str, Any] = {column: getattr(PLAN, column)[:-1]}
    with pytest.raises(StoreCorrupt, match="its columns differ in length"):
        decode(encode(replace(PLAN, **shorter)))


@pytest.mark.parametrize("task", [3, -1, 1.0, True, "0", None], ids=repr)
@pytest.mark.parametrize("column", ["upstreams", "inputs"])
def test_a_task_of_a_stored_plan_depends_on_tasks_that_are_there(column: str, task: Any) -> None:
    other: dict[str, Any] = {column: ((), (0,), (task,))}
    with pytest.raises(StoreCorrupt, match="a task depends on one that is not there"):
        decode(encode(replace(PLAN, **other)))


def test_equal_plans_have_equal_bytes_however_their_sets_were_made() -> None:
    one, other = frozenset([0, 8]), frozenset([8, 0])
    graph: list[list[int]] = [[]] * 9
    assert encode(make_plan(graph, numbered=one)) == encode(make_plan(graph, numbered=other))
