"""Drives the flights example for test_flights_kills.py: `python drive_flights.py FOLDER`, once more after each kill.

Each line of FOLDER/bodies says that a task's body is about to run ("+ name"), or that its success is on record
("- name").
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock import WorkflowManager
from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.runtime.loader import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights" / "flights.py"
WORKERS = 2


class Bodies:
    """Writes down what starts and what is recorded, each with one append, so that a kill loses nothing."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._names: tuple[str, ...] = ()

    def _write(self, sign: str, task: int) -> None:
        os.write(self._file, f"{sign} {self._names[task]}\n".encode())

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        self._names = plan.names
        os.write(self._file, b"= driven\n")

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        self._write("+", task)

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        if state is TaskState.SUCCESS:
            self._write("-", task)

    def map_expanded(self, task: int, width: int) -> None:
        pass

    def tasks_settled(self, tasks: Sequence[tuple[int, int]], state: TaskState) -> None: ...

    def tasks_marked(self, tasks: Sequence[tuple[int, int]], state: str, story: str) -> None: ...

    def stopping(self, reason: str, running: int) -> None: ...

    def parked(self, until: float | None) -> None: ...
    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None: ...


def main(folder: Path) -> None:
    manager = WorkflowManager(f"sqlite:///{folder}/store", workers=WORKERS, observers=[Bodies(folder / "bodies")])
    flow = load(str(EXAMPLE)).flow
    if manager.runs(limit=1):
        manager.resume(workflow=flow)
    else:
        manager.run(flow, database=folder / "flights.duckdb", report=folder / "flights.html")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
