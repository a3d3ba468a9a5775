"""Sixteen processes at one SQLite store, flat out: nobody fails, nothing is lost, and everybody gets a turn."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from penstock import Task, Workflow, WorkflowManager
from penstock.engine.events import RetryDue
from penstock.runtime.store_check import check_store
from penstock.store.base import RunRow
from penstock.store.sqlite import SQLiteStore
from penstock.store.sqlite.writer import Writer
from tests.faults.campaign import Campaign, Report
from tests.faults.children import Child, in_child
from tests.faults.lanes import spread

PROCESSES = 16
KEEP = 20
"""How many runs of each workflow pruning leaves."""
BURST = 20
"""Batches that a process writes to its journal in one go."""
_LEAST_SHARE = 10
"""No process commits less than the busiest one divided by this."""
_LONGEST_WAIT = 10.0
"""Seconds after which a commit that waits counts as starved. It is far more than anybody ever waited."""


@dataclass
class Account:
    """What one process has done, as it was acknowledged."""

    waits: list[float] = field(default_factory=list)
    """Seconds that each commit took."""
    posted: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    """The ids of the runs that it has driven to their ends, in order."""
    batches: int = 0
    pruned: int = 0
    reads: int = 0
    wrong: list[str] = field(default_factory=list)


class Worker:
    """One of the processes. It drives runs of a workflow of its own, and holds one run on which it works directly."""

    def __init__(self, folder: Path, number: int, seed: int) -> None:
        self.number = number
        self.account = Account()
        self._chance = random.Random(f"{seed} {number}")
        self._store = SQLiteStore(folder / "store")
        self._manager = WorkflowManager(f"sqlite:///{folder}/store", "inline", observers=[])
        self._lease = self._store.start_run(standing_run(number), b"no plan")

    def work(self, until: float) -> None:
        """Do one thing after another."""
        actions: list[Callable[[], None]] = [self._drive, self._write, self._post, self._read, self._prune]
        while time.time() < until:
            self._chance.choices(actions, (35, 40, 12, 10, 3))[0]()
        self._lease.release()
        self._store.close()
        self._manager.close()

    def _drive(self) -> None:
        run = self._manager.run(flow_of(self.number))
        self.account.runs.append(run.id)
        if run.task("last").result != 4 * 6_000:
            self.account.wrong.append(f"run {run.id} has a wrong result")

    def _write(self) -> None:
        account = self.account
        for _ in range(BURST):
            account.batches += 1
            messages = self._store.messages(self._lease.run_id) if account.batches % 5 == 0 else []
            self._store.append(
                self._lease,
                [RetryDue(account.batches, 1.0)],
                taken=[message.id for message in messages],
                safe=account.batches % 10 == 0,
            )
            account.taken += [message.body for message in messages]

    def _post(self) -> None:
        for other in self._chance.sample(range(PROCESSES), 3):
            body = json.dumps({"from": self.number, "number": len(self.account.posted), "to": other})
            self._store.post(standing_run(other).id, "greet", body)
            self.account.posted.append(body)

    def _read(self) -> None:
        self.account.reads += 1
        other = standing_run(self._chance.randrange(PROCESSES)).id
        rows = {row.id: row for row in self._store.runs(limit=50)}
        if self._store.holder(self._lease.run_id) is None:
            self.account.wrong.append("it does not hold its own run")
        self._look_at(other, after=max(0, self.account.batches - 100))
        for run_id in self.account.runs[-3:]:
            if run_id in rows and rows[run_id].state != "success":
                self.account.wrong.append(f"run {run_id}, which has ended, is {rows[run_id].state}")

    def _look_at(self, run_id: str, after: int) -> None:
        for number, (found, events) in enumerate(self._store.read(run_id, after), after + 1):
            if (found, events) != (number, [RetryDue(number, 1.0)]):
                self.account.wrong.append(f"batch {number} of {run_id} reads as {found}: {events}")

    def _prune(self) -> None:
        self.account.pruned += len(self._manager.prune(older_than=0, keep=KEEP).runs)


def standing_run(number: int) -> RunRow:
    """The run that a process holds all the time."""
    return RunRow(f"standing-{number}", "standing", "running", "{}", f"plan-{number}", None, created_at=float(number))


def flow_of(number: int) -> Workflow:
    """A few tasks, with one value that needs a file."""
    with Workflow(f"flow {number}") as flow:
        made = flow.add_task(Task("make", _make, args=(number,)))
        middle = [flow.add_task(Task(f"middle {place}", len, args=(made.output,))) for place in range(4)]
        flow.add_task(Task("last", _add, args=([task.output for task in middle],)))
    return flow


def _make(number: int) -> str:
    return chr(65 + number) * 6_000


def _add(numbers: list[int]) -> int:
    return sum(numbers)


# --- In the children


def work(folder: str, number: int, seed: int, start: float, seconds: float) -> dict[str, Any]:
    """Be one of the processes."""
    worker = Worker(Path(folder), number, seed)
    commit = Writer.commit

    def timed_commit(self: Writer, change: Callable[[Any], Any], **how: Any) -> Any:
        began = time.perf_counter()
        try:
            return commit(self, change, **how)
        finally:
            worker.account.waits.append(time.perf_counter() - began)

    Writer.commit = timed_commit  # type: ignore[method-assign,assignment]
    time.sleep(max(0.0, start - time.time()))
    worker.work(start + seconds)
    return asdict(worker.account)


def look(folder: str, accounts: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the store afterwards."""
    found = []
    store = SQLiteStore(Path(folder) / "store")
    left = [message.body for number in range(PROCESSES) for message in store.messages(standing_run(number).id)]
    posted = Counter(body for account in accounts for body in account["posted"])
    arrived = Counter(body for account in accounts for body in account["taken"]) + Counter(left)
    if posted != arrived:
        found.append(f"posted and not arrived: {posted - arrived}; arrived and not posted: {arrived - posted}")
    for number, account in enumerate(accounts):
        batches = list(store.read(standing_run(number).id))
        if batches != [(place, [RetryDue(place, 1.0)]) for place in range(1, account["batches"] + 1)]:
            found.append(f"process {number} has written {account['batches']} batches, and {len(batches)} are there")
        rows = {row.id: row.state for row in store.runs(f"flow {number}")}
        lost = [run_id for run_id in account["runs"][-KEEP:] if rows.get(run_id) != "success"]
        unknown = rows.keys() - set(account["runs"])
        if lost or unknown:
            found.append(f"process {number} misses runs {lost}, and never told of {unknown}")
        store.acquire(standing_run(number).id).release()  # whose driver is gone
        store.delete_run(standing_run(number).id)
    store.close()
    manager = WorkflowManager(f"sqlite:///{folder}/store", observers=[])
    checked = check_store(manager._history, Path(folder) / "store")
    found += [f"{problem.kind} of {problem.run}: {problem.text}" for problem in checked.problems]
    manager.close()
    return found


