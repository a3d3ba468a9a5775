"""How far a run is, told by hand."""

from __future__ import annotations

import pytest

from penstock import task, task_group, workflow
from penstock.code.identity import Identify
from penstock.engine.states import TaskState
from penstock.observe.progress import Progress, ended_of
from penstock.plan.compile import compile_workflow
from penstock.plan.plan import Plan
from tests.unit.observe.test_drawing import plan_of


@task
def load(number: int) -> int:
    return number


@task
def check(number: int) -> int:
    return number


@task_group
def each(number: int) -> int:
    return check(load(number))


@workflow
def mapped() -> None:
    each.expand(number=[1, 2, 3])
    load.named("alone")(1)


@pytest.fixture
def plan() -> Plan:
    return compile_workflow(mapped.build({}), Identify()).plan


def counted(progress: Progress) -> dict[str, int]:
    return {state.label: number for state, number in progress.counts().items() if number}


def test_news_of_an_older_attempt_does_not_hide_the_newer():
    progress = Progress(plan_of([()]))
    progress.started(0, -1, 1)
    progress.started(0, -1, 2)
    progress.ended(0, -1, 1, TaskState.RETRYING)
    assert counted(progress) == {"running": 1}
    progress.ended(0, -1, 2, TaskState.SUCCESS)
    assert counted(progress) == {"success": 1}


def test_what_expands_a_group_is_no_task(plan: Plan):
    progress = Progress(plan)
    assert len(plan) == 4
    assert counted(progress) == {"pending": 3}


def test_the_instances_of_a_map_are_tasks_once_they_are_known(plan: Plan):
    progress, rows = Progress(plan), plan.numbers
    progress.expanded(rows["each"], 3)
    assert counted(progress) == {"pending": 3 + 3 + 1}
    progress.started(rows["each.load"], 0, 1)
    progress.started(rows["each.load"], 1, 1)
    progress.ended(rows["each.load"], 1, 1, TaskState.SUCCESS)
    progress.started(rows["alone"], -1, 1)
    assert counted(progress) == {"pending": 4, "running": 2, "success": 1}
    assert progress.running_names() == ["alone", "each.load[]"]
    for index in range(3):
        progress.note(rows["each.load"], index, TaskState.SUCCESS)
        progress.note(rows["each.check"], index, TaskState.FAILED)
    progress.ended(rows["alone"], -1, 1, TaskState.SUCCESS)
    assert counted(progress) == {"success": 4, "failed": 3}
    assert ended_of(progress.counts()) == 7
    assert progress.running_names() == []


def test_a_map_over_nothing_is_skipped_and_counts_as_one_task():
    progress = Progress(plan_of([(), ()]))
    progress.expanded(1, 0)
    assert counted(progress) == {"pending": 1, "skipped": 1}


def test_tasks_that_were_done_before_are_done():
    assert counted(Progress(plan_of([(), ()], ["one", "two"]), {"two", "gone"})) == {"pending": 1, "success": 1}
