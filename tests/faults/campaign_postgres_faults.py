"""Runs at a Postgres server that loses connections, is restarted, crashes, and is cut off after COMMIT was sent."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from penstock import WorkflowManager
from penstock.store.postgres import PostgresStore
from tests.faults.campaign import Campaign, Report
from tests.faults.postgres_runs import LASTS, PERIOD, Cases, Driver, attempted, broken_promises, find, insist
from tests.postgres import Admin, Server, named, with_schema
from tests.postgres_proxy import Proxy

_LANES = 3
_WIRES = ("unsent", "sent", "answered", "half", "late")
_FAULTS = ("session", "sessions", "fast restart", "crash", "cut", *_WIRES, *_WIRES)
_STATEMENTS = (*["INSERT INTO journal"] * 6, "UPDATE lease", "FROM message", "pid = NULL")
"""What a wire is cut around: mostly a batch, else a heartbeat, a look into an inbox, or the end of a lease."""
_MOST = 3
"""Faults in one run."""


class Lane:
    """A server of its own, and a driver that reaches it through a proxy."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder = folder
        (folder / "results").mkdir(parents=True)
        self._server = Server(sync=True)
        opened.callback(self._server.remove)
        self._url = f"{with_schema(self._server.url, 'faults')}&penstock_lease={PERIOD}"
        judge = named(self._url, "judge_")
        self._store = PostgresStore(judge)
        opened.callback(self._store.close)
        self._manager = opened.enter_context(WorkflowManager(judge, results=folder / "results", observers=[]))
        self._proxy = Proxy(self._server.socket)
        opened.callback(self._proxy.close)
        far = self._url.replace(str(self._server.folder), str(self._proxy.folder))
        self._driver = Driver(far, folder / "results")
        opened.callback(self._driver.end)
        self.runs: list[tuple[str, int, Path]] = []
        self.inflicted: Counter[str] = Counter()
        self.interrupted: list[str] = []
        """Where runs were interrupted by it, which were resumed."""

    def case(self, number: int, chance: random.Random, faults: int) -> tuple[int, list[str]]:
        """Disturb a run so many times; how often it was too late for that, and what was wrong."""
        ledger = self._folder / f"ledger-{number}"
        self._driver.begin(ledger, case=number)
        answered = threading.Event()
        nuisance = threading.Thread(target=self._disturb, args=(chance, faults, answered))
        nuisance.start()
        answer = self._driver.answer()
        answered.set()
        nuisance.join()
        late = self._proxy.disarm()
        self._proxy.deliver()
        return late, attempted(partial(self._judge, number, ledger, answer))

    def _judge(self, number: int, ledger: Path, answer: dict[str, Any]) -> list[str]:
        """Have the run go on where it was interrupted, and see what came of it."""
        while "state" not in answer:
            if answer["error"] != "StoreError":
                return [f"the run ended with {answer}"]
            self.interrupted.append(answer["where"])
            run_id = find(self._store, number)
            if run_id is None:  # its first commit has failed, so that there is none
                self._driver.begin(ledger, case=number)
            else:
                while insist(partial(self._store.holder, run_id)) is not None:
                    time.sleep(0.02)
                self._driver.begin(ledger, run_id=run_id)
            answer = self._driver.answer()
        run_id = find(self._store, number)
        if run_id is None:
            return [f"the run ended with {answer}, and is not on record"]
        self.runs.append((run_id, number, ledger))
        return broken_promises(self._store, self._manager, run_id, number, ledger)

    def _disturb(self, chance: random.Random, faults: int, answered: threading.Event) -> None:
        for _ in range(faults):
            answered.wait(chance.uniform(0, LASTS))
            fault = chance.choice(_FAULTS)
            self.inflicted[fault] += 1
            if fault in _WIRES:
                self._proxy.arm(fault, chance.choice(_STATEMENTS))
            else:
                self._strike(fault, chance)
        if chance.random() < 0.5:
            answered.wait(chance.uniform(0, LASTS))
            self._proxy.deliver()

    def _strike(self, fault: str, chance: random.Random) -> None:
        if fault == "cut":
            self._proxy.cut_all()
        elif fault in ("crash", "fast restart"):
            self._server.stop(signal.SIGQUIT if fault == "crash" else signal.SIGINT)
            time.sleep(chance.uniform(0, PERIOD))
            self._server.start()
        else:
            admin = Admin(self._url)
            sessions = admin.sessions()
            chance.shuffle(sessions)
            for pid in sessions[: 1 if fault == "session" else None]:
                admin.rows("SELECT pg_terminate_backend(%s)", pid)
            admin.close()

    def check_again(self) -> list[str]:
        """Everything once more, after the server has crashed and recovered."""
        self._server.restart(signal.SIGQUIT)
        insist(self._store.runs)
        found = [
            f"case {number}, after a last crash: {line}"
            for run_id, number, ledger in self.runs
            for line in attempted(partial(broken_promises, self._store, self._manager, run_id, number, ledger))
        ]
        return [*found, *self._store.upkeep.faults()]


def run(count: int, seed: int, folder: Path) -> Report:
    """Inflict so many faults, a few in each run."""
    report = Report()
    cases = Cases(count, seed)
    made: list[Lane] = []
    guard = threading.Lock()

    def lane(which: int) -> None:
        with ExitStack() as own:
            lane = Lane(folder / f"lane{which}", own)
            made.append(lane)
            while (drawn := cases.next()) is not None:
                number, chance = drawn
                faults = 1
                while faults < _MOST and chance.random() < 0.5 and cases.next() is not None:
                    faults += 1
                late, found = lane.case(number, chance, faults)
                with guard:
                    report.done += faults - late
                    report.violations += [f"seed {seed}, case {number}: {line}" for line in found]
                for _ in range(late):
                    cases.again()
            report.violations += [f"seed {seed}: {line}" for line in lane.check_again()]

    with ThreadPoolExecutor(_LANES) as threads:
        for done in [threads.submit(lane, which) for which in range(min(_LANES, 1 + count // 8))]:
            done.result()
    inflicted = sum((lane.inflicted for lane in made), Counter[str]())
    report.notes = {
        "faults": ", ".join(f"{fault} {times}" for fault, times in sorted(inflicted.items())),
        "runs": str(sum(len(lane.runs) for lane in made)),
        "interrupted, and resumed": "; ".join(where for lane in made for where in lane.interrupted) or "none",
    }
    return report


CAMPAIGN = Campaign("postgres_faults", 200, run)
