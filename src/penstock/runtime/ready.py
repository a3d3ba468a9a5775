"""What is ready to run, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import heappop, heappush

Entry = tuple[int, int]
"""A task, and the journal position that must be written before its body begins."""


class ReadyQueue:
    """The tasks that wait for a worker. `row` is that of a task; `ranks` says of each row how soon its tasks are taken:
    the lowest first, and of equals who came first. Without ranks, all are equal. Used under the driver's lock."""

    def __init__(self, row: Callable[[int], int], ranks: Sequence[float] = ()) -> None:
        self._row = row
        self._ranks = ranks
        self._lines: dict[float, Entry | deque[Entry]] = {}
        """Who waits, by rank: one task, as most often where all ranks differ, or several in a line."""
        self._heap: list[float] = []
        """The ranks of the lines."""

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, tasks: Iterable[int], requires: int) -> None:
        """Tasks are ready."""
        for task in tasks:
            self._put((task, requires))

    def _put(self, entry: Entry) -> None:
        ranks, task = self._ranks, entry[0]
        rank = (ranks[task] if task < len(ranks) else ranks[self._row(task)]) if ranks else 0.0
        line = self._lines.get(rank)
        if line is None:
            self._lines[rank] = entry
            heappush(self._heap, rank)
        elif isinstance(line, tuple):
            self._lines[rank] = deque((line, entry))
        else:
            line.append(entry)

    def take(self) -> Entry:
        """The next one. IndexError if there is none."""
        rank = self._heap[0]
        line = self._lines[rank]
        entry = line if isinstance(line, tuple) else line.popleft()
        if line is entry or not line:
            del self._lines[rank]
            heappop(self._heap)
        return entry

    def ended(self, task: int) -> None:
        """A task that was taken does not run any more."""

    def given_up(self, task: int) -> None:
        """Nobody waits any more for the attempt of a task that was taken, and it may still run."""

    def returned(self, task: int) -> None:
        """An attempt that was given up does not run any more."""

    def withdraw(self, tasks: Collection[int]) -> None:
        """Tasks are not to run any more, though they were ready."""
        gone = set(tasks)
        waiting = [entry for line in self._lines.values() for entry in (line if isinstance(line, deque) else (line,))]
        self._lines, self._heap = {}, []
        for entry in waiting:
            if entry[0] not in gone:
                self._put(entry)
