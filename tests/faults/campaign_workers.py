"""Worker processes that die, stop, lie and go wild: only the attempts that they run suffer, and each by the promise.

Three kinds of cases. In a *round*, some tasks do harm to their own process (`worker_faults` says how, and what is to
come of it) beside others that do not. In a *storm*, workers are killed and stopped at random from outside. In a
*death*, the driver is killed, and what it leaves behind has to end by itself.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock import Task, Workflow, WorkflowManager
from penstock.engine.events import AttemptCancelled, AttemptFailed, AttemptLost, AttemptStarted, AttemptSucceeded, Event
from penstock.results.files import FileResults
from penstock.runtime.record import Run
from penstock.runtime.task_record import TaskRun
from penstock.store.sqlite import SQLiteStore
from tests.faults.campaign import Campaign, Report
from tests.faults.children import Child, in_child, orphans
from tests.faults.lanes import spread
from tests.faults.ledger import Ledger
from tests.faults.worker_faults import FAILED, FAULTS, LOST, PEACE, SUCCEEDED, inflict, steady, take

STRIKES = 3
"""Lost attempts after which a task has failed."""
PER_ROUND = 5
PER_STORM = 10
PATIENCE = 300.0
"""Seconds that a run of a few seconds may take on a busy machine."""
ENDS_WITHIN = 10.0
"""Seconds within which workers end themselves when their driver is gone; on a quiet machine it takes two at most."""
A_MOMENT = 1.0
"""Seconds that processes which were killed with the others of their group may take to be gone."""
_CASES = {"round": 12, "storm": 1, "death": 8}
"""How many cases there are of each kind, in proportion."""


# --- What is run


@dataclass(frozen=True)
class Harm:
    """A faulty task."""

    kind: str
    times: int
    """In how many attempts it does harm."""
    retries: int

    @property
    def name(self) -> str:
        """The task's."""
        return f"{self.kind}, {self.times} times with {self.retries} retries"


def draw_harms(seed: int) -> list[Harm]:
    """The faulty tasks of a round. All kinds get their turn: those of successive seeds differ."""
    chance = random.Random(seed)
    kinds = list(FAULTS)
    random.Random(seed * PER_ROUND // len(kinds)).shuffle(kinds)
    picked = [kinds[(seed * PER_ROUND + number) % len(kinds)] for number in range(PER_ROUND)]
    return [Harm(kind, chance.choice((1, 1, 1, 2, 3)), chance.choice((0, 1, 2))) for kind in picked]


def round_of(harms: list[Harm], ledger: Path) -> Workflow:
    """A workflow with some harm in it, and a chain of tasks that do none."""
    place = str(ledger)
    with Workflow("round") as flow:
        before: Any = 0
        for number in range(8):
            before = flow.add_task(
                Task(f"steady {number}", steady, args=(1, before.output if before else 0, place), retries=1)
            )
        for harm in harms:
            fault = FAULTS[harm.kind]
            args = (harm.kind, harm.times, place)
            faulty = flow.add_task(Task(harm.name, inflict, args=args, retries=harm.retries, timeout=fault.timeout))
            if fault.taken:
                flow.add_task(Task(f"take {harm.name}", take, args=(faulty.output, place)))
    return flow


def storm_of(count: int, ledger: Path) -> Workflow:
    """Many tasks that do no harm."""
    with Workflow("storm") as flow:
        for number in range(count):
            flow.add_task(Task(f"steady {number}", steady, args=(number, 1, str(ledger)), retries=0))
    return flow


def manager_of(folder: Path, workers: int = 2) -> WorkflowManager:
    """A manager for the store of a case."""
    return WorkflowManager(f"sqlite:///{folder}/store", "processes", workers=workers, observers=[], grace=2.0)


# --- In the child that drives


def drive_round(folder: str, seed: int) -> list[str]:
    """Drive a round; what is wrong afterwards."""
    place = Path(folder)
    harms = draw_harms(seed)
    manager = manager_of(place)
    threads, files = threading.active_count(), _open_files()
    run = manager.run(round_of(harms, place / "ledger"), raise_on_failure=False)
    found = [*_left_in_this_process(threads, files), *broken_law(place, run.id)]
    by_task = outcomes_of(place, run.id)
    always = {LOST} if any(FAULTS[harm.kind].reaches_the_next for harm in harms) else set()
    for harm in harms:
        found += [f"{harm.name}: {line}" for line in _as_expected(harm, run, by_task, always)]
    for row in run.tasks:
        if row.name.startswith("steady") and (row.state != "success" or (row.attempts > 1 and not always)):
            found.append(f"'{row.name}' is {row.state} after {row.attempts} attempts: {row.error}")
    readers = {entry["pid"] for entry in Ledger.read(place / "ledger").of("read")}
    if os.getpid() in readers:
        found.append("the driver has executed what a value brought along")
    found += _left_files(place, sum(FAULTS[harm.kind].leaves_files * harm.times for harm in harms))
    manager.close()
    return found


def drive_storm(folder: str, seed: int) -> dict[str, Any]:
    """Drive a storm; what is wrong afterwards, and how often it hit."""
    place = Path(folder)
    manager = manager_of(place, workers=3)
    threads, files = threading.active_count(), _open_files()
    over = threading.Event()
    hits: Counter[str] = Counter()
    thunder = threading.Thread(target=_strike, args=(random.Random(seed), over, hits))
    thunder.start()
    run = manager.run(storm_of(12 * PER_STORM, place / "ledger"), raise_on_failure=False)
    over.set()
    thunder.join()
    found = [*_left_in_this_process(threads, files), *broken_law(place, run.id)]
    lost = sum(row.lost for row in run.tasks)
    if lost > hits["killed"]:
        found.append(f"{lost} attempts were lost, and only {hits['killed']} workers killed")
    manager.close()
    return {"found": found, "done": sum(hits.values())}


def _strike(chance: random.Random, over: threading.Event, hits: Counter[str]) -> None:
    """Kill workers of this process, and stop some for a while."""
    while sum(hits.values()) < PER_STORM and not over.wait(chance.uniform(0.05, 0.25)):
        workers = _workers()
        if not workers:
            continue
        worker = chance.choice(workers)
        try:
            if chance.random() < 0.7:
                os.kill(worker, signal.SIGKILL)
                hits["killed"] += 1
            else:
                os.kill(worker, signal.SIGSTOP)
                hits["stopped"] += 1
                over.wait(chance.uniform(0.0, 0.3))
                os.kill(worker, signal.SIGCONT)
        except ProcessLookupError:
            pass


def _workers() -> list[int]:
    """The processes that this one has started, by any of its threads."""
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):
        try:
            found += map(int, Path(f"/proc/self/task/{thread}/children").read_text().split())
        except OSError:
            pass
    return found


