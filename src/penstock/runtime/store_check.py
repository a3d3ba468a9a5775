"""Whether a store is whole: its files, every run's journal, row and values; and what dead processes left behind.

Runs may go on meanwhile. One that somebody drives is checked as far as it goes, and its row is left out, which changes
with its journal. Nothing is written but by `repair`, which never touches what a journal says or a run needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import time

from penstock.engine.events import ValueRef
from penstock.errors import RunLocked, RunNotFound, StoreError, ValueUnavailable
from penstock.runtime.history import History
from penstock.runtime.pruner import DAY, Garbage
from penstock.runtime.run_check import RunCheck, check_run, rewrite_row
from penstock.store.upkeep import upkeep_of

BEHIND = "run whose driver died before its row said how it ended"
VALUES = "value that no run refers to"
LOGS = "run of which only logs are left"
FILES = "file that a dead writer left unfinished"

Told = Callable[[str, int, int], None]
"""Is told of each step: what is looked at, how much of it is done, and of how much (0: nobody knows)."""


@dataclass(slots=True)
class Problem:
    """Something that is not as it should be."""

    kind: str
    """database, plan, journal, record, history, row (see run_check), or value."""
    run: str | None
    """The id of the run that it concerns; None where it is the store."""
    text: str
    repaired: bool = False


@dataclass(slots=True)
class StoreCheck:
    """What was looked at, and found."""

    runs: int = 0
    driven: int = 0
    """How many of them somebody drove meanwhile."""
    events: int = 0
    values: int = 0
    """How many values lie outside the journals and are needed."""
    bytes: int = 0
    """How large these are together."""
    problems: list[Problem] = field(default_factory=list)
    leftovers: dict[str, int] = field(default_factory=dict)
    """What does no harm and nobody needs: kind -> number."""
    removed: bool = False
    """Whether the leftovers are gone now."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong, or not any more."""
        return all(problem.repaired for problem in self.problems)


def check_store(history: History, folder: Path | None, *, repair: bool = False, told: Told | None = None) -> StoreCheck:
    """Look at everything. `folder` holds the values and logs where they lie in files. With `repair`, rows are written
    anew where their journals know better, and what nobody needs is removed."""
    return _Check(history, folder, repair, told or (lambda what, done, total: None)).run()


class _Check:
    def __init__(self, history: History, folder: Path | None, repair: bool, told: Told) -> None:
        self._history = history
        self._folder = folder
        self._repair = repair
        self._told = told
        self._found = StoreCheck(removed=repair)
        self._seen: dict[str, str | None] = {}
        """Digests of the values that were looked at, with what is wrong with them."""

    def run(self) -> StoreCheck:
        """All of it, from below upwards."""
        found, upkeep = self._found, upkeep_of(self._history.store)
        if upkeep is not None:
            self._told("database", 0, 0)
            found.problems += [Problem("database", None, text) for text in upkeep.faults()]
        try:
            garbage = Garbage(self._history)
            complete = self._look_at_runs(garbage) and not any(each.kind == "database" for each in found.problems)
            self._clear_up(garbage, complete)
            if upkeep is not None and complete:
                found.leftovers.update(upkeep.leftovers(remove=self._repair))
        except StoreError as error:
            found.problems.append(Problem("database", None, str(error)))
        return found

    def _look_at_runs(self, garbage: Garbage) -> bool:
        """Whether every journal could be read, so that what none names is garbage."""
        store = self._history.store
        rows = store.runs()
        complete = True
        for number, row in enumerate(rows):
            try:
                checked = check_run(store, row.id, partial(self._told, "runs", number, len(rows)))
            except StoreError as error:
                self._found.problems.append(Problem("journal", row.id, str(error)))
                complete = False
                continue
            if checked is not None:
                self._take(checked)
                garbage.values -= checked.named
                complete = complete and checked.complete
        return complete

    def _clear_up(self, garbage: Garbage, complete: bool) -> None:
        """Count what nobody needs, and remove it if that is wanted. Where the store is damaged, nobody knows what is
        needed."""
        if not complete:
            return
        self._leftover(VALUES, len(garbage.values))
        self._leftover(LOGS, len(garbage.logs))
        self._leftover(FILES, len(self._dead_files()))
        if self._repair:
            garbage.remove_values()
            garbage.remove_logs()
            self._history.results.sweep(older_than=DAY)

    def _take(self, checked: RunCheck) -> None:
        found = self._found
        found.runs += 1
        found.driven += checked.driven
        found.events += checked.events
        problems = [Problem(kind, checked.row.id, text) for kind, text in checked.problems]
        for task, value in checked.needed:
            text = self._value(value)
            if text is not None:
                hint = f"run it again with: penstock rerun {checked.row.id} --only {task}"
                problems.append(Problem("value", checked.row.id, f"the value of task '{task}': {text}; {hint}"))
        if problems and not self._is_on_record(checked.row.id):
            return  # it was deleted meanwhile, and its values with it
        if checked.behind:
            self._leftover(BEHIND, 1)
        is_row_wrong = any(problem.kind == "row" for problem in problems)
        if self._repair and checked.is_repairable and (checked.behind or is_row_wrong):
            repaired = self._rewrite(checked.row.id)
            for problem in problems:
                problem.repaired = repaired and problem.kind == "row"
        found.problems += problems

    def _is_on_record(self, run_id: str) -> bool:
        try:
            return self._history.store.run(run_id).id == run_id
        except RunNotFound:
            return False

    def _rewrite(self, run_id: str) -> bool:
        try:
            return rewrite_row(self._history.store, run_id)
        except (RunLocked, RunNotFound):
            return False

    def _value(self, value: ValueRef) -> str | None:
        """What is wrong with a value that is needed."""
        digest = value.digest or ""
        if digest not in self._seen:
            self._found.values += 1
            self._found.bytes += value.size
            self._told("values", self._found.values, 0)
            self._seen[digest] = self._fault_of(value)
        return self._seen[digest]

    def _fault_of(self, value: ValueRef) -> str | None:
        try:
            with self._history.results.open(value.digest or "") as file:
                size = file.seek(0, os.SEEK_END)
        except (ValueUnavailable, StoreError) as error:
            return str(error).removesuffix(": run its task again")
        return None if size == value.size else f"it has {size:,} bytes, and {value.size:,} were written"

    def _dead_files(self) -> list[Path]:
        if self._folder is None:
            return []
        return [path for path in (self._folder / "results" / "tmp").glob("*") if _is_old(path)]

    def _leftover(self, kind: str, many: int) -> None:
        if many:
            self._found.leftovers[kind] = self._found.leftovers.get(kind, 0) + many


def _is_old(path: Path) -> bool:
    try:
        return time() - path.stat().st_mtime > DAY
    except OSError:
        return False
