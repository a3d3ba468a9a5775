"""What is ready to run where some of it may have to wait for others: for a slot of a pool, or since as many run as may.

Tasks that need the same wait in one line, in order. A line whose first task cannot have what it needs stands aside at
the limit that refuses it, and comes back when that has room again. Who stands aside at a limit keeps those behind him
from it, also where they need less: so who needs many slots gets them some day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import ClassVar

from penstock.runtime.ready import Entry, ReadyQueue

Head = tuple[float, int]
"""The place of a task in the order of all: its rank, and when it came."""


class Line:
    """The tasks that need the same, in their order."""

    __slots__ = ("aside", "entries", "needs", "weigh")

    def __init__(self, needs: Needs, weigh: Callable[[int], int] | None) -> None:
        self.needs = needs
        self.weigh = weigh
        """The priority of a task among those of other runs; None if all have the same."""
        self.entries: list[tuple[float, int, int, int]] = []
        """A heap of (rank, when it came, task, journal position)."""
        self.aside: Limit | None = None
        """The limit that refuses it."""

    @property
    def head(self) -> Head:
        """The place of its first task."""
        return self.entries[0][:2]

    @property
    def weight(self) -> int:
        """The priority of its first task."""
        return 1 if self.weigh is None else self.weigh(self.entries[0][2])

    def need(self, limit: Limit) -> int:
        """How much of a limit each of its tasks takes."""
        return sum(weight for other, weight in self.needs if other is limit)

    def needs_before(self, limit: Limit) -> Needs:
        """What is asked for before a limit."""
        place = next(place for place, (other, _) in enumerate(self.needs) if other is limit)
        return self.needs[:place]

    def number_of(self, weight: int) -> int:
        """How many of its tasks have a priority."""
        weigh = self.weigh
        return len(self.entries) if weigh is None else sum(weigh(entry[2]) == weight for entry in self.entries)


class Limit:
    """Something of which tasks that run at the same time may have only so much."""

    __slots__ = ("aside", "lines", "size", "used")
    is_shared: ClassVar[bool] = False
    """Whether other runs take of it too."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self.lines: list[Line] = []
        """Those that need of it."""
        self.aside = Lines()
        """Those of them that it refuses, or that stand behind one that it does."""

    @property
    def room(self) -> int:
        """How much more may be taken."""
        return self.size - self.used

    def free(self, weight: int) -> None:
        """So much is not used any more."""
        self.used -= weight

    def hold_back(self, line: Line) -> None:
        """A line waits for more of it."""


Needs = tuple[tuple[Limit, int], ...]
"""Limits, and how much of each a task takes: in the order in which they are asked."""


class Lines:
    """Some lines, the one whose first task comes first in front. Who has gone, or has got another head since, is
    dropped when he comes to the front."""

    __slots__ = ("_heap", "_members")

    def __init__(self) -> None:
        self._heap: list[tuple[Head, int]] = []
        self._members: dict[int, Line] = {}

    def put(self, line: Line) -> None:
        """Have a line in it, by the head that it has now."""
        self._members[id(line)] = line
        heappush(self._heap, (line.head, id(line)))

    def drop(self, line: Line) -> None:
        """Have it no more."""
        self._members.pop(id(line), None)

    @property
    def first(self) -> Line | None:
        """The one in front."""
        heap = self._heap
        while heap:
            head, number = heap[0]
            line = self._members.get(number)
            if line is not None and line.entries and line.head == head:
                return line
            heappop(heap)
        return None