def lasting_of(seed: int, ledger: Path) -> Workflow:
    """A workflow that goes on for long enough to be killed, as long as its first tasks do harm."""
    with Workflow("lasting") as flow:
        for kind in random.Random(seed).sample(LASTING, 2):
            flow.add_task(Task(kind, inflict, args=(kind, 9, str(ledger)), retries=0))
        for number in range(80):
            flow.add_task(Task(f"steady {number}", steady, args=(number, 1, str(ledger)), retries=0))
    return flow


def drive_until_killed(folder: str, seed: int) -> None:
    """Drive a run that goes on for long enough."""
    place = Path(folder)
    manager_of(place, workers=4).run(lasting_of(seed, place / "ledger"), raise_on_failure=False)


LASTING = [
    "SIGHUP",
    "exit from a thread",
    "sleep with the lock",
    "blocked signals",
    "prints on and on",
    "swallows everything",
    "stopped",
    "printing thread",
    "thread",
    "process",
    "long goodbye",
    "forked child that sleeps",
]
"""What is still going on when the driver is killed, or leaves something behind that is."""


def finish(folder: str, seed: int) -> list[str]:
    """Resume a run whose driver was killed, without what never ends; what is wrong afterwards."""
    place = Path(folder)
    (place / PEACE).touch()
    manager = manager_of(place)
    run = manager.resume(workflow=lasting_of(seed, place / "ledger"), raise_on_failure=False)
    found = broken_law(place, run.id, drivers=2)
    if run.state != "success":
        found.append(f"resumed, the run ended as {run.state}: {run.error}")
    manager.close()
    return found


# --- What must be so


def events_of(folder: Path, run_id: str) -> list[Event]:
    """The journal of a run, read anew."""
    store = SQLiteStore(folder / "store")
    try:
        return [event for _, batch in store.read(run_id) for event in batch]
    finally:
        store.close()


_OUTCOMES = {AttemptSucceeded: SUCCEEDED, AttemptFailed: FAILED, AttemptLost: LOST, AttemptCancelled: "cancelled"}


