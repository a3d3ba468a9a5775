"""Whether the bodies of a run that was disturbed began as promised, by what they noted down themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from penstock.engine.events import AttemptFailed, AttemptStarted
from tests.faults.history import History, Said
from tests.faults.ledger import Ledger
from tests.faults.reference import STARTS_ARE_SAFE, VOLATILE
from tests.faults.reference_rules import ROOM


def bodies(ledger: Ledger, history: History, *, kept: bool, full: bool) -> Iterator[str]:
    """What is wrong. `kept` says that everything which the ledger calls written is there, as after a kill; else only
    what it calls safe. `full` is the durability."""
    yield from _starts(ledger, history, kept=kept, full=full)
    yield from _inputs(ledger)
    if kept:  # else the end of the work may be forgotten, and the work be done again
        yield from _room(ledger, history)
    if len(ledger.starts("once")) > 1:
        yield f"the body of 'once' ran {len(ledger.starts('once'))} times"


def _starts(ledger: Ledger, history: History, *, kept: bool, full: bool) -> Iterator[str]:
    """No body runs again once its outcome is written, and a start that must be safe is so before the body begins."""
    known = _Acknowledged(history, full)
    for entry in ledger.entries:
        known.see(entry)
        if entry["kind"] != "start":
            continue
        task, generation = entry["task"], entry["generation"]
        ended = (known.written if kept else known.safe).ended
        if (task, generation) in ended and task not in VOLATILE:
            yield f"the body of '{task}' ran again after its end was {'written' if kept else 'safe'}"
        if task in STARTS_ARE_SAFE and (task, generation, entry["attempt"]) not in known.safe.starts:
            yield f"the body of '{task}' began before its start was safe"


def _inputs(ledger: Ledger) -> Iterator[str]:
    """All attempts of a task see the same inputs, in every generation; those of an instance of a map the same item."""
    inputs: dict[str, set[str]] = {}
    for entry in ledger.of("start"):
        inputs.setdefault(entry["task"], set()).add(entry["inputs"])
    for task, seen in inputs.items():
        if len(seen) > 1:
            yield f"attempts of '{task}' saw different inputs"


def _room(ledger: Ledger, history: History) -> Iterator[str]:
    """A teardown begins when the work with what its setup has made is over, and no work begins after it."""
    made, used, cleared = ROOM
    is_used = is_cleared = False
    for entry in ledger.entries:
        for said in history.of_batch(entry.get("batch", "")):
            if said.task == used:
                is_used = isinstance(said.event, AttemptStarted)
        if entry["kind"] == "driven":
            is_used = False  # bodies died with their driver, perhaps before it could note what it had written
        if entry["kind"] != "start":
            continue
        if entry["task"] == made:
            is_cleared = False
        if entry["task"] == cleared:
            is_cleared = True
            if is_used:
                yield f"the body of '{cleared}' began before the end of '{used}' was written"
        if entry["task"] == used and is_cleared:
            yield f"the body of '{used}' began after that of '{cleared}'"


@dataclass
class _Facts:
    """What some batches tell."""

    ended: set[tuple[str, int]] = field(default_factory=set)
    """The tasks, with their generations, that have succeeded or skipped themselves."""
    starts: set[tuple[str, int, int]] = field(default_factory=set)

    def add(self, batch: list[Said]) -> None:
        for event, task, generation in batch:
            if isinstance(event, AttemptStarted):
                self.starts.add((task, generation, event.attempt))
            elif not isinstance(event, AttemptFailed):
                self.ended.add((task, generation))


class _Acknowledged:
    """What the store has acknowledged, entry by entry of a ledger. At durability "process" nothing is more than
    written, and that has to do."""

    def __init__(self, history: History, full: bool) -> None:
        self.written = _Facts()
        self.safe = _Facts() if full else self.written
        self._history = history
        self._unsafe: list[dict[str, Any]] = []

    def see(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "written":
            self.written.add(self._history.of_batch(entry["batch"]))
            self._unsafe.append(entry)
        if entry["kind"] in ("written", "safe"):
            still = []
            for batch in self._unsafe:
                if batch["by"] == entry["by"] and (batch["number"] <= entry["safe_until"] or _is_safe(batch, entry)):
                    self.safe.add(self._history.of_batch(batch["batch"]))
                else:
                    still.append(batch)
            self._unsafe = still


def _is_safe(batch: dict[str, Any], entry: dict[str, Any]) -> bool:
    return batch is entry and bool(batch["safe"])
