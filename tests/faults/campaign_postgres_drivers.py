"""Drivers at a Postgres store that are stopped past their lease and continued, with and without their sessions, while
others try to take their runs."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from penstock import WorkflowManager
from penstock.store.postgres import PostgresStore
from tests.faults.campaign import Campaign, Report
from tests.faults.postgres_runs import LASTS, PERIOD, Cases, Driver, attempted, broken_promises, find
from tests.postgres import Admin, Server, named, with_schema

_LANES = 4


class Lane:
    """Two drivers that take turns at being stopped."""

    def __init__(self, url: str, folder: Path, opened: ExitStack) -> None:
        self._folder = folder
        (folder / "results").mkdir(parents=True)
        own = f"{named(url, 'judge_')}&penstock_lease={PERIOD}"
        self._store = PostgresStore(own)
        opened.callback(self._store.close)
        self._admin = Admin(url)
        opened.callback(self._admin.close)
        self._manager = opened.enter_context(WorkflowManager(own, results=folder / "results", observers=[]))
        self._drivers = [
            Driver(f"{named(url, name)}&penstock_lease={PERIOD}", folder / "results") for name in ("left_", "right_")
        ]
        for driver in self._drivers:
            opened.callback(driver.end)
        self.longest = 0.0
        """The longest wait for a run to be given to another driver."""
        self.refused = 0
        """How often a driver that went on was refused, since another one had its run."""

    def case(self, number: int, chance: random.Random) -> list[str] | None:
        """Disturb a run; what was wrong, or None if the run was over before it could be disturbed."""
        ledger = self._folder / f"ledger-{number}"
        which = number // 2 % 2
        stopped, other = self._drivers[which], self._drivers[1 - which]
        stopped.begin(ledger, case=number)
        time.sleep(chance.uniform(0, LASTS))
        stopped.stop()
        time.sleep(0.1)  # the server may have a statement of its still to do
        run_id = find(self._store, number)
        holder = run_id and self._store.holder(run_id)
        if run_id is None or not holder:
            stopped.go_on()
            answer = stopped.answer()
            return None if answer == {"state": "success"} else [f"an undisturbed run ended with {answer}"]
        found = [] if holder.pid == stopped.pid else [f"the run is held by {holder}, not by {stopped.pid}"]
        if number % 2:
            found += self._while_its_session_lives(stopped, other, ledger, run_id)
        else:
            self._admin.end_sessions(("left_", "right_")[which])
            found += self._without_its_session(stopped, other, ledger, run_id, chance)
        return [*found, *broken_promises(self._store, self._manager, run_id, number, ledger)]

    def _while_its_session_lives(self, stopped: Driver, other: Driver, ledger: Path, run_id: str) -> list[str]:
        """It is not robbed, however long it is silent, and goes on where it was stopped."""
        found = []
        time.sleep(1.5 * PERIOD)
        for _ in range(2):
            other.begin(ledger, run_id=run_id)
            answer = other.answer()
            if answer.get("error") != "RunLocked" or f"process {stopped.pid} " not in answer["text"]:
                found.append(f"somebody else was told: {answer}")
        holder = self._store.holder(run_id)
        if holder is None or holder.pid != stopped.pid or time.time() - holder.heard_at < PERIOD:
            found.append(f"the stopped driver is shown as {holder}")
        stopped.go_on()
        answer = stopped.answer()
        if answer != {"state": "success"}:
            found.append(f"the stopped driver went on, and ended with {answer}")
        return found

    def _without_its_session(
        self, stopped: Driver, other: Driver, ledger: Path, run_id: str, chance: random.Random
    ) -> list[str]:
        """Another one takes its run after its period, and it is refused; or nobody does, and it goes on."""
        found = []
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0.5, 1.5) * PERIOD)
            stopped.go_on()
            answer = stopped.answer()
            return [] if answer == {"state": "success"} else [f"it was not replaced, and ended with {answer}"]
        began = time.monotonic()
        while self._store.holder(run_id) is not None:
            time.sleep(0.01)
        waited = time.monotonic() - began
        self.longest = max(self.longest, waited)
        if waited > 2 * PERIOD:
            found.append(f"the run was free after {waited:.2f} seconds")
        other.begin(ledger, run_id=run_id)
        patient = chance.random() < 0.8  # else both want the run at the same time
        while patient and not other.has_answered() and not self._is_held_by(other, run_id):
            time.sleep(0.005)
        time.sleep(chance.uniform(0, LASTS))
        stopped.go_on()
        adopted, refused = other.answer(), stopped.answer()
        if refused.get("error") == "LeaseLost":
            self.refused += 1
            good = adopted.get("state") in ("success", "failed")
        else:  # it was quicker than the other one, or had written the end of the run when it was stopped
            good = refused == {"state": "success"} and (
                adopted == {"state": "success"} or (not patient and adopted.get("error") == "RunLocked")
            )
        if not good:
            found.append(f"the stopped driver ended with {refused}, the other one with {adopted}")
        return found

    def _is_held_by(self, driver: Driver, run_id: str) -> bool:
        holder = self._store.holder(run_id)
        return holder is not None and holder.pid == driver.pid


def run(count: int, seed: int, folder: Path) -> Report:
    """Stop so many drivers, by turns with and without their sessions."""
    report = Report()
    cases = Cases(count, seed)
    notes: list[Lane] = []
    with ExitStack() as opened:
        server = Server(sync=True)
        opened.callback(server.remove)

        def lane(which: int) -> None:
            with ExitStack() as own:
                lane = Lane(with_schema(server.url, f"lane{which}"), folder / f"lane{which}", own)
                notes.append(lane)
                while (drawn := cases.next()) is not None:
                    number, chance = drawn
                    found = attempted(partial(lane.case, number, chance))
                    if found is None:
                        cases.again()
                        continue
                    report.done += 1
                    report.violations += [f"seed {seed}, case {number}: {line}" for line in found]

        with ThreadPoolExecutor(_LANES) as threads:
            for done in [threads.submit(lane, which) for which in range(min(_LANES, 1 + count // 4))]:
                done.result()
    longest = max(lane.longest for lane in notes)
    report.notes = {
        "longest wait for a run without a session": f"{longest:.2f} s, with leases of {PERIOD:g} s",
        "refused when they went on": str(sum(lane.refused for lane in notes)),
    }
    return report


CAMPAIGN = Campaign("postgres_drivers", 200, run)
