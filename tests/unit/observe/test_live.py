"""The live view, told events by hand."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from threading import Thread
from unittest.mock import Mock

import pytest

from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.observe import live
from penstock.observe.live import LiveView
from tests.unit.observe.test_drawing import plan_of


class Screen(io.StringIO):
    """A terminal that keeps all that is drawn."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}.items():
        monkeypatch.setenv(name, value)
    return Screen()


def rows(screen: Screen) -> list[str]:
    """The lines that are left when the view is closed."""
    text = screen.getvalue().rpartition("\x1b[2K")[2]
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()]


def test_the_last_state_of_each_task_stays(screen: Screen):
    plan = plan_of([(), (), (), (0, 1)], ["good", "bad", "before", "below"])
    view = LiveView(screen, done={"before", "gone"})
    view.run_started("abc", plan, 1)
    for task in (0, 1):
        view.attempt_started(task, -1, 1)
    view.attempt_ended(0, -1, 1, TaskState.SUCCESS, None, 1.5)
    view.attempt_ended(1, -1, 1, TaskState.FAILED, ErrorText("ValueError", "no\nmore"), 0.25)
    view.tasks_settled([(3, -1)], TaskState.UPSTREAM_FAILED)
    view.run_ended("failed", None, {}, 2.0)
    view.close()
    view.close()
    assert "Run abc of flow: 4 tasks, 1 of them done before" in screen.getvalue()
    assert "Task bad failed: ValueError: no" in screen.getvalue()
    assert [re.sub(" +", " ", row) for row in rows(screen) if row] == [
        "✓ good 1.5 s",
        "✗ bad 0.25 s failed",
        "✓ before",
        "⊘ below upstream_failed",
    ]


@pytest.mark.parametrize(
    ("outcomes", "row"),
    [
        ([TaskState.SUCCESS, TaskState.SUCCESS, TaskState.SUCCESS], "✓ task_1 3 of 3"),
        ([TaskState.FAILED, TaskState.CANCELLED, TaskState.SUCCESS], "✗ task_1 3 of 3, 1 failed, 1 cancelled"),
        ([TaskState.CANCELLED, TaskState.SUCCESS, TaskState.FAILED], "✗ task_1 3 of 3, 1 failed, 1 cancelled"),
        ([TaskState.SKIPPED, TaskState.SKIPPED, TaskState.SKIPPED], "↷ task_1 3 of 3, 3 skipped"),
        ([TaskState.SKIPPED, TaskState.FAILED], "▸ task_1 2 of 3, 1 failed, 1 skipped"),
    ],
)
def test_a_map_shows_the_worst_of_its_instances_when_all_have_ended(
    screen: Screen, outcomes: list[TaskState], row: str
):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([(), (0,)]), 0)
        view.map_expanded(1, 3)
        for index, state in enumerate(outcomes):
            if state in (TaskState.SUCCESS, TaskState.FAILED):
                view.attempt_started(1, index, 1)
                view.attempt_ended(1, index, 1, state, None, 0.1)
            else:
                view.tasks_settled([(1, index)], state)
    assert [" ".join(shown.split()) for shown in rows(screen) if "task_1" in shown] == [row]


def test_an_instance_that_begins_anew_is_counted_once(screen: Screen):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()]), 0)
        view.map_expanded(0, 2)
        for state in (TaskState.FAILED, TaskState.SUCCESS):
            for index in (0, 1):
                view.attempt_started(0, index, 1)
                view.attempt_ended(0, index, 1, state, None, 0.1)
        view.tasks_marked([(0, 1)], "skipped", "marked by ann: not today")
    assert " ".join(rows(screen)[0].split()) == "✓ task_0 2 of 2, 1 skipped"
    assert "Task task_0[1] marked as skipped by ann: not today" in screen.getvalue()


def test_text_of_many_threads_arrives_whole(screen: Screen, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", screen)
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()] * 100), 0)

        def write(number: int) -> None:
            for line in range(200):
                view.echo("stdout", f"thread {number} line {line}\n")

        threads = [Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    shown = re.findall(r"(thread \d line \d+)$", screen.getvalue(), re.MULTILINE)
    assert sorted(shown) == sorted(f"thread {number} line {line}" for number in range(4) for line in range(200))


def test_text_goes_to_its_stream_when_that_is_elsewhere_or_the_view_is_closed(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
):
    elsewhere = io.StringIO()
    monkeypatch.setattr(sys, "stderr", elsewhere)
    monkeypatch.setattr(sys, "stdout", elsewhere)
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()]), 0)
        view.echo("stderr", "to a file\n")
    view.echo("stdout", "late\n")
    assert elsewhere.getvalue() == "to a file\nlate\n"
    assert "to a file" not in screen.getvalue()


def test_a_terminal_that_went_away_does_not_matter(screen: Screen):
    with LiveView(screen) as view:
        view.run_started("abc", plan_of([()]), 0)
        screen.close()
        view.attempt_started(0, -1, 1)
        view.attempt_ended(0, -1, 1, TaskState.SUCCESS, None, 0.1)


def test_large_plans_show_what_runs(screen: Screen):
    plan = plan_of([()] * 10_000)
    with LiveView(screen) as view:
        view.run_started("abc", plan, 0)
        for task in range(20):
            view.attempt_started(task, -1, 1)
        view._draw()
        drawn = screen.getvalue()
    assert "task_9 " in drawn
    assert "task_10 " not in drawn
    assert "… and 10 more running" in drawn
    assert "20 running" in drawn
    assert "9,980 waiting" in drawn
    assert not any("task_" in row for row in rows(screen))


class Ticks:
    """The pauses between drawings: in each something happens, and the time goes on."""

    def __init__(self, view: LiveView, happenings: dict[int, Callable[[], None]], most: int) -> None:
        self.now = 1000.0
        self.drawn: list[int] = []
        """The pauses after which it was drawn."""
        self._tick = 0
        self._happenings, self._most = happenings, most
        view._draw, self._draw = self._drawing, view._draw  # type: ignore[method-assign]

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self._tick += 1
        self._happenings.get(self._tick, int)()
        return self._tick > self._most

    def _drawing(self) -> None:
        self.drawn.append(self._tick)
        self._draw()


def test_it_is_drawn_when_something_happens_or_runs_and_else_once_a_second(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "Thread", Mock())
    view = LiveView(screen)
    view.run_started("abc", plan_of([(), ()], ["runs", "looks"]), 0)
    happenings: dict[int, Callable[[], None]] = {
        10: lambda: view.tasks_settled([(1, -1)], TaskState.SKIPPED),
        21: lambda: view.attempt_started(0, -1, 1),
        24: lambda: view.attempt_ended(0, -1, 1, TaskState.DEFERRED, None, 0.1),
    }
    ticks = Ticks(view, happenings, most=34)
    with monkeypatch.context() as patch:
        patch.setattr(live, "monotonic", ticks.monotonic)
        patch.setattr(view, "_closing", ticks)
        view._draw_on()
    assert ticks.drawn == [8, 10, 18, 21, 22, 23, 24, 32]
    view._thread = None
    view.close()
