"""Whether a run that was disturbed has come out as promised: its store, and the ledger beside it, are asked.

Written from the promise. Each function gives what is wrong, a sentence each.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
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
from penstock.runtime import mail
from penstock.runtime.record import Run
from penstock.store.base import Store
from tests.faults.bodies import bodies
from tests.faults.driving import Variant, of_events
from tests.faults.history import History
from tests.faults.ledger import Ledger
from tests.faults.reference import others, values
from tests.faults.reference_waits import CHILDREN

ENDED = ("success", "failed", "cancelled")


def broken_promises(folder: Path, variant: Variant, *, kept: bool = True) -> list[str]:
    """What is wrong with the run in a folder, after it was driven to its end. `kept` says that everything which the
    ledger calls written must be there, as after a kill; after a power cut only what it calls safe."""
    ledger = Ledger.read(folder / "ledger")
    full = variant.durability == "full"
    found = [*_store_files(folder)]
    with variant.manager(folder) as manager:
        store = manager.parts.store
        [run] = [run for run in manager.runs() if run.parent is None]
        run, children = run.read(), [manager.get(row.id) for row in store.children(run.id)]
        history = History.read(store, run.id)
        found += bodies(ledger, history.with_those_of(store, children), kept=kept, full=full)
        found += _children(run, children, variant)
        for one in (run, *children):
            batches = [events for _, events in store.read(one.id)]
            found += _journal(store, one, batches)
            found += forgotten(ledger, batches, kept=kept, run_id=one.id)
        found += _told(ledger, run)
        found += _outcome(ledger, run, history, variant)
        found += _rounds(run)
        found += _notices(ledger, run, history)
        found += _left_behind(manager, run, folder)
    return found


def before_resuming(manager: WorkflowManager) -> list[str]:
    """What is wrong with what is shown of runs whose drivers have died."""
    return [
        f"run {run.id} is shown as {run.state}, and nobody drives it"
        for run in manager.runs()
        if run.state not in (*ENDED, "queued", "interrupted")
    ]


# --- Ledger and store together


def forgotten(ledger: Ledger, journal: list[list[Event]], *, kept: bool, run_id: str | None = None) -> Iterator[str]:
    """What was acknowledged and is not in the journal, or not in its place."""
    there = [of_events(events) for events in journal]
    position = 0
    for number, entry in enumerate(_must_be_there(ledger, kept=kept)):
        if run_id is not None and entry["run"] != run_id:
            continue
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


def _outcome(ledger: Ledger, run: Run, history: History, variant: Variant) -> Iterator[str]:
    """States and values are those of an undisturbed run; `once` alone may have been lost instead."""
    expected = values(variant.size, **variant.flags)
    wanted = {**dict.fromkeys(expected, "success"), **others(variant.size, **variant.flags)}
    states = {task.name: task.state for task in run.tasks}
    if (states["once"] == "failed" and ledger.starts("once")) or _was_lost(history):
        wanted |= {"once": "failed", "after_once": "upstream_failed"}
    for name in wanted.keys() | states.keys():
        if states.get(name) != wanted.get(name):
            error = run.task(name).error if name in states else ""
            yield f"'{name}' is {states.get(name)}, not {wanted.get(name)}: {error}"
        elif states[name] == "success" and name in expected:
            value = run.task(name).result
            if value != expected[name]:
                yield f"'{name}' gave {value!r:.80}, not {expected[name]!r:.80}"
    if run.state != ("failed" if "failed" in wanted.values() else "success"):
        yield f"the run is {run.state}: {run.error}"


def _children(run: Run, children: Sequence[Run], variant: Variant) -> Iterator[str]:
    """Each task that runs a workflow has begun one run."""
    if len(children) != (CHILDREN if variant.waits else 0):
        yield f"the run has {len(children)} children"
    for child in children:
        if child.state != "success":
            yield f"run {child.id}, a part of it, is {child.state}: {child.error}"


def _was_lost(history: History) -> bool:
    """Whether `once` has started on record and had no outcome: it is not for anybody to try it again."""
    ended = history.counts(AttemptSucceeded)["once"] + history.counts(AttemptFailed)["once"]
    return bool(history.counts(AttemptStarted)["once"]) and not ended


def _rounds(run: Run) -> Iterator[str]:
    """What is tried again as a unit is all of one round."""
    indexes = range(len(run.task("each.check").instances))
    units = [("again.first", "again.second", "again.third"), *(_each(index) for index in indexes)]
    for unit in units:
        generations = {name: run.task(name).generation for name in unit}
        if len(set(generations.values())) > 1:
            yield f"a group is tried again as a unit, and is of different generations: {generations}"


def _each(index: int) -> tuple[str, ...]:
    return f"each.check[{index}]", f"each.double[{index}]"


def _notices(ledger: Ledger, run: Run, history: History) -> Iterator[str]:
    """Each callback was called at least once for each thing it wants to know, with one id for each."""
    ids: dict[str, tuple[str, str | None]] = {}
    for entry in ledger.of("notice"):
        about = (entry["what"], entry["task"])
        if ids.setdefault(entry["id"], about) != about:
            yield f"notice {entry['id']} was about {ids[entry['id']]}, then about {about}"
    told = Counter(ids.values())
    succeeded, failed = history.counts(AttemptSucceeded), history.counts(AttemptFailed)
    instances = [task.name for task in run.task("square").instances]
    for name in ("large", "flaky", "announced", *instances):
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
        # That of a child which had ended when it was killed is nobody's business.
        ours = "SELECT number FROM run WHERE parent IS NULL"
        leases: Any = db.execute(f"SELECT run, pid FROM lease WHERE pid IS NOT NULL AND run IN ({ours})").fetchall()
        for number, pid in leases:
            yield f"the lease of run {number} still names process {pid}"
    finally:
        db.close()


def _left_behind(manager: WorkflowManager, run: Run, folder: Path) -> Iterator[str]:
    store = manager.parts.store
    if store.holder(run.id) is not None:
        yield f"run {run.id} has ended and is held by {store.holder(run.id)}"
    if any(message.kind != mail.KIND for message in store.messages(run.id)):  # one may have been sent twice
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
