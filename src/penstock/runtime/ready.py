"""What is ready to run, in order."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import groupby

Entry = tuple[int, int]
"""A task, and the journal position that must be written before its body begins."""
_MANY = 64


class Bunch:
    """Many tasks that became ready together, in a few bytes each."""

    __slots__ = ("_requires", "_tasks")

    def __init__(self, tasks: Iterable[int], requires: int) -> None:
        self._tasks = array("i", tasks)
        self._tasks.reverse()  # the first is the last: what was taken then takes no memory
        self._requires = requires

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def take(self) -> Entry:
        """The next one."""
        return self._tasks.pop(), self._requires

    def __iter__(self) -> Iterator[Entry]:
        return ((task, self._requires) for task in reversed(self._tasks))


class ReadyQueue:
    """The tasks that wait for a worker. `row` is that of a task; `ranks` says of each row how soon its tasks are taken:
    the lowest first, and of equals who came first. Without ranks, all are equal. Used under the driver's lock."""

    def __init__(self, row: Callable[[int], int], ranks: Sequence[float] = ()) -> None:
        self._row = row
        self._ranks = ranks
        self._lines: dict[float, Entry | deque[Entry | Bunch]] = {}
        """Who waits, by rank: one task, as most often where all ranks differ, or several in a line."""
        self._heap: list[float] = []
        """The ranks of the lines."""

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, tasks: Sequence[int], requires: int) -> None:
        """Tasks are ready."""
        if len(tasks) < _MANY:
            ranks, lines = self._ranks, self._lines
            for task in tasks:
                rank = ranks[task] if task < len(ranks) else self._rank(task)
                if rank in lines:
                    self._line_up(rank, (task, requires))
                else:
                    lines[rank] = task, requires
                    heappush(self._heap, rank)
            return
        for rank, equals in groupby(tasks, self._rank):
            self._line_up(rank, Bunch(equals, requires))

    def _rank(self, task: int) -> float:
        return self._ranks[self._row(task)] if self._ranks else 0.0

    def _line_up(self, rank: float, waiting: Entry | Bunch) -> None:
        line = self._lines.get(rank)
        if line is None:
            self._lines[rank] = waiting if isinstance(waiting, tuple) else deque((waiting,))
            heappush(self._heap, rank)
        elif isinstance(line, tuple):
            self._lines[rank] = deque((line, waiting))
        else:
            line.append(waiting)

    def take(self) -> Entry:
        """The next one. IndexError if there is none."""
        rank = self._heap[0]
        line = self._lines[rank]
        if isinstance(line, tuple):
            entry = line
        else:
            first = line[0]
            entry = first if isinstance(first, tuple) else first.take()
            if first is entry or not first:
                line.popleft()
            if line:
                return entry
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
        waiting = [entry for line in self._lines.values() for entry in _entries_of(line)]
        self._lines, self._heap = {}, []
        for entry in waiting:
            if entry[0] not in gone:
                self._line_up(self._rank(entry[0]), entry)


def _entries_of(line: Entry | deque[Entry | Bunch]) -> Iterator[Entry]:
    for waiting in line if isinstance(line, deque) else (line,):
        yield from (waiting,) if isinstance(waiting, tuple) else waiting
