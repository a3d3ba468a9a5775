"""Several services on one store, killed and stopped at random, with their drivers: every due time has its run, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import penstock
from penstock import WorkflowManager
from penstock.engine.events import AttemptStarted, AttemptSucceeded
from penstock.errors import StoreError
from penstock.runtime.history import ENDED
from penstock.store.base import RunRow
from tests.faults.campaign import Campaign, Report
from tests.integration.serving import below
from tests.integration.waiting import is_alive

SERVICES = 5
WORKFLOWS = 4
FILES = 2
QUIET = 20.0
"""Seconds in which nothing happens after which nobody is harmed any more, until something does: a machine may be too
busy for services to begin as fast as they are killed."""
PATIENCE = 120.0
"""Seconds after which a race is given up in which nothing more happens."""
_ROOM = 8
_CODE = (str(Path(__file__).parents[2]), str(Path(penstock.__file__).parents[1]))
"""Where the services have their code from: it is that of the campaign, also where another is installed."""

FLOW = """\
from penstock import task, workflow

@task
def first() -> int:
    return 1

@task
def second(number: int) -> int:
    return number + 1

{workflows}
"""

WORKFLOW = """\
@workflow(schedule=1, start="{start}", end="{end}", catchup="all", max_active_runs={room})
def flow{number}():
    second(first())
"""


def race(count: int, seed: int, folder: Path, store: str | None = None) -> Report:
    """Let services race for so many due times."""
    chance = random.Random(seed)
    flows = folder / "flows"
    flows.mkdir()
    each = count // WORKFLOWS
    _write(flows, each)
    url = store or f"sqlite:///{folder}/store"
    arena = _Arena(flows, url, chance)
    try:
        arena.run(count)
    finally:
        arena.close()
    violations = [*arena.wrong, *_violations(url, each)]
    return Report(done=count, violations=violations, notes={"killed": ", ".join(map(str, arena.notes.items()))})


def _write(flows: Path, each: int) -> None:
    """Workflows that have been due so many times when they are first seen."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(seconds=each - 1)
    for file in range(FILES):
        numbers = range(file, WORKFLOWS, FILES)
        texts = [
            WORKFLOW.format(start=start.isoformat(), end=end.isoformat(), room=_ROOM, number=number)
            for number in numbers
        ]
        (flows / f"file{file}.py").write_text(FLOW.format(workflows="\n".join(texts)))


class _Arena:
    """The services, and what happens to them."""

    def __init__(self, flows: Path, store: str, chance: random.Random) -> None:
        self._flows = flows
        self._store = store
        self._chance = chance
        self._log = (flows.parent / "said").open("ab")
        self._services: list[subprocess.Popen[bytes]] = []
        self._all: set[int] = set()
        self._stopped: list[tuple[float, int]] = []
        self.notes: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self, count: int) -> None:
        """Until all has ended."""
        harms: list[Callable[[], None]] = [self._kill_service, self._end_service, self._kill_child, self._halt]
        last, since = -1, time.monotonic()
        with WorkflowManager(self._store, observers=[]) as manager:
            while (ended := self._ended(manager)) < count:
                self._fill()
                if ended != last:
                    last, since = ended, time.monotonic()
                if time.monotonic() - since > PATIENCE:
                    self.wrong.append(f"nothing happens any more: {ended:,} of {count:,} have ended")
                    return
                time.sleep(self._chance.uniform(0.1, 1.0))
                if time.monotonic() - since < QUIET:
                    self._chance.choices(harms, (2, 1, 4, 2))[0]()
                self._let_go_on()

    def _ended(self, manager: WorkflowManager) -> int:
        try:
            counts = manager.parts.store.run_counts()
        except StoreError:
            return -1
        return sum(number for (_, state), number in counts.items() if state in ENDED)

    def _fill(self) -> None:
        self._services = [service for service in self._services if service.poll() is None]
        while len(self._services) < SERVICES:
            command = [sys.executable, "-m", "tests.faults.serving", str(self._flows), self._store]
            self._services.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    cwd=self._flows.parent,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(_CODE)},
                )
            )
            self.notes["begun"] += 1

    def _children(self) -> list[int]:
        found = [pid for service in self._services for pid in below(service.pid)]
        self._all.update(found)
        return found

    def _kill_service(self) -> None:
        self._children()
        self._send(self._chance.choice(self._services).pid, signal.SIGKILL, "service killed")

    def _end_service(self) -> None:
        self._children()
        self._send(self._chance.choice(self._services).pid, signal.SIGTERM, "service ended")

    def _kill_child(self) -> None:
        if children := self._children():
            self._send(self._chance.choice(children), signal.SIGKILL, "child killed")

    def _halt(self) -> None:
        pids = [service.pid for service in self._services] + self._children()
        pid = self._chance.choice(pids)
        self._send(pid, signal.SIGSTOP, "halted")
        self._stopped.append((time.monotonic() + self._chance.uniform(0.1, 3.0), pid))

    def _let_go_on(self) -> None:
        now = time.monotonic()
        for until, pid in [*self._stopped]:
            if now >= until:
                self._stopped.remove((until, pid))
                self._send(pid, signal.SIGCONT)

    def _send(self, pid: int, number: signal.Signals, what: str | None = None) -> None:
        try:
            os.kill(pid, number)
            if what is not None:
                self.notes[what] += 1
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """End all."""
        self._children()
        for _, pid in self._stopped:
            self._send(pid, signal.SIGCONT)
        for service in self._services:
            self._children()
            service.kill()
            service.wait()
        for pid in self._all:
            if is_alive(pid) and _is_ours(pid):
                self._send(pid, signal.SIGKILL)
        self._log.close()


def _is_ours(pid: int) -> bool:
    """Whether a process is one of a service: its number may be another's by now."""
    try:
        return b"penstock.service.nursery" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _violations(store: str, each: int) -> list[str]:
    """What is not as it was promised."""
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    wrong = []
    with WorkflowManager(store, observers=[]) as manager:
        kept = manager.parts.store
        for number in range(WORKFLOWS):
            rows = kept.runs(f"flow{number}")
            times = Counter(row.logical_at for row in rows)
            expected = {start + second for second in range(each)}
            wrong += [f"flow{number}: {time} has {count} runs" for time, count in times.items() if count > 1]
            wrong += [f"flow{number}: {time} has no run" for time in sorted(expected - times.keys())]
            wrong += [f"flow{number}: {time} was never due" for time in times.keys() - expected]
            wrong += [f"run {row.id} is {row.state}: {row.error}" for row in rows if not _has_ended_well(manager, row)]
            for row in rows:
                wrong += [f"run {row.id}: {problem}" for problem in _doubled(manager, row.id)]
    return wrong


def _has_ended_well(manager: WorkflowManager, row: RunRow) -> bool:
    """Whether a run is as it should be: a task that was lost with three drivers has failed, as it was promised."""
    if row.state == "failed":
        return all("lost" in (task.error or "") for task in manager.get(row.id).tasks if task.state == "failed")
    return row.state == "success"


def _doubled(manager: WorkflowManager, run_id: str) -> list[str]:
    """Tasks that have succeeded twice, or began after they had."""
    done: set[int] = set()
    wrong = []
    for _, events in manager.parts.store.read(run_id):
        for event in events:
            if isinstance(event, (AttemptStarted, AttemptSucceeded)) and event.task in done:
                wrong.append(f"task {event.task} goes on after its success")
            if isinstance(event, AttemptSucceeded):
                done.add(event.task)
    return wrong


CAMPAIGN = Campaign("services", 20_000, race)
