"""Lists of runs, for a store that has all of their rows at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from penstock.store.base import RunRow

UNENDED = ("queued", "running", "waiting")
"""The states of runs that have not ended."""


class Listing:
    """The part of a store that chooses among the rows of runs; see `Store` for each method."""

    def _rows(self) -> list[RunRow]:
        """All rows, in the order in which they were put on record."""
        raise NotImplementedError

    def runs(
        self,
        workflow: str | None = None,
        *,
        limit: int | None = None,
        states: Collection[str] | None = None,
        trigger: str | None = None,
        since: float | None = None,
        before: tuple[float, str] | None = None,
    ) -> list[RunRow]:
        """Runs, newest first."""
        rows = self._rows()[::-1]
        rows.sort(key=lambda row: -row.created_at)
        if before is not None:
            rows = rows[_place_after(rows, *before) :]
        return [
            row
            for row in rows
            if (workflow is None or row.workflow == workflow)
            and (states is None or row.state in states)
            and (trigger is None or row.trigger == trigger)
            and (since is None or row.created_at >= since)
        ][:limit]

    def newest_runs(self) -> list[RunRow]:
        """The newest run of each workflow."""
        newest: dict[str, RunRow] = {}
        for row in sorted(self._rows(), key=lambda row: row.created_at):
            newest[row.workflow] = row
        return [newest[workflow] for workflow in sorted(newest)]

    def run_counts(self) -> dict[tuple[str, str], int]:
        """How many runs there are, by workflow and state."""
        return dict(Counter((row.workflow, row.state) for row in self._rows()))

    def active_runs(self, workflow: str) -> int:
        """How many runs of a workflow have not ended."""
        return sum(1 for row in self._rows() if row.workflow == workflow and row.state in UNENDED)

    def unfinished(self) -> list[RunRow]:
        """Runs that have not ended or have undelivered notices, oldest first."""
        return sorted(
            (
                row
                for row in self._rows()
                if row.state in ("queued", "running") or (row.undelivered and row.state != "waiting")
            ),
            key=lambda row: row.created_at,
        )

    def due(self, now: float) -> list[RunRow]:
        """Waiting runs whose time has come, those that have been due longest first."""
        rows = self._rows()
        due = [(at, row) for row in rows if row.state == "waiting" and (at := row.wake_at) is not None and at <= now]
        return [row for _, row in sorted(due, key=lambda pair: pair[0])]

    def children(self, run_id: str) -> list[RunRow]:
        """Runs that are a part of this one, oldest first."""
        return sorted((row for row in self._rows() if row.parent == run_id), key=lambda row: row.created_at)


def _place_after(rows: list[RunRow], at: float, run_id: str) -> int:
    """Where the rows go on, which come newest first."""
    for place, row in enumerate(rows):
        if row.id == run_id and row.created_at == at:
            return place + 1
    return next((place for place, row in enumerate(rows) if row.created_at <= at), len(rows))
