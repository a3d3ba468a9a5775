"""Whether a run that was disturbed has come out as promised: its store, and the ledger beside it, are asked.

Written from the promise. Each function gives what is wrong, a sentence each.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from penstock import WorkflowManager
from penstock.engine import invariants
from penstock.engine.audit import Audit
from penstock.engine.events import AttemptFailed, AttemptStarted, AttemptSucceeded, Event, PlanAdopted
from penstock.engine.run import RunEngine
from penstock.errors import PenstockError
from penstock.plan.codec import decode
from penstock.runtime.record import Run
from penstock.store.base import Store
from tests.faults.driving import Variant, of_events
from tests.faults.ledger import Ledger
from tests.faults.reference import STARTS_ARE_SAFE, VOLATILE, values

ENDED = ("success", "failed", "cancelled")


def broken_promises(folder: Path, variant: Variant, *, kept: bool = True) -> list[str]:
    """What is wrong with the run in a folder, after it was driven to its end. `kept` says that everything which the
    ledger calls written must be there, as after a kill; after a power cut only what it calls safe."""
    ledger = Ledger.read(folder / "ledger")
    full = variant.durability == "full"
    found = [*_bodies(ledger, kept=kept, full=full), *_store_files(folder)]
    with variant.manager(folder) as manager:
        run = manager.get()
        journal = [events for _, events in manager.parts.store.read(run.id)]
        found += _journal(manager.parts.store, run, journal)
        found += forgotten(ledger, journal, kept=kept)
        found += _told(ledger, run)
        found += _outcome(ledger, run, journal, variant)
        found += _notices(ledger, run, journal)
        found += _left_behind(manager, run, folder)
    return found


def before_resuming(manager: WorkflowManager) -> list[str]:
    """What is wrong with what is shown of runs whose drivers have died."""
    return [
        f"run {run.id} is shown as {run.state}, and nobody drives it"
        for run in manager.runs()
        if run.state not in (*ENDED, "queued", "interrupted")
    ]


# --- What the ledger says by itself


def _bodies(ledger: Ledger, *, kept: bool, full: bool) -> Iterator[str]:
    """No body runs again once its outcome is written, all attempts of a task see the same inputs, and a start that
    must be safe is so before the body begins."""
    numbers = _numbers(ledger)
    known = _Acknowledged(full)
    inputs: dict[str, set[str]] = {}
    for entry in ledger.entries:
        known.see(entry)
        if entry["kind"] != "start":
            continue
        task, number = entry["task"], numbers[entry["task"]]
        inputs.setdefault(task, set()).add(entry["inputs"])
        if number in (known.written if kept else known.safe).successes and task not in VOLATILE:
            yield f"the body of '{task}' ran again after its success was {'written' if kept else 'safe'}"
        if task in STARTS_ARE_SAFE and (number, entry["attempt"]) not in known.safe.starts:
            yield f"the body of '{task}' began before its start was safe"
    for task, seen in inputs.items():
        if len(seen) > 1:
            yield f"attempts of '{task}' saw different inputs"
    if len(ledger.starts("once")) > 1:
        yield f"the body of 'once' ran {len(ledger.starts('once'))} times"


@dataclass
class _Facts:
    """What some batches tell."""

    successes: set[int] = field(default_factory=set)
    starts: set[tuple[int, int]] = field(default_factory=set)

    def add(self, entry: dict[str, Any]) -> None:
        self.successes.update(entry["successes"])
        self.starts.update(map(tuple, entry["starts"]))


class _Acknowledged:
    """What the store has acknowledged, entry by entry of a ledger. At durability "process" nothing is more than
    written, and that has to do."""

    def __init__(self, full: bool) -> None:
        self.written = _Facts()
        self.safe = _Facts() if full else self.written
        self._unsafe: list[dict[str, Any]] = []

    def see(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "written":
            self.written.add(entry)
            self._unsafe.append(entry)
        if entry["kind"] in ("written", "safe"):
            still = []
            for batch in self._unsafe:
                if batch["by"] == entry["by"] and (batch["number"] <= entry["safe_until"] or _is_safe(batch, entry)):
                    self.safe.add(batch)
                else:
                    still.append(batch)
            self._unsafe = still


def _is_safe(batch: dict[str, Any], entry: dict[str, Any]) -> bool:
    return batch is entry and bool(batch["safe"])


def _numbers(ledger: Ledger) -> dict[str, int]:
    """The numbers of the tasks, as the child that drove the run noted them."""
    return next((entry["numbers"] for entry in ledger.of("plan")), {})


# --- Ledger and store together


def forgotten(ledger: Ledger, journal: list[list[Event]], *, kept: bool) -> Iterator[str]:
    """What was acknowledged and is not in the journal, or not in its place."""
    there = [of_events(events) for events in journal]
    position = 0
    for number, entry in enumerate(_must_be_there(ledger, kept=kept)):
        try:
            position = there.index(entry["batch"], position) + 1
        except ValueError:
            yield f"batch {number} was {'written' if kept else 'safe'}, and is not in the journal (in its place)"
            return


def _must_be_there(ledger: Ledger, *, kept: bool) -> list[dict[str, Any]]:
    """The batches that may not be missing: all that were written, or those that were safe."""
    written = ledger.of("written")
    if kept:
        return written
    until: dict[int, int] = {}
    for entry in ledger.of("written", "safe"):
        reached = entry["number"] if entry.get("safe") else entry["safe_until"]
        until[entry["by"]] = max(until.get(entry["by"], 0), reached)
    return [entry for entry in written if entry["number"] <= until.get(entry["by"], 0)]


def _told(ledger: Ledger, run: Run) -> Iterator[str]:
    for entry in ledger.of("told"):
        if entry["state"] != run.state:
            yield f"a caller was told that the run is {entry['state']}, and it is {run.state}"


def _outcome(ledger: Ledger, run: Run, journal: list[list[Event]], variant: Variant) -> Iterator[str]:
    """States and values are those of an undisturbed run; `once` alone may have been lost instead."""
    expected = values(variant.size, **variant.flags)
    states = {task.name: task.state for task in run.tasks}
    failed: set[str] = {"broken", "held_up"} & set(states)
    if (states["once"] == "failed" and ledger.starts("once")) or _was_lost(run, journal):
        failed |= {"once", "after_once"}
    for name, state in states.items():
        wanted = "success" if name not in failed else "failed" if name in ("broken", "once") else "upstream_failed"
        if state != wanted:
            yield f"'{name}' is {state}, not {wanted}: {run.task(name).error}"
        elif state == "success" and name in expected:
            value = run.task(name).result
            if value != expected[name]:
                yield f"'{name}' gave {value!r:.80}, not {expected[name]!r:.80}"
    if run.state != ("failed" if failed else "success"):
        yield f"the run is {run.state}: {run.error}"


def _was_lost(run: Run, journal: list[list[Event]]) -> bool:
    """Whether `once` has started on record and had no outcome: it is not for anybody to try it again."""
    number = run.task("once").number
    started = any(isinstance(event, AttemptStarted) and event.task == number for batch in journal for event in batch)
    ended = any(
        isinstance(event, AttemptSucceeded | AttemptFailed) and event.task == number
        for batch in journal
        for event in batch
    )
    return started and not ended


def _notices(ledger: Ledger, run: Run, journal: list[list[Event]]) -> Iterator[str]:
    """Each callback was called at least once for each thing it wants to know, with one id for each."""
    ids: dict[str, tuple[str, str | None]] = {}
    for entry in ledger.of("notice"):
        about = (entry["what"], entry["task"])
        if ids.setdefault(entry["id"], about) != about:
            yield f"notice {entry['id']} was about {ids[entry['id']]}, then about {about}"
    told = Counter(ids.values())
    succeeded = Counter(
        run.tasks[event.task].name for batch in journal for event in batch if isinstance(event, AttemptSucceeded)
    )
    failed = Counter(
        run.tasks[event.task].name for batch in journal for event in batch if isinstance(event, AttemptFailed)
    )
    for name in ("large", "flaky", "announced"):
        if succeeded[name] and told["task_success", name] != 1:
            yield f"the success of '{name}' was told under {told['task_success', name]} ids"
    if told["task_retry", "flaky"] != failed["flaky"]:
        yield f"'flaky' failed {failed['flaky']} times, of which {told['task_retry', 'flaky']} were told"
    if failed["broken"] and told["task_failed", "broken"] + told["task_retry", "broken"] != failed["broken"]:
        yield f"'broken' failed {failed['broken']} times, and {dict(told)} was told"
    end = "run_success" if run.state == "success" else "run_failed"
    if told[end, None] < 1:
        yield f"nobody was told of {end}: {dict(told)}"


def _journal(store: Store, run: Run, journal: list[list[Event]]) -> Iterator[str]:
    """The journal makes sense by itself, and gives the row that history shows."""
    row = store.run(run.id)

    def plan(fingerprint: str) -> Any:
        return decode(store.plan(fingerprint))

    engine = RunEngine(plan(row.plan), run_id=run.id, plans=plan)
    audit = Audit(plan(row.plan), plans=plan)
    for number, events in enumerate(journal, 1):
        for event in events:
            yield from (f"batch {number}: {line}" for line in audit.see(event))
            engine.handle(event)
        if events and not isinstance(events[-1], PlanAdopted):
            try:
                invariants.check(engine)
            except invariants.ContradictionError as error:
                yield f"after batch {number}: {error}"
    yield from audit.end(row.state)
    if str(engine.state) != row.state:
        yield f"the journal says that the run is {engine.state}, its row says {row.state}"
    if (engine.ended_at, engine.error) != (row.ended_at, row.error):
        yield f"the journal ends {engine.ended_at, engine.error}, the row {row.ended_at, row.error}"
    if row.undelivered != len(engine.notices):
        yield f"the row counts {row.undelivered} undelivered notices, the journal {len(engine.notices)}"


def _store_files(folder: Path) -> Iterator[str]:
    database = folder / "store" / "penstock.db"
    db = apsw.Connection(str(database))
    try:
        answer: Any = db.execute("PRAGMA integrity_check").fetchall()
        if answer != [("ok",)]:
            yield f"integrity_check: {answer!r:.200}"
        leases: Any = db.execute("SELECT run, pid FROM lease WHERE pid IS NOT NULL").fetchall()
        for number, pid in leases:
            yield f"the lease of run {number} still names process {pid}"
    finally:
        db.close()


def _left_behind(manager: WorkflowManager, run: Run, folder: Path) -> Iterator[str]:
    store = manager.parts.store
    if store.holder(run.id) is not None:
        yield f"run {run.id} has ended and is held by {store.holder(run.id)}"
    if store.messages(run.id):
        yield "there are messages in the inbox of a run that has ended"
    for pipe in (folder / "store" / "wake").iterdir():  # one that a killed driver left stays until its run is deleted
        with suppress(OSError):
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            yield f"somebody still listens at pipe {pipe.name}"
    try:
        manager.prune(keep=1_000)
    except PenstockError as error:
        yield f"prune: {error}"
    manager.parts.results.sweep(older_than=0)
    left = [file.name for file in (folder / "store" / "results" / "tmp").glob("*")]
    if left:
        yield f"temporary files are left after a sweep: {left}"
