"""The runs that the Postgres campaigns disturb, the processes that drive them, and what must come of it.

A driving process is an interpreter of its own with a real manager. It is told what to do by a line of JSON and answers
by another, so that it can be stopped and continued, and lose its connections, in the middle of a run.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from penstock import WorkflowManager, current, task, workflow
from penstock.engine.events import AttemptStarted, AttemptSucceeded, Event
from penstock.errors import PenstockError
from penstock.runtime.run_check import check_run
from penstock.store.base import Lease
from penstock.store.postgres import PostgresStore
from penstock.store.records import encode_events
from tests.faults.ledger import Ledger, digest_of, note

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
LEDGER = "POSTGRES_LEDGER"
PERIOD = 1.0
"""Seconds of a lease."""
LASTS = 0.25
"""About how many seconds an undisturbed run takes."""
HANG = 90.0
"""Seconds after which a process that does not answer counts as hanging."""
PARTS = 4


# --- The run


def begin(*inputs: object) -> int:
    """Note that a body begins, and take as long as work does; which attempt it is."""
    attempt = current()
    note(
        os.environ[LEDGER],
        "start",
        by=os.getpid(),
        task=attempt.task,
        attempt=attempt.attempt,
        inputs=digest_of(inputs),
    )
    time.sleep(0.01)
    return attempt.attempt


@task
def first(number: int) -> int:
    begin(number)
    return number * 3


@task(retries=1)
def part(start: int, number: int) -> int:
    attempt = begin(start, number)
    if number == 1 and attempt == 1:
        raise RuntimeError("the first attempt fails")
    return start * 10 + number


@task(at_most_once=True)
def once(parts: list[int]) -> int:
    begin(parts)
    return sum(parts)


@task(commit_first=True)
def announced(number: int) -> int:
    begin(number)
    return number + 1


@task
def last(number: int, parts: list[int]) -> dict[str, Any]:
    begin(number, parts)
    return {"number": number, "parts": parts}


@workflow
def disturbed(case: int) -> None:
    start = first(case)
    parts = [part.named(f"part{number}")(start, number) for number in range(PARTS)]
    after = announced.named("after")(start)
    once(parts)
    last(after, parts)


def values(case: int) -> dict[str, Any]:
    """What an undisturbed run gives."""
    parts = [case * 30 + number for number in range(PARTS)]
    found: dict[str, Any] = {f"part{number}": value for number, value in enumerate(parts)}
    after = case * 3 + 1
    return {**found, "first": case * 3, "after": after, "once": sum(parts), "last": {"number": after, "parts": parts}}


# --- In the driving process


def of_events(events: Sequence[Event]) -> str:
    """Tells batches apart."""
    return blake2b(encode_events(events), digest_size=8).hexdigest()


def listen_to_the_store() -> None:
    """Have every batch that the store has acknowledged noted, before anybody can act on it."""
    append = PostgresStore.append

    def listened(self: PostgresStore, lease: Lease, events: Sequence[Event], **how: Any) -> None:
        append(self, lease, events, **how)
        if events:
            note(
                os.environ[LEDGER],
                "written",
                by=os.getpid(),
                token=lease.token,
                batch=of_events(events),
                starts=[[event.task, event.attempt] for event in events if isinstance(event, AttemptStarted)],
                successes=[[event.task, event.attempt] for event in events if isinstance(event, AttemptSucceeded)],
            )

    PostgresStore.append = listened  # type: ignore[method-assign]


def main() -> None:
    """Do what the lines say, one after the other."""
    url, results = sys.argv[1:]
    listen_to_the_store()
    with WorkflowManager(url, "threads", workers=2, results=results, observers=[]) as manager:
        for line in sys.stdin:
            order = json.loads(line)
            os.environ[LEDGER] = order["ledger"]
            try:
                if order["run"] is None:
                    run = manager.run(disturbed, params={"case": order["case"]}, raise_on_failure=False)
                else:
                    run = manager.resume(order["run"], disturbed, adopt=True, raise_on_failure=False)
                answer = {"state": run.state}
            except PenstockError as error:
                first: BaseException = error
                while isinstance(first.__cause__, PenstockError):
                    first = first.__cause__
                calls = traceback.extract_tb(first.__traceback__)
                answer = {
                    "error": type(error).__name__,
                    "text": str(error),
                    "where": " > ".join(call.name for call in calls if "/penstock/" in call.filename),
                }
            print(json.dumps(answer), flush=True)


# --- Beside it


class Driver:
    """A driving process. `name` is that of its sessions."""

    def __init__(self, url: str, results: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults.postgres_runs import main; main()", url, results],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)])},
        )
        self.pid = self._process.pid

    def begin(self, ledger: Path, *, case: int = 0, run_id: str | None = None) -> None:
        """Have it run a case, or adopt a run."""
        assert self._process.stdin is not None
        order = {"ledger": str(ledger), "case": case, "run": run_id}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What came of it."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], HANG)[0]:
            return {"error": "Hang", "text": f"no answer within {HANG:g} seconds"}
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "Death", "text": "the process has ended"}
        return answer

    def has_answered(self) -> bool:
        """Whether the answer is there."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def stop(self) -> None:
        """Stop it with SIGSTOP, and wait until it is."""
        self._process.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)

    def go_on(self) -> None:
        """Have a stopped one go on."""
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def insist(ask: Any) -> Any:
    """Ask a store until it answers: its server may be starting."""
    while True:
        try:
            return ask()
        except PenstockError:
            time.sleep(0.02)


