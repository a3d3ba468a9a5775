"""`penstock check`: compile workflows and tell all that is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click

from penstock.cli.failures import USAGE, users_place
from penstock.cli.options import Choices, json_option, param_option, store_option
from penstock.cli.output import Output, spared_stdout
from penstock.cli.plans import check_shape, message_of, place_of, problems_of
from penstock.errors import PenstockError
from penstock.observe.words import count, printable, size
from penstock.plan.compile import Compiled
from penstock.runtime.loader import Loaded, load_all, split_target
from penstock.runtime.pools import problems_with_pools
from penstock.timetable.schedule import schedule_of
from penstock.timetable.words import shown

_TIMES_SHOWN = 3


class Problem(NamedTuple):
    """Something that is wrong with a workflow."""

    file: str
    kind: str
    message: str
    where: str | None

    @property
    def place(self) -> str:
        """Where it is."""
        return self.where or self.file


class Pools:
    """Looks for what is wrong with the pools that workflows use, which may only be told of where they run."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._look_up = cache(choices.pools)
        self.remarks: list[str] = []
        """What is no problem of a workflow: it may run elsewhere, or later."""

    def problems(self, file: str, compiled: Compiled) -> list[Problem]:
        """What a run of the workflow would be refused for here."""
        try:
            found = [_problem(file, error) for error in problems_with_pools(compiled, self._look_up)]
        except PenstockError as error:
            self.remarks.append(f"{file}: the pools of {compiled.plan.workflow} cannot be looked up: {error}")
            return []
        if self._choices.has_store:
            return found
        notes = [f"{problem.place}: {problem.message} (there is no store here yet)" for problem in found]
        self.remarks += [note for note in notes if note not in self.remarks]
        return []


@click.command("check")
@click.argument("files", metavar="FILE[:NAME]...", nargs=-1, required=True)
@param_option
@json_option
@store_option
@click.pass_obj
def command(output: Output, files: tuple[str, ...], params: dict[str, str], store: str | None) -> int:
    """Check all workflows of each FILE without running them.

    Finds cycles, missing dependencies, arguments that do not fit, bad options and parameters, schedules that tell no
    times, and pools that are not there. Of a workflow with a schedule, the next times are shown. Exits with 2 if there
    is any problem. Parameters are only needed where they shape the graph.
    """
    pools = Pools(Choices(store))
    problems: list[Problem] = []
    good: list[str] = []
    with spared_stdout():
        for file in files:
            with _as_if_alone(file):
                fine, found = _check(file, params, pools)
            good += fine
            problems += found
    for remark in pools.remarks:
        output.tell(f"{output.paint('Note:', 'yellow', bold=True, stream=sys.stderr)} {output.clean(remark)}")
    if output.as_json:
        output.emit([problem._asdict() for problem in problems])
        return USAGE if problems else 0
    for line in good:
        output.say(output.clean(line))
    for problem in problems:
        kind = output.paint(problem.kind, "red")
        output.say(f"{output.clean(problem.place)}: {kind}: {output.clean(problem.message)}")
    if problems:
        output.tell(f"Found {count(len(problems), 'problem')}")
    return USAGE if problems else 0


def _check(file: str, params: dict[str, str], pools: Pools) -> tuple[list[str], list[Problem]]:
    """A line for each workflow of a file that is fine, and the problems of the others."""
    try:
        flows = load_all(file)
    except PenstockError as error:
        return [], _problems(file, error)
    good: list[str] = []
    problems: list[Problem] = []
    for loaded in flows:
        try:
            times = _times(file, loaded, problems)
            compiled = check_shape(loaded, _own(loaded, params, flows))
            found = pools.problems(file, compiled)
            problems += [problem for problem in found if problem not in problems]  # a task may run another of them
            if not found and times is not None:
                good += [f"{printable(compiled.plan.workflow)}: {size(compiled.plan)}, fine", *times]
        except PenstockError as error:
            problems += _problems(file, error)
        except Exception as error:
            problems.append(Problem(file, type(error).__name__, str(error), users_place(error)))
    return good, problems


def _times(file: str, loaded: Loaded, problems: list[Problem]) -> list[str] | None:
    """When a workflow is due, in words and as the next times; None if its schedule is a problem, which is told."""
    try:
        schedule = schedule_of(loaded.flow)
    except PenstockError as error:
        problems += _problems(file, error)
        return None
    if schedule is None:
        return []
    lines = [f"  {printable(schedule.text)}"]
    if not schedule.timetable.at_once:
        ticks = islice(schedule.timetable.ticks(datetime.now(UTC)), _TIMES_SHOWN)
        times = [shown(tick.at, schedule.timezone) for tick in ticks]
        lines.append(f"  next: {', '.join(times)}" if times else "  it is never due again")
    return lines


def _own(loaded: Loaded, params: dict[str, str], flows: list[Loaded]) -> dict[str, str]:
    """Of the parameters given, those that are for this workflow; one that no workflow has is told of all."""
    others = {name for flow in flows if flow is not loaded for name in flow.flow.parameters}
    return {k: v for k, v in params.items() if k in loaded.flow.parameters or k not in others}


def _problems(file: str, error: PenstockError) -> list[Problem]:
    return [_problem(file, one) for one in problems_of(error)]


def _problem(file: str, error: Exception) -> Problem:
    return Problem(file, type(error).__name__, message_of(error), place_of(error))


@contextmanager
def _as_if_alone(file: str) -> Iterator[None]:
    """Forget what a file imported from beside it: the next one may have a module of the same name."""
    folder = Path(split_target(file)[0]).absolute().parent
    modules, path = set(sys.modules), sys.path.copy()
    try:
        yield
    finally:
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            place = getattr(module, "__file__", None)
            if name not in modules and place and Path(place).is_relative_to(folder):
                del sys.modules[name]
