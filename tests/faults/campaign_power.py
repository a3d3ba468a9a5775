"""The power is cut after every call that changes the disk, and what was not synced is dropped, reordered and torn.

A reference run is recorded once; what a power cut leaves is worked out from the record, and gone on with for real. Runs
that went on after a power cut are recorded too, and cut again. Values are written by the driver's own process here.
What this leaves out: that a file system or a disk breaks its word about what it has synced, and damages what was at
rest; the locks and pipes beside the database, which are empty files.
"""

from __future__ import annotations

import pickle
import random
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from penstock.engine.events import AttemptStarted, AttemptSucceeded, Event
from penstock.errors import ValueUnavailable
from penstock.runtime.record import Run
from tests.faults.campaign import Campaign, Report
from tests.faults.children import in_child
from tests.faults.driving import Variant, go_on, of_events, prepare
from tests.faults.history import History
from tests.faults.lanes import Arguments, Lanes, collect
from tests.faults.ledger import Ledger
from tests.faults.medium import watch
from tests.faults.power import Recorder, Trace, after, keeping, read_files, restore
from tests.faults.promise import ENDED, before_resuming, broken_promises, forgotten
from tests.faults.reference import STARTS_ARE_SAFE, values

VARIANTS = (
    Variant("inline"),
    Variant("threads"),
    Variant("threads", fails=True, log_pages=30),
    Variant("threads", durability="process"),
)
EVERYWHERE = ("nothing", "everything", "some", "late", "early")
"""How the disk may have treated what was not synced, each tried at every cut of the first records."""
RECORDS = 40
"""How many runs are recorded for cuts at random, about half of them such as went on after a power cut."""


# --- In a child


def record(folder: str, variant: Variant) -> str:
    """Drive the run, or go on with it, and keep what it does to the disk; where that is."""
    place = Path(folder)
    store = str(place / "store")
    prepare(place, variant)
    began_with = (place / "ledger").read_bytes() if (place / "ledger").exists() else b""
    before = read_files(place / "store") if (place / "store").exists() else {}
    recorder = Recorder(place / "ledger")
    watch(store, recorder)
    go_on(place, variant)
    with variant.manager(place) as manager:
        batches = [of_events(events) for _, events in manager.parts.store.read(manager.get().id)]
    trace = Trace(store, before, recorder.calls, (place / "ledger").read_bytes(), batches)
    assert trace.ledger.startswith(began_with)
    kept = place / "trace"
    kept.write_bytes(pickle.dumps(trace))
    return str(kept)


def cut(folder: str, variant: int, trace: str, at: int, mode: str, seed: int) -> dict[str, Any]:
    """Cut the power before a call of a recorded run, and go on: what is wrong before and after, and how long ago was
    written what is lost."""
    place, how, whole = Path(folder), VARIANTS[variant], _trace(trace)
    chance = random.Random(seed)
    restore(whole, after(whole, at, keeping(mode, chance)), place / "store")
    if chance.random() < 0.2:  # what SQLite keeps in memory may be found as anything
        (place / "store" / "penstock.db-shm").write_bytes(chance.randbytes(32768))
    (place / "ledger").write_bytes(whole.told(at))
    prepare(place, how)
    given = _gone_on(place, how, whole, at)
    if not given["violations"]:
        shutil.rmtree(place)
    return {"hit": True, **given}


def _gone_on(place: Path, variant: Variant, trace: Trace, at: int) -> dict[str, Any]:
    with variant.manager(place) as manager:
        runs = manager.runs()
        histories = [History.read(manager.parts.store, run.id) for run in runs]
        journal = [events for history in histories for events in history.batches]
        found = before_resuming(manager)
        found += _kept(Ledger.read(place / "ledger"), runs, histories, variant, trace.batches)
        lost = _lost(Ledger.read(place / "ledger"), journal, trace, at)
    go_on(place, variant)
    if variant.durability == "full":
        found += broken_promises(place, variant, kept=False)
    else:
        with variant.manager(place) as manager:
            found += _not_wrong(manager.get(), variant)
    return {"violations": found, "lost": lost}