class LimitedQueue(ReadyQueue):
    """The tasks that wait for a worker, as far as limits let them. `needs` says of rows what their tasks take beside
    what all take, which is `common`. It is true if one may start."""

    def __init__(
        self,
        row: Callable[[int], int],
        needs: Mapping[int, Needs],
        common: Needs,
        ranks: Sequence[float] = (),
    ) -> None:
        super().__init__(row, ranks)
        self._needs = needs
        self._common = common
        self.weights: Sequence[int] = ()
        """The priorities of rows among the tasks of other runs; without any, all are 1."""
        self._came = 0
        self._by_needs: dict[Needs, Line] = {}
        self._by_row: dict[int, Line] = {}
        self._open = Lines()
        """The lines that are refused by nobody, as far as is known; the first of them may start."""

    def __bool__(self) -> bool:
        return self._open.first is not None

    # --- As the driver uses it

    def add(self, tasks: Sequence[int], requires: int) -> None:
        """Tasks are ready."""
        touched: dict[int, Line] = {}
        for task in tasks:
            row = self._row(task)
            line = self._line(row)
            self._came += 1
            heappush(line.entries, (self._ranks[row] if self._ranks else 0.0, self._came, task, requires))
            if line.entries[0][2] == task:
                touched[id(line)] = line
        for line in touched.values():
            if line.aside is None:
                self._open.put(line)
            else:
                line.aside.aside.put(line)
                line.aside.hold_back(line)
                self._offer(line.aside)
        self._settle()

    def take(self) -> Entry:
        """The next one. IndexError if there is none."""
        line = self._open.first
        if line is None:
            raise IndexError("nothing may start")
        _, _, task, requires = heappop(line.entries)
        if line.entries:
            self._open.put(line)
        for limit, weight in line.needs:
            limit.used += weight
        for limit, _ in line.needs:
            self._offer(limit)
        self._settle()
        return task, requires

    def ended(self, task: int) -> None:
        """A task that was taken does not run any more."""
        self._free(task, lambda limit: True)

    def given_up(self, task: int) -> None:
        """Nobody waits any more for the attempt of a task that was taken. What only this run takes others may have,
        whose worker is another; what is shared is taken until it returns."""
        self._free(task, lambda limit: not limit.is_shared)

    def returned(self, task: int) -> None:
        """An attempt that was given up does not run any more."""
        self._free(task, lambda limit: limit.is_shared)

    def withdraw(self, tasks: Collection[int]) -> None:
        """Tasks are not to run any more, though they were ready."""
        gone = set(tasks)
        for line in self._by_needs.values():
            line.entries = [entry for entry in line.entries if entry[2] not in gone]
            heapify(line.entries)
            self._let_in(line)
        self._settle()

    # --- As who claims slots uses it

    def resize(self, limit: Limit, size: int) -> None:
        """From now on there is so much of it."""
        limit.size = size
        self._offer(limit)
        self._settle()

    def lines(self, limit: Limit) -> list[Line]:
        """The lines that need of a limit and in which somebody stands, in their order, each where it is refused by now:
        aside at the first limit that does, or nowhere, though others may be in front of it."""
        lines = sorted((line for line in limit.lines if line.entries), key=lambda line: line.head)
        for line in lines:
            if line.aside is not None:
                self._let_in(line)
            refusal = _refusal(line)
            if refusal is not None:
                self._stand_aside(line, refusal)
        self._settle()
        return lines

    # --- Who may start

    def _line(self, row: int) -> Line:
        line = self._by_row.get(row)
        if line is None:
            needs = self._needs.get(row, self._common)
            line = self._by_needs.get(needs)
            if line is None:
                line = self._by_needs[needs] = Line(needs, self._weight if self.weights else None)
                for limit, _ in needs:
                    limit.lines.append(line)
            self._by_row[row] = line
        return line

    def _weight(self, task: int) -> int:
        return self.weights[self._row(task)]

    def _free(self, task: int, concerned: Callable[[Limit], bool]) -> None:
        needs = [need for need in self._line(self._row(task)).needs if concerned(need[0])]
        for limit, weight in needs:
            limit.free(weight)
        for limit, _ in needs:
            self._offer(limit)
        self._settle()

    def _settle(self) -> None:
        """Have those stand aside that cannot have what they need, till one may start that is in front."""
        while (line := self._open.first) is not None:
            refusal = _refusal(line)
            if refusal is None:
                return
            self._stand_aside(line, refusal)
            for limit, _ in line.needs:  # perhaps somebody stands there only since he was behind this one
                self._offer(limit)

    def _stand_aside(self, line: Line, refusal: Limit) -> None:
        self._open.drop(line)
        line.aside = refusal
        refusal.aside.put(line)
        refusal.hold_back(line)

    def _offer(self, limit: Limit) -> None:
        """A limit has room, perhaps: let the first that it refuses try again."""
        line = limit.aside.first
        if line is not None and limit.room >= line.need(limit):
            self._let_in(line)

    def _let_in(self, line: Line) -> None:
        if line.aside is not None:
            line.aside.aside.drop(line)
            line.aside = None
        if line.entries:
            self._open.put(line)


def _refusal(line: Line) -> Limit | None:
    """The first limit that has no room for a line, or has somebody waiting who comes before it."""
    for limit, weight in line.needs:
        if limit.room < weight:
            return limit
        first = limit.aside.first
        if first is not None and first.head < line.head:
            return limit
    return None
