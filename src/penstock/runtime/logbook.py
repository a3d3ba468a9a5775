"""The logs of a run with the names of its tasks, read as far as they go, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from penstock.errors import StoreError
from penstock.logs.base import task_at
from penstock.plan.plan import Plan
from penstock.runtime.replay import kept_plan

if TYPE_CHECKING:
    from penstock.logs.base import LogChunk, Logs, Position
    from penstock.store.base import Store


class Entry(NamedTuple):
    """Text, and the task that wrote it."""

    task: str
    chunk: LogChunk


class Logbook:
    """The logs of one run, narrowed to a task or an attempt if those are given."""

    def __init__(
        self, store: Store, logs: Logs, run_id: str, *, task: str | None = None, attempt: int | None = None
    ) -> None:
        self.found = False
        """Whether there was anything."""
        self._store = store
        self._run_id = run_id
        self._task = task
        self._attempt = attempt
        self._reader = logs.reader(run_id)
        self._after: Position | None = None
        self._plans: dict[str, Plan | None] = {}

    def read(self) -> Iterator[Entry]:
        """What came since the last reading."""
        for chunk in self._reader.chunks(attempt=self._attempt, after=self._after):
            self._after = chunk.position
            name = self._name(chunk)
            if self._task in (None, name, name.partition("[")[0] if chunk.task != task_at(chunk.task)[0] else name):
                self.found = True
                yield Entry(name, chunk)

    def goes_on(self) -> bool:
        """Whether somebody drives the run now."""
        return self._store.holder(self._run_id) is not None

    def _name(self, chunk: LogChunk) -> str:
        """A task has the number that it has in the plan that was followed when it wrote."""
        if chunk.plan not in self._plans:
            self._plans[chunk.plan] = self._plan(chunk.plan)
        plan = self._plans[chunk.plan]
        row, index = task_at(chunk.task)
        name = plan.names[row] if plan is not None and row < len(plan) else f"task {row}"
        return name if index < 0 else f"{name}[{index}]"

    def _plan(self, fingerprint: str) -> Plan | None:
        try:
            return kept_plan(self._store, fingerprint or self._store.run(self._run_id).plan)
        except StoreError:
            return None
