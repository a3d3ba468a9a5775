"""Why tasks stand where they do that run workflows: what their runs wait for, or what ended these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.runtime.why import Step, Why

if TYPE_CHECKING:
    from penstock.runtime.record import Run

_MOST_RUNS = 3
"""Of so many tasks it is told what goes on in their runs."""
_MOST_STEPS = 10
"""So many steps of each are told."""


def with_children(why: Why, runs: Callable[[], Sequence[Run]]) -> Why:
    """An answer that goes on in the runs that tasks are: these are read only if there are any."""
    wanted = [step.child for step in why.steps if step.child is not None][:_MOST_RUNS]
    if not wanted:
        return why
    found = {run.id: run for run in runs() if run.id in wanted}
    steps = [*_followed(why.steps, found)]
    text = why.text if why.task is None else why.text.replace(why.steps[0].text, steps[0].text, 1)
    return replace(why, text=text, steps=steps)


def _followed(steps: Sequence[Step], runs: dict[str, Run]) -> Iterator[Step]:
    for step in steps:
        run = runs.get(step.child or "")
        if run is None:
            yield step
            continue
        inner = [_within(step, one) for one in run.why().steps[:_MOST_STEPS]]
        nested = {name for one in inner for name in one.behind}
        top = tuple(one.task for one in inner if one.task not in nested)
        told = f", which is {run.state}" if step.kind == "message" else ""
        yield replace(step, text=step.text + told, behind=top)
        yield from inner


def _within(step: Step, inner: Step) -> Step:
    """A step of the run that a task is, as one of its parent."""
    return replace(
        inner,
        task=f"{step.task} / {inner.task}",
        behind=tuple(f"{step.task} / {name}" for name in inner.behind),
        holds_up=0,
        child=None,
    )
