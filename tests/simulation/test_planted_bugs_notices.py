"""What is checked of notices is worth something: each of these bugs, planted in what tells of runs, is found."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from penstock.engine.events import AttemptStarted, RunStarted
from penstock.engine.notices import Outbox
from penstock.engine.run import RunEngine
from tests.simulation.planted import Suits, must_show
from tests.simulation.scenario import Scenario, draw

MOST_WORLDS = 300
Plant = Callable[[pytest.MonkeyPatch], None]


def untold_skips(patch: pytest.MonkeyPatch) -> None:
    """Nobody is told of tasks that are skipped because of what became of others."""
    patch.setattr(RunEngine, "_tell_skipped", lambda self, slot, at: None)


def skips_told_again(patch: pytest.MonkeyPatch) -> None:
    """What is skipped anew, since the workflow has changed, is told of anew."""
    make = Outbox._make

    def forgetful(self: Outbox, *arguments: Any) -> Any:
        self.skips_told.clear()
        return make(self, *arguments)

    patch.setattr(Outbox, "_make", forgetful)


def untold_starts(patch: pytest.MonkeyPatch) -> None:
    """Only first attempts are told of."""
    told = RunEngine._attempt_started_and_told

    def lazy(self: RunEngine, event: AttemptStarted) -> Any:
        return told(self, event) if event.attempt == 1 else self._attempt_started(event)

    patch.setattr(RunEngine, "_attempt_started_and_told", lazy)


def starts_told_too_early(patch: pytest.MonkeyPatch) -> None:
    """A run that begins tells of the first attempts of what is ready, whether or not they are made."""
    started = RunEngine._run_started

    def hasty(self: RunEngine, event: RunStarted) -> Any:
        commands = started(self, event)
        for slot in self._those(1):
            self.attempts[slot] += 1
            commands = (*commands, *self._tell("started", [slot], event.at))
            self.attempts[slot] -= 1
        return commands

    patch.setattr(RunEngine, "_run_started", hasty)


def untold_beginnings(patch: pytest.MonkeyPatch) -> None:
    """Nobody is told that a run has begun."""
    patch.setattr(Outbox, "tell_of_run", _without("started", Outbox.tell_of_run))


def untold_questions(patch: pytest.MonkeyPatch) -> None:
    """Nobody is told that a task waits for a decision."""
    patch.setattr(RunEngine, "_tell_question", lambda self, task, topic, at: ())


def everybody_told_of_everything(patch: pytest.MonkeyPatch) -> None:
    """A notifier is told of what it has not asked for."""

    def receivers(self: Outbox, kind: str, has_callback: bool) -> list[str]:
        return ["", *self.notifiers] if has_callback else [*self.notifiers]

    patch.setattr(Outbox, "_receivers", receivers)


def _without(left_out: str, tell: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, what, *given, **more: [] if what == left_out else tell(self, what, *given, **more)


# --- Worlds in which they can show


def wants(kind: str) -> Suits:
    """Worlds in which somebody is told of this kind."""

    def suits(scenario: Scenario) -> bool:
        steps = scenario.work.steps.values() if kind.startswith("task_") else [None]
        return any([*scenario.telling.receivers(kind, step)] for step in steps)

    return suits


def asks(scenario: Scenario) -> bool:
    """Worlds with an approval."""
    return any("approval" in step.options for step in scenario.work.steps.values())


def notifies(scenario: Scenario) -> bool:
    """Worlds with a notifier."""
    return bool(scenario.telling.notifiers)


def changes(scenario: Scenario) -> bool:
    """Worlds in which the workflow changes while runs go on."""
    return "change" in scenario.faults


BUGS: list[tuple[Plant, str, tuple[Suits, ...]]] = [
    (untold_skips, "nobody told .* is skipped", (wants("task_skipped"),)),
    (skips_told_again, "two notices have the id", (wants("task_skipped"), changes)),
    (untold_starts, "nobody told .* has begun", (wants("task_started"),)),
    (starts_told_too_early, "was told .* and that has not happened", (wants("task_started"),)),
    (untold_beginnings, "nobody told .* that it is started", (wants("run_started"),)),
    (untold_questions, "nobody told .* asks somebody", (wants("task_asks"), asks)),
    (everybody_told_of_everything, "did not want to know", (notifies,)),
]
"""Each with what is said of it, and in which worlds it can show at all."""


@pytest.mark.parametrize(("plant", "found", "suits"), BUGS, ids=[plant.__name__ for plant, _, _ in BUGS])
def test_a_planted_bug_is_found(
    plant: Plant, found: str, suits: tuple[Suits, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    must_show(found, (draw(seed, rules=True) for seed in count()), MOST_WORLDS, *suits)
