"""The runs of tasks in the live view, told events by hand."""

from __future__ import annotations

import re

import pytest

from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.observe.live import LiveView
from penstock.observe.live_children import ChildView
from penstock.plan.plan import Plan
from tests.unit.observe.test_drawing import plan_of
from tests.unit.observe.test_live import Screen

INNER = plan_of([(), (0,)], ["extract", "add_up"])


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "20"}.items():
        monkeypatch.setenv(name, value)
    return Screen()


def begin(view: LiveView | ChildView, name: str, run_id: str, plan: Plan = INNER, done: int = 0) -> ChildView:
    child = view.for_child(name)
    child.run_started(run_id, plan, done)
    return child


def drawn(view: LiveView, screen: Screen) -> list[str]:
    """What is drawn now, without durations and surplus spaces."""
    screen.truncate(0)
    view._draw()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", screen.getvalue().rpartition("\x1b[2K")[2])
    bare = re.sub(r" [0-9.]+ (ms|s)\b", "", plain)
    return [" ".join(line.split()) for line in bare.splitlines() if line.strip()]


def test_the_run_of_a_task_is_shown_below_it_while_it_goes_on(screen: Screen):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([(), ()], ["north", "other"]), 0)
        child = begin(view, "north", "c0ffee")
        assert drawn(view, screen)[:3] == ["· north", "└ run c0ffee 0 of 2 tasks", "· other"]
        child.attempt_started(0, -1, 1)
        assert drawn(view, screen)[1] == "└ run c0ffee 0 of 2 tasks: extract"
        child.attempt_ended(0, -1, 1, TaskState.SUCCESS, None, 0.1)
        child.attempt_started(1, -1, 1)
        assert drawn(view, screen)[1] == "└ run c0ffee 1 of 2 tasks: add_up"
        child.attempt_ended(1, -1, 1, TaskState.DEFERRED, None, 0.1)
        assert drawn(view, screen)[1] == "└ run c0ffee 1 of 2 tasks, 1 deferred"
        child.run_ended("success", None, {}, 1.0)
        assert drawn(view, screen)[:2] == ["· north", "· other"]


def test_what_was_done_before_counts_when_a_run_is_taken_up_again(screen: Screen):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()], ["north"]), 0)
        old = begin(view, "north", "c0ffee")
        new = begin(view, "north", "c0ffee", done=1)
        old.run_ended("interrupted", None, {}, 1.0)
        new.attempt_started(1, -1, 2)
        assert drawn(view, screen)[1] == "└ run c0ffee 1 of 2 tasks: add_up"


def test_of_the_runs_of_a_map_the_first_few_are_shown(screen: Screen):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([(), ()], ["each", "other"]), 0)
        view.map_expanded(0, 1_000)
        children = [begin(view, f"each[{index}]", f"run{index}") for index in range(1_000)]
        shown = drawn(view, screen)
        assert [line.split(" run")[0] for line in shown[1:4]] == ["└ [0]", "└ [1]", "└ [2]"]
        assert shown[4:6] == ["└ … and 997 more runs", "· other"]
        for child in children[1:997]:
            child.run_ended("success", None, {}, 1.0)
        assert [line.split(" run")[0] for line in drawn(view, screen)[1:5]] == [
            "└ [0]", "└ [997]", "└ [998]", "└ [999]",
        ]  # fmt: skip


def test_there_are_no_more_lines_than_the_terminal_has(screen: Screen):
    names = [f"task_{number}" for number in range(14)]
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()] * 14, names), 0)
        for name in names:
            begin(view, name, f"of_{name}")
        assert len(drawn(view, screen)) <= 20


def test_large_plans_show_the_tasks_whose_runs_go_on(screen: Screen):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()] * 100), 0)
        begin(view, "task_77", "c0ffee")
        assert drawn(view, screen)[:2] == ["· task_77", "└ run c0ffee 0 of 2 tasks"]


def test_a_run_within_the_run_of_a_task_is_told_on_its_line(screen: Screen):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()], ["north"]), 0)
        child = begin(view, "north", "c0ffee", plan_of([()], ["inner"]))
        grandchild = begin(child, "inner", "facade")
        grandchild.attempt_started(0, -1, 1)
        assert drawn(view, screen)[1] == "└ run c0ffee 0 of 1 task: inner / extract"
        grandchild.attempt_ended(0, -1, 1, TaskState.FAILED, ErrorText("ValueError", "no"), 0.1)
        view._draw()
        assert "Task north / inner / extract failed: ValueError: no" in screen.getvalue()


def test_an_attempt_that_waits_again_after_a_failure_is_no_failure(screen: Screen):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()], ["north"]), 0)
        view.attempt_ended(0, -1, 3, TaskState.DEFERRED, ErrorText("RunFailed", "before"), 0.1)
    assert "RunFailed" not in screen.getvalue()
