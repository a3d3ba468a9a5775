"""Who is told of what in a simulated world: callbacks, and notifiers that say which kinds of notices they want."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from penstock.policy import NOTICE_KINDS, USUAL_NOTICES

if TYPE_CHECKING:
    from tests.simulation.work import Step, Work

OPTIONS = {
    "task_started": "on_execute",
    "task_success": "on_success",
    "task_failed": "on_failure",
    "task_retry": "on_retry",
    "task_skipped": "on_skip",
    "task_asks": "on_ask",
    "run_started": "on_start",
    "run_success": "on_success",
    "run_failed": "on_failure",
    "run_cancelled": "on_cancel",
}
"""Kinds of notices -> the option of a task, or of the workflow, that has a callback called."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Who wants to know what, beside the callbacks of tasks, which are among their options."""

    callbacks: tuple[str, ...]
    """The options of the workflow that are callbacks."""
    notifiers: Mapping[str, tuple[str, ...]]
    """Their names, and the kinds that each names; none if it does not say."""

    def receivers(self, kind: str, step: Step | None, *, of_main: bool = True) -> Iterator[str]:
        """Who wants to know this: "" for a callback, else the name of a notifier. `step` is the task, if it is told of
        one; `of_main` says that it is told of a run of the main workflow, which alone has callbacks."""
        if step is None:
            options = {*self.callbacks} if of_main else set()
        else:
            options = {name for name, value in step.options.items() if value}
        if OPTIONS[kind] in options:
            yield ""
        yield from (name for name, kinds in self.notifiers.items() if kind in (kinds or USUAL_NOTICES))

    @property
    def anybody(self) -> bool:
        """Whether anybody is told of every run."""
        return bool(self.callbacks or self.notifiers)


def draw_telling(
    work: Work, callbacks: Sequence[str], notifiers: Sequence[str], random: Random
) -> tuple[Work, Telling]:
    """The same work, in some worlds with more callbacks; and who else is told of it: these, and in some worlds more, of
    what they ask for."""
    if random.random() < 0.5:
        return work, Telling(tuple(callbacks), dict.fromkeys(notifiers, ()))
    chance = random.choice((0.1, 0.3, 0.6))
    steps = {name: _told_more(step, random, chance) for name, step in work.steps.items()}
    names = [*notifiers, *(["pager"] if random.random() < 0.3 else [])]
    kinds = {name: _some_kinds(random) if name == "pager" or random.random() < 0.4 else () for name in names}
    began = ["on_start"] if random.random() < 0.4 else []
    return replace(work, steps=steps), Telling((*callbacks, *began), kinds)


def _told_more(step: Step, random: Random, chance: float) -> Step:
    more = {name: True for name in ("on_skip", "on_execute") if random.random() < chance}
    return replace(step, options=step.options | more)


def _some_kinds(random: Random) -> tuple[str, ...]:
    return tuple(random.sample(NOTICE_KINDS, random.choice((1, 2, 4, len(NOTICE_KINDS)))))
