"""Retention: which runs are forgotten, and which values and logs are removed because no run needs them any more."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import time

from penstock.engine.events import AttemptSucceeded
from penstock.errors import PenstockError, RunLocked, RunNotFound
from penstock.runtime.history import ENDED, History
from penstock.store.base import RunRow

DAY = 86_400.0
HOUR = 3_600.0
STAMP = ".pruned"
"""The file in a store's folder whose time of change says when its runs were last pruned without being asked."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Which runs are kept: those that have not ended or have notices to deliver, the newest `keep` ended ones of each
    workflow, and those that ended in the last `days`, which may be infinite."""

    keep: int
    days: float

    def __post_init__(self) -> None:
        if not isinstance(self.keep, int) or isinstance(self.keep, bool) or self.keep < 0:
            raise PenstockError(f"keep={self.keep!r} is not a whole number from 0 up")
        if not isinstance(self.days, (int, float)) or isinstance(self.days, bool) or not self.days >= 0:
            raise PenstockError(f"older_than={self.days!r} is not a number of days from 0 up")


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was forgotten, or in a dry run would be."""

    runs: tuple[str, ...]
    """The ids of the runs."""
    values: int
    """Values that no run that is left refers to."""
    bytes: int
    """How large these values were together; 0 in a dry run, which does not look."""


def expired(rows: Iterable[RunRow], retention: Retention, now: float) -> list[RunRow]:
    """Which of the runs, given newest first as stores give them, are to be forgotten. All runs must be given. Those of
    tasks are kept as long as the runs that these are tasks of."""
    rows = [*rows]
    ended: Counter[str] = Counter()
    gone: set[str] = set()
    for row in rows:
        if row.part is not None or row.state not in ENDED or row.ended_at is None or row.undelivered:
            continue
        ended[row.workflow] += 1
        if ended[row.workflow] > retention.keep and now - row.ended_at > retention.days * DAY:
            gone.add(row.id)
    known = {row.id for row in rows}
    for row in reversed(rows):  # those of tasks are younger
        if row.part is not None and row.state in ENDED and (row.parent in gone or row.parent not in known):
            gone.add(row.id)
    return [row for row in rows if row.id in gone]


def prune(history: History, retention: Retention, *, dry_run: bool = False) -> Pruned:
    """Forget the runs that the retention does not keep, then the values to which no run that is left refers; and of
    what was decided about logical times, the details that are old."""
    rows = expired(history.store.runs(), retention, time())
    forgotten = tuple(row.id for row in rows if dry_run or _forget(history, row))
    garbage = Garbage(history)
    for row in history.store.runs():
        if not garbage.values:
            break
        if row.id not in forgotten:
            garbage.values -= named_values(history, row.id)
    if dry_run:
        return Pruned(forgotten, len(garbage.values), 0)
    values, size = garbage.remove_values()
    garbage.remove_logs()
    history.results.sweep(older_than=DAY)
    history.store.merge_ticks()
    return Pruned(forgotten, values, size)


def prune_daily(history: History, retention: Retention, folder: Path) -> None:
    """Prune what is in a store's folder if that was not done for a day. What goes wrong is told on stderr, not raised.

    A new folder is first looked at after a day. Values are looked at only where a run is forgotten, since that means
    reading the journals of all others."""
    stamp = folder / STAMP
    try:
        try:
            if abs(time() - stamp.stat().st_mtime) < DAY:
                return
        except FileNotFoundError:
            stamp.touch(0o600)
            return
        os.utime(stamp)  # before the work: it is not tried again today, and not by other processes meanwhile
        history.store.merge_ticks()
        if expired(history.store.runs(), retention, time()):
            prune(history, retention)
    except (PenstockError, OSError) as error:
        sys.stderr.write(f"Old runs could not be pruned, which is tried again tomorrow: {error}\n")


def _forget(history: History, row: RunRow) -> bool:
    try:
        if history.store.run(row.id) != row:  # it has run again since it was looked at
            return False
        history.store.delete_run(row.id)
        history.logs.delete(row.id)
    except (RunLocked, RunNotFound):
        return False
    return True


class Garbage:
    """Values and logs that may be removed, once the values that journals name were taken out of it.

    The order protects runs that go on or begin meanwhile. The values were listed before any journal is read: what is
    written later is not among them, or is new again, so that `delete` lets it be; what was written before is named by
    now, or is spared for its age. The logs were listed before the runs, and are written by runs on record only.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._moment = _spared_since(history)
        logs = history.logs.runs()
        self.values = set(history.results.digests(older_than=self._age()))
        """Digests."""
        known = {row.id for row in history.store.runs()}
        self.logs = [run_id for run_id in logs if run_id not in known]
        """Ids of runs that were forgotten by somebody who died before he came to their logs."""

    def remove_values(self) -> tuple[int, int]:
        """Remove the values that are left: how many there were, and their bytes."""
        freed = [self._history.results.delete(digest, older_than=self._age()) for digest in sorted(self.values)]
        sizes = [size for size in freed if size is not None]
        return len(sizes), sum(sizes)

    def remove_logs(self) -> int:
        """Remove the logs: of how many runs."""
        for run_id in self.logs:
            self._history.logs.delete(run_id)
        return len(self.logs)

    def _age(self) -> float:
        """How old a value must be, in seconds. It grows, since this process may be stopped at any point for hours."""
        return max(time() - self._moment, HOUR)


def _spared_since(history: History) -> float:
    """The time before which a value must have been written to be removed: an hour ago, and before any present driver
    took its run. What is younger may be in nobody's journal because its task is about to name it, even if its process
    was stopped for hours in between."""
    now = time()
    holders = [history.store.holder(row.id) for row in history.store.unfinished()]
    return min([now - HOUR, *(holder.since for holder in holders if holder is not None)])


def named_values(history: History, run_id: str) -> set[str]:
    """The values to which a run's journal refers, also where a later attempt gave another. StoreCorrupt if it cannot be
    read: then nobody knows what it needs."""
    try:
        return {
            event.value.digest
            for _, events in history.store.read(run_id)
            for event in events
            if type(event) is AttemptSucceeded and event.value is not None and event.value.digest is not None
        }
    except RunNotFound:  # somebody else forgot it
        return set()