def outcomes_of(folder: Path, run_id: str) -> dict[int, list[tuple[int, str]]]:
    """What the attempts of each task came to, as recorded."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for event in events_of(folder, run_id):
        if isinstance(event, tuple(_OUTCOMES)):
            found[event.task].append((event.attempt, _OUTCOMES[type(event)]))  # type: ignore[union-attr]
    return found


def broken_law(folder: Path, run_id: str, *, drivers: int = 1) -> list[str]:
    """What every run has to be like, whatever its workers did: one outcome for each attempt, states that follow from
    outcomes, bodies that ran as recorded, and output that was kept. A driver that was killed may have begun attempts
    and read output that it had no time to record."""
    manager = manager_of(folder)
    run = manager.get(run_id)
    found: list[str] = []
    started = Counter((e.task, e.attempt) for e in events_of(folder, run_id) if isinstance(e, AttemptStarted))
    by_task = outcomes_of(folder, run_id)
    ledger = Ledger.read(folder / "ledger")
    bodies = Counter((entry["task"], entry["attempt"]) for entry in ledger.of("start"))
    for row in run.tasks:
        outcomes = by_task[row.number]
        numbers = [number for number, _ in outcomes]
        if len(set(numbers)) != len(numbers):
            found.append(f"{row.name}: an attempt has more than one outcome: {outcomes}")
        for number in sorted({*numbers, *range(1, row.attempts + 1)}):
            if started[row.number, number] != 1:
                found.append(f"{row.name}: attempt {number} was started {started[row.number, number]} times")
            ran = bodies[row.name, number]
            if ran > drivers or ((number, SUCCEEDED) in outcomes and ran == 0):
                found.append(f"{row.name}: the body of attempt {number} ran {ran} times")
        if row.state == "success" and row.name.startswith("steady") and row.result is None:
            found.append(f"{row.name} has lost its value")
        if row.state not in ("success", "failed", "upstream_failed"):
            found.append(f"{row.name} is {row.state}")
    known = {(row.name, number) for row in run.tasks for number in range(1, row.attempts + 1)}
    found += [f"{name}: the body of attempt {number} ran, and nobody knows" for name, number in bodies.keys() - known]
    if drivers == 1:
        printed = {(entry["task"], f"attempt {entry['attempt']} begins") for entry in ledger.of("printed")}
        kept = {(row.name, line) for row in run.tasks for line in row.log.splitlines()}
        found += [f"{name}: '{line}' was printed, and not kept" for name, line in sorted(printed - kept)]
    failed = any(row.state == "failed" for row in run.tasks)
    if run.state != ("failed" if failed else "success"):
        found.append(f"the run is {run.state}, and {'a' if failed else 'no'} task failed")
    manager.close()
    return found


def _as_expected(harm: Harm, run: Run, by_task: dict[int, list[tuple[int, str]]], always: set[str]) -> Iterator[str]:
    """What is wrong with a faulty task and the one that takes its value. What may `always` come of an attempt is not
    its own fault."""
    fault = FAULTS[harm.kind]
    row = run.task(harm.name)
    outcomes = dict(by_task[row.number])
    for number, outcome in outcomes.items():
        # On a busy machine even a body that returns at once may run out of time.
        harmless = (SUCCEEDED,) if fault.timeout is None else (SUCCEEDED, FAILED)
        if outcome not in {*(fault.outcomes if number <= harm.times else harmless), *always}:
            yield f"attempt {number} {outcome}: {row.error}"
    yield from _state_follows(row, list(outcomes.values()), harm.retries, final=fault.final)
    if (
        row.state == "failed"
        and fault.says
        and LOST not in fault.outcomes
        and not re.search(fault.says, row.error or "")
    ):
        yield f"the error does not say {fault.says!r}: {(row.error or '')[:300]}"
    if fault.taken:
        yield from _taker_as_expected(harm, run, by_task, always, harmed=row.attempts <= harm.times)


def _state_follows(row: TaskRun, outcomes: list[str], retries: int, *, final: bool) -> Iterator[str]:
    """Retries and lost attempts are counted apart; the state is that of the last attempt."""
    lost, failed = outcomes.count(LOST), outcomes.count(FAILED)
    if SUCCEEDED in outcomes[:-1]:
        yield f"it went on after a success: {outcomes}"
    expected = "success" if outcomes[-1:] == [SUCCEEDED] else "failed"
    if row.state != expected or row.lost != lost:
        yield f"it is {row.state} with {row.lost} lost after {outcomes}"
    if expected == "failed" and lost < STRIKES and failed <= retries and not final:
        yield f"it was given up with {retries} retries after {outcomes}"
    if lost > STRIKES or (lost == STRIKES and outcomes[-1] != LOST) or failed > retries + 1:
        yield f"it was tried too often with {retries} retries: {outcomes}"


def _taker_as_expected(
    harm: Harm, run: Run, by_task: dict[int, list[tuple[int, str]]], always: set[str], *, harmed: bool
) -> Iterator[str]:
    fault = FAULTS[harm.kind]
    giver, taker = run.task(harm.name), run.task(f"take {harm.name}")
    if giver.state != "success":
        if (taker.state, taker.attempts) != ("upstream_failed", 0):
            yield f"what takes its value is {taker.state}"
        return
    outcomes = [outcome for _, outcome in by_task[taker.number]]
    if set(outcomes) - {*(fault.taker if harmed else (SUCCEEDED,)), *always}:
        yield f"what takes its value came to {outcomes}: {taker.error}"
    yield from _state_follows(taker, outcomes, 0, final=False)


def _left_in_this_process(threads: int, files: int) -> Iterator[str]:
    """What a run has left in the process that drove it: threads, open files, children."""
    if threading.active_count() > threads:
        yield f"threads are left: {threading.enumerate()}"
    if _open_files() > files + 8:  # the store's own, opened when first needed
        yield f"{_open_files()} files are open, and {files} were before"
    if _workers():
        yield f"processes are left: {_workers()}"


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _left_files(folder: Path, allowed: int) -> Iterator[str]:
    """Values that were half written, beyond those whose writers were killed, and after those were swept."""
    temporary = folder / "store" / "results" / "tmp"
    left = list(temporary.glob("*"))
    if len(left) > allowed:
        yield f"{len(left)} temporary files are left: {left}"
    FileResults(folder / "store" / "results").sweep(older_than=0)
    if list(temporary.glob("*")):
        yield "there are temporary files that cannot be swept"


# --- The cases


def case(kind: str, seed: int, folder: str) -> dict[str, Any]:
    """One case, in a lane."""
    place = Path(folder) / f"{kind}-{seed}"
    place.mkdir()
    given = _KINDS[kind](str(place), seed)
    if not given["violations"]:
        shutil.rmtree(place)
    return given


def _round(place: str, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    ended = in_child(drive_round, place, seed, timeout=PATIENCE)
    found = list(ended.value) if ended.value is not None else [f"the driver: {ended}"]
    found += [f"this was left running: {command}" for command in orphans(A_MOMENT)]
    return {"violations": found, "done": PER_ROUND, "seconds": time.monotonic() - began}


def _storm(place: str, seed: int) -> dict[str, Any]:
    ended = in_child(drive_storm, place, seed, timeout=PATIENCE)
    given = ended.value or {"found": [f"the driver: {ended}"], "done": 0}
    found = [*given["found"], *(f"this was left running: {command}" for command in orphans(A_MOMENT))]
    return {"violations": found, "done": given["done"]}


def _death(place: str, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    driver = Child(drive_until_killed, place, seed)
    bodies = chance.randint(1, 25)
    deadline = time.monotonic() + PATIENCE
    while len(Ledger.read(Path(place) / "ledger").entries) < bodies and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, 0.1))
    driver.kill()
    died = time.monotonic()
    ended = driver.wait()
    left = orphans(ENDS_WITHIN)
    seconds = time.monotonic() - died
    found = [] if ended.was_killed or ended.code == 0 else [f"the driver: {ended}"]
    found += [f"{ENDS_WITHIN:g} s after its driver this still runs: {command}" for command in left]
    resumed = in_child(finish, place, seed, timeout=PATIENCE)
    found += resumed.value if resumed.value is not None else [f"when it was resumed: {resumed}"]
    found += [f"the second driver has left this running: {command}" for command in orphans(A_MOMENT)]
    return {"violations": found, "done": int(ended.was_killed), "orphans ended after": seconds}


_KINDS = {"round": _round, "storm": _storm, "death": _death}


def run(count: int, seed: int, folder: Path) -> Report:
    """See Campaign. Each faulty task, each strike at a worker and each killed driver counts."""
    report = Report()
    inflicted: Counter[str] = Counter()
    longest: defaultdict[str, float] = defaultdict(float)
    for arguments, answer in spread(f"{__name__}:case", _cases(count, seed, folder)):
        given: dict[str, Any] = answer if "raised" not in answer else {"violations": [answer["raised"]], "done": 0}
        report.done += given["done"]
        inflicted[arguments["kind"]] += given["done"]
        report.violations += [f"{arguments['kind']} {arguments['seed']}: {line}" for line in given["violations"]]
        for what in ("seconds", "orphans ended after"):
            longest[what] = max(longest[what], given.get(what, 0.0))
    for kind, number in inflicted.items():
        report.notes[{"round": "harm by bodies", "storm": "strikes", "death": "drivers killed"}[kind]] = f"{number:,}"
    report.notes["kinds of harm"] = str(len(FAULTS))
    report.notes["longest round"] = f"{longest['seconds']:.1f} s"
    report.notes["orphans ended within"] = f"{longest['orphans ended after']:.1f} s"
    return report


def _cases(count: int, seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Cases with so many faults in all."""
    order = [kind for kind, weight in _CASES.items() for _ in range(weight)]
    random.Random(seed).shuffle(order)
    done = number = 0
    while done < count:
        kind = order[number % len(order)]
        yield {"kind": kind, "seed": seed * 100_000 + number, "folder": str(folder)}
        done += {"round": PER_ROUND, "storm": PER_STORM, "death": 1}[kind]
        number += 1


CAMPAIGN = Campaign("workers", 1_000, run)