def _lost(ledger: Ledger, journal: list[list[Event]], trace: Trace, cut: int) -> float:
    """The age in seconds of the oldest batch that was written and is not there; 0 if all are. One that an earlier cut
    has taken does not count."""
    there = {of_events(events) for events in journal}
    lost = [entry["at"] for entry in ledger.of("written") if entry["batch"] not in there]
    now = trace.calls[min(cut, len(trace.calls) - 1)].at
    return max((now - at for at in lost if at > trace.calls[0].at), default=0.0)


def _kept(
    ledger: Ledger, runs: list[Run], histories: list[History], variant: Variant, batches: list[str]
) -> Iterator[str]:
    """What was told to anybody is on the disk, and nothing that never was."""
    if not runs:
        if ledger.of("start", "notice", "told"):
            yield "the run is gone, and its bodies had begun"
        return
    [history] = histories
    there = [of_events(events) for events in history.batches]
    if there != batches[: len(there)]:
        yield "the journal is not the beginning of the one that was written"
    if variant.durability != "full":
        return
    yield from forgotten(ledger, history.batches, kept=False)
    yield from _told(ledger, runs[0], history)
    yield from _readable(runs[0], variant)


def _told(ledger: Ledger, run: Run, history: History) -> Iterator[str]:
    """What the outside was told can be seen in the journal."""
    starts = {(said.task, said.event.attempt) for said in history.of(AttemptStarted)}
    successes = history.counts(AttemptSucceeded)
    ends = run.read()._engine.ends
    for entry in ledger.of("start", "key"):
        must_be_safe = entry["kind"] == "key" or entry["task"] in STARTS_ARE_SAFE
        if must_be_safe and (entry["task"], entry["attempt"]) not in starts:
            yield f"attempt {entry['attempt']} of '{entry['task']}' is forgotten ({entry['kind']})"
    for entry in ledger.of("notice"):
        if entry["what"] == "task_success" and entry["task"] not in successes:
            yield f"the success of '{entry['task']}' was told, and is forgotten"
        # A run that ended and was resumed by hand goes on; that it had ended must be known.
        if entry["what"].startswith("run_") and int(entry["id"].split("/")[1]) >= ends:
            yield f"{entry['what']} was told, and the run is {run.state} and has ended {ends} times"
    for entry in ledger.of("told"):
        if entry["state"] != run.state and not (ends and run.state not in ENDED):
            yield f"run() returned with {entry['state']}, and the run is {run.state}"


def _readable(run: Run, variant: Variant) -> Iterator[str]:
    """What is on record as done has its value; the text it has printed can be read, as far as it is there."""
    for task in run.tasks:
        assert isinstance(task.log, str)
    yield from _values(run, variant)


def _not_wrong(run: Run, variant: Variant) -> Iterator[str]:
    """At durability "process" values may be lost with the power; none may be wrong, and the run must end."""
    if run.state not in ENDED:
        yield f"the run is {run.state} after it was driven"
    for task in run.tasks:
        lost = (task.error or "").startswith(("ValueUnavailable", "WorkerLost"))
        if task.state == "failed" and not lost:
            yield f"'{task.name}' failed: {task.error}"
    yield from _values(run, variant, may_be_gone=True)


def _values(run: Run, variant: Variant, *, may_be_gone: bool = False) -> Iterator[str]:
    expected = values(variant.size, **variant.flags)
    for task in run.tasks:
        if task.state != "success" or task.name not in expected:
            continue
        try:
            if task.result != expected[task.name]:
                yield f"the value of '{task.name}' has become {task.result!r:.80}"
        except ValueUnavailable as error:
            if not may_be_gone:
                yield f"'{task.name}' is on record as done, and its value is gone: {error}"


# --- In a lane


def recorded(folder: str, variant: int, seed: int | None = None, trace: str | None = None) -> dict[str, Any]:
    """Record a run: a new one, or one that goes on after a power cut drawn from a seed in another record."""
    place = Path(folder)
    place.mkdir(parents=True)
    if trace is not None:
        whole = _trace(trace)
        chance = random.Random(seed)
        cut = chance.randrange(len(whole.calls) + 1)
        keep = keeping(chance.choice(EVERYWHERE), chance)
        restore(whole, after(whole, cut, keep), place / "store")
        (place / "ledger").write_bytes(whole.told(cut))
    ended = in_child(record, folder, VARIANTS[variant])
    if ended.value is None:
        return {"violations": [f"the run came to no good end: {ended}"]}
    shutil.rmtree(place / "store")
    return {"hit": True, "violations": [], "trace": ended.value, "calls": len(_trace(ended.value).calls)}


