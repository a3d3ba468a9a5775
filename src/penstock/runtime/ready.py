"""What is ready to run, in order, as far as the limits of maps let it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping

Entry = tuple[int, int]
"""A task, and the journal position that must be written before its body begins."""


class ReadyQueue:
    """The tasks that wait for a worker. `limits` says of rows how many of their instances may be under way at once;
    `row` is that of a task. Used under the driver's lock."""

    def __init__(self, row: Callable[[int], int], limits: Mapping[int, int]) -> None:
        self._row = row
        self._limits = limits
        self._waiting: deque[Entry] = deque()
        self._held: dict[int, deque[Entry]] = {}
        """Instances that wait for others of their row."""
        self._active = dict.fromkeys(limits, 0)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, tasks: Iterable[int], requires: int) -> None:
        """Tasks are ready."""
        if not self._limits:
            self._waiting.extend([(task, requires) for task in tasks])
            return
        for task in tasks:
            row = self._row(task)
            held = row in self._limits and self._active[row] >= self._limits[row]
            (self._held.setdefault(row, deque()) if held else self._waiting).append((task, requires))
            if row in self._limits and not held:
                self._active[row] += 1

    def take(self) -> Entry:
        """The next one. IndexError if there is none."""
        return self._waiting.popleft()

    def ended(self, task: int) -> None:
        """A task that was taken does not run any more: the next of its row may."""
        row = self._row(task) if self._limits else -1
        if row not in self._limits:
            return
        if self._held.get(row):
            self._waiting.append(self._held[row].popleft())
        else:
            self._active[row] -= 1

    def withdraw(self, tasks: Collection[int]) -> None:
        """Tasks are not to run any more, though they were ready."""
        gone = set(tasks)
        for row, held in self._held.items():
            self._held[row] = deque(entry for entry in held if entry[0] not in gone)
        left = deque(entry for entry in self._waiting if entry[0] not in gone)
        taken_back = [task for task, _ in self._waiting if task in gone]
        self._waiting = left
        for task in taken_back:
            self.ended(task)