def find(store: PostgresStore, case: int) -> str | None:
    """The run of a case, if it is on record."""
    rows = insist(lambda: store.runs(limit=3))
    return next((row.id for row in rows if json.loads(row.params) == {"case": case}), None)


def attempted(case: Callable[[], T]) -> T | list[str]:
    """What a case gives, or that it raised something."""
    try:
        return case()
    except Exception:
        return [f"it raised {traceback.format_exc()}"]


# --- What must come of it


def broken_promises(store: PostgresStore, manager: WorkflowManager, run_id: str, case: int, ledger: Path) -> list[str]:
    """What is wrong with a run that was driven to its end, in a sentence each."""
    noted = Ledger.read(ledger)
    found = []
    deadline = time.monotonic() + 2 * PERIOD  # where the lease could not be given back
    while store.holder(run_id) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    checked = check_run(store, run_id)
    if checked is None:
        return ["the run is not on record"]
    found += [f"{kind}: {text}" for kind, text in checked.problems]
    if checked.driven or checked.behind:
        found.append(f"the run is left behind: {store.holder(run_id)}, {store.run(run_id)}")
    if found:
        return found  # what follows needs a journal that can be read
    found += _outcome(store, manager, run_id, case)
    found += _acknowledged(store, run_id, noted)
    found += _bodies(noted, {task.number: task.name for task in manager.get(run_id).tasks})
    return found


def _was_lost(store: PostgresStore, run_id: str, task: int) -> bool:
    """Whether a task has started on record and its driver told no outcome."""
    events = [event for _, batch in store.read(run_id) for event in batch]
    started = any(isinstance(event, AttemptStarted) and event.task == task for event in events)
    return started and not any(isinstance(event, AttemptSucceeded) and event.task == task for event in events)


def _outcome(store: PostgresStore, manager: WorkflowManager, run_id: str, case: int) -> Iterator[str]:
    run = manager.get(run_id)
    expected = values(case)
    states = {task.name: task.state for task in run.tasks}
    lost = states.get("once") == "failed" and _was_lost(store, run_id, run.task("once").number)
    if set(states) != set(expected):
        yield f"the run has tasks {sorted(states)}"
    for name, state in states.items():
        if state != "success":
            if not (lost and name == "once"):
                yield f"'{name}' is {state}: {run.task(name).error}"
        elif run.task(name).result != expected[name]:
            yield f"'{name}' gave {run.task(name).result!r}, not {expected[name]!r}"
    if run.state != ("failed" if lost else "success"):
        yield f"the run is {run.state}: {run.error}"


def _acknowledged(store: PostgresStore, run_id: str, noted: Ledger) -> Iterator[str]:
    """Every batch that was acknowledged is in the journal once, and no lease wrote after a newer one."""
    journal = [of_events(events) for _, events in store.read(run_id) if events]
    times = Counter(journal)
    for batch, count in times.items():
        if count > 1:
            yield f"batch {batch} is in the journal {count} times"
    tokens = []
    for entry in noted.of("written"):
        there = times[entry["batch"]]
        if there != 1:
            yield f"a batch that was acknowledged to process {entry['by']} is in the journal {there} times"
        else:
            tokens.append((journal.index(entry["batch"]), entry["token"]))
    grown = [token for _, token in sorted(tokens)]
    if grown != sorted(grown):
        yield f"leases wrote in the order {grown}"


def _bodies(noted: Ledger, names: dict[int, str]) -> Iterator[str]:
    """What bodies did, compared with what was acknowledged by then. A process that was stopped between the start of an
    attempt and its body may run it late: the attempt is older than the success."""
    numbers = {name: number for number, name in names.items()}
    succeeded: dict[int, int] = {}
    started: set[tuple[int, int]] = set()
    inputs: dict[str, str] = {}
    for entry in noted.of("start", "written"):
        if entry["kind"] == "written":
            succeeded |= dict(entry["successes"])
            started |= {(task, attempt) for task, attempt in entry["starts"]}
            continue
        name, attempt = entry["task"], entry["attempt"]
        number = numbers[name]
        if attempt > succeeded.get(number, attempt):
            yield f"the body of '{name}' ran again, as attempt {attempt}, after its success was acknowledged"
        if inputs.setdefault(name, entry["inputs"]) != entry["inputs"]:
            yield f"attempts of '{name}' saw different inputs"
        if name in ("once", "after") and (number, attempt) not in started:
            yield f"the body of '{name}' began before its start was acknowledged"
    if len(noted.starts("once")) > 1:
        yield f"the body of 'once' ran {len(noted.starts('once'))} times"


# --- How cases are drawn


class Cases:
    """The numbers of cases, each with its own chance, for several lanes that draw until there are enough."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._given = 0
        self._lock = threading.Lock()

    def next(self) -> tuple[int, random.Random] | None:
        """The number of the next case, and its chance; None when there were enough."""
        with self._lock:
            if self._given == self._count:
                return None
            self._given += 1
            return self._given, random.Random(f"{self._seed}/{self._given}")

    def again(self) -> None:
        """A case has come to nothing: there is to be one more."""
        with self._lock:
            self._count += 1