@lru_cache(maxsize=8)
def _trace(path: str) -> Trace:
    made: Trace = pickle.loads(Path(path).read_bytes())
    return made


# --- The campaign


def run(count: int, seed: int, folder: Path) -> Report:
    """`count` cuts at random, and one of each kind at every call of one record of each variant; for small counts at
    some calls only."""
    with Lanes() as lanes:
        return _run(lanes, count, seed, folder)


def _run(lanes: Lanes, count: int, seed: int, folder: Path) -> Report:
    report = Report()
    chance = random.Random(seed)
    many = count >= EXHAUSTIVE_FROM
    records = _record(lanes, report, folder, chance, RECORDS if many else 4)
    everywhere = [
        {"variant": record["variant"], "trace": record["trace"], "at": at, "mode": mode}
        for record in records[: len(VARIANTS)]
        for at in range(record["calls"] + 1)
        for mode in EVERYWHERE
    ]
    total = len(everywhere)
    if not many:
        everywhere = chance.sample(everywhere, min(total, count))
    cases = [*everywhere, *(_at_random(records, chance) for _ in range(count))]
    numbered = (
        {"folder": str(folder / f"cut-{number}"), **case, "seed": chance.randrange(1 << 32)}
        for number, case in enumerate(cases)
    )
    oldest = dict.fromkeys(("full", "process"), 0.0)

    def seen() -> Iterator[tuple[Arguments, Any]]:
        for arguments, given in lanes.spread(f"{__name__}:cut", numbered, together=10):
            level = VARIANTS[arguments["variant"]].durability
            oldest[level] = max(oldest[level], given.get("lost", 0.0))
            yield arguments, given

    collect(report, seen(), "cut")
    report.notes = {
        "oldest outcome lost": ", ".join(f"{seconds * 1000:.0f} ms ({level})" for level, seconds in oldest.items()),
        "calls": ", ".join(f"{record['calls']}" for record in records[: len(VARIANTS)]),
        "exhaustive": f"{len(everywhere):,} of {total:,}",
        "random": f"{count:,} over {len(records)} records, of which {sum(record['again'] for record in records)} "
        "had gone on after a power cut",
    }
    return report


def _at_random(records: list[dict[str, Any]], chance: random.Random) -> dict[str, Any]:
    record = chance.choice(records)
    at = chance.randrange(record["calls"] + 1)
    return {"variant": record["variant"], "trace": record["trace"], "at": at, "mode": chance.choice(EVERYWHERE[2:])}


def _record(lanes: Lanes, report: Report, folder: Path, chance: random.Random, many: int) -> list[dict[str, Any]]:
    """Records of new runs, one or more of each variant, then of runs that went on after a cut in one of those."""
    first = [
        {"folder": str(folder / f"record-{number:03}"), "variant": number % len(VARIANTS)}
        for number in range(max(len(VARIANTS), many // 2))
    ]
    records = _recorded(lanes, report, first, again=False)
    second = [
        {
            "folder": str(folder / f"record-again-{number:03}"),
            "variant": record["variant"],
            "trace": record["trace"],
            "seed": chance.randrange(1 << 32),
        }
        for number, record in enumerate(records[: many // 2])
        if VARIANTS[record["variant"]].durability == "full"
    ]
    return [*records, *_recorded(lanes, report, second, again=True)]


def _recorded(lanes: Lanes, report: Report, cases: list[dict[str, Any]], *, again: bool) -> list[dict[str, Any]]:
    made = []
    for arguments, given in lanes.spread(f"{__name__}:recorded", cases):
        if "trace" in given:
            made.append({**arguments, "trace": given["trace"], "calls": given["calls"], "again": again})
        else:
            report.violations.append(f"record {arguments}: {given}")
    return sorted(made, key=lambda record: record["folder"])


EXHAUSTIVE_FROM = 2_000
"""From how many random cuts on every call is cut at."""
CAMPAIGN = Campaign("power", 50_000, run)