# --- The case


def case(seconds: float, seed: int, folder: str) -> dict[str, Any]:
    """All processes, in children of a lane."""
    made = in_child(make_store, folder)
    if made.code != 0:
        return {"violations": [str(made)]}
    start = time.time() + 1.0
    children = [Child(work, folder, number, seed, start, seconds) for number in range(PROCESSES)]
    ended = [child.wait(seconds + 90.0) for child in children]
    violations = [f"process {number}: {end}" for number, end in enumerate(ended) if end.value is None]
    if violations:
        return {"violations": violations}
    accounts = [end.value for end in ended]
    violations = [f"process {number}: {line}" for number, one in enumerate(accounts) for line in one["wrong"]]
    looked = in_child(look, folder, accounts, timeout=120.0)
    violations += looked.value if looked.value is not None else [f"the look at the store: {looked}"]
    return {"violations": [*violations, *_unfair(accounts)], "notes": _notes(accounts, seconds)}


def make_store(folder: str) -> None:
    """So that it is there when all begin: how they make one at the same time is a test of its own."""
    SQLiteStore(Path(folder) / "store").close()


def _unfair(accounts: list[dict[str, Any]]) -> Iterator[str]:
    commits = [len(account["waits"]) for account in accounts]
    longest = max(wait for account in accounts for wait in account["waits"])
    if longest > _LONGEST_WAIT:
        yield f"a commit has waited for {longest:.1f} s"
    if min(commits) * _LEAST_SHARE < max(commits):
        yield f"commits are unfairly spread: {sorted(commits)}"


def _notes(accounts: list[dict[str, Any]], seconds: float) -> dict[str, str]:
    waits = sorted(wait for account in accounts for wait in account["waits"])
    commits = [len(account["waits"]) for account in accounts]
    runs = sum(len(account["runs"]) for account in accounts)
    messages = sum(len(account["posted"]) for account in accounts)
    return {
        "processes": str(PROCESSES),
        "commits": f"{len(waits):,}, {len(waits) / seconds:,.0f} a second",
        "longest wait for a commit": f"{waits[-1] * 1000:.0f} ms",
        "median wait": f"{statistics.median(waits) * 1000:.2f} ms",
        "one wait in a thousand": f"{waits[-1 - len(waits) // 1000] * 1000:.0f} ms or more",
        "commits of one process": f"{min(commits):,} to {max(commits):,}",
        "runs": f"{runs:,}, {runs / seconds:,.0f} a second",
        "messages": f"{messages:,}",
        "runs pruned": f"{sum(account['pruned'] for account in accounts):,}",
    }


def run(count: int, seed: int, folder: Path) -> Report:
    """See Campaign. What is counted is seconds."""
    arguments = {"seconds": count, "seed": seed, "folder": str(folder)}
    [(_, given)] = spread(f"{__name__}:case", [arguments])
    if "raised" in given:
        return Report(0, [given["raised"]])
    return Report(count, given["violations"], given.get("notes", {}))


CAMPAIGN = Campaign("processes", 60, run)
