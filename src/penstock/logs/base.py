"""The contract of the logs: what attempts print and log, kept per attempt, in the order in which it was written.

A silent attempt leaves nothing. Keeping is never worth a task: what cannot be kept is dropped and counted, and the task
goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol, TypeAlias, get_args

Stream: TypeAlias = Literal["stdout", "stderr", "log"]
"""Where text was written to. "log" is the logger of `current()`."""

STREAMS: tuple[Stream, ...] = get_args(Stream)

DEFAULT_CAP = 10_000_000
"""Bytes kept of one attempt."""


_ROW_BITS = 32


def place(task: int, index: int) -> int:
    """The number that a task, or an instance of a mapped one, has in the logs: `index` is -1 for what is not mapped."""
    return task | (index + 1) << _ROW_BITS


def task_at(place: int) -> tuple[int, int]:
    """The task and the index behind such a number."""
    return place & (1 << _ROW_BITS) - 1, (place >> _ROW_BITS) - 1


class Position(NamedTuple):
    """A place in the logs of one run, to go on reading from."""

    segment: int
    entry: int
    """How many entries of the segment lie before."""


class LogChunk(NamedTuple):
    """Text that one attempt wrote to one stream: usually one line."""

    task: int
    """As `place` makes it of the task's number and its map index."""
    generation: int
    attempt: int
    stream: Stream
    text: str
    at: float
    """Seconds since 1970."""
    plan: str
    """Fingerprint of the plan whose number `task` is: a run resumed with a changed workflow follows several."""
    position: Position
    """The place just after this chunk."""


class LogWriter(Protocol):
    """Takes what the attempts of one run write while one driver drives it. Used from many threads."""

    dropped: int
    """How many chunks could not be kept, e.g. because the disk was full."""

    @property
    def holds(self) -> bool:
        """Whether there is something that `flush` would make readable."""

    def write(self, task: int, generation: int, attempt: int, stream: Stream, text: str, at: float) -> None:
        """Keep `text`. Beyond the cap of an attempt one note is kept and nothing more. Never fails for want of room."""

    def end(self, task: int, generation: int, attempt: int) -> None:
        """The attempt is over: make readable what it wrote."""

    def flush(self) -> None:
        """Make everything written so far readable by other processes."""

    def close(self) -> None:
        """Flush and let go. What is written later is ignored."""


class LogReader(Protocol):
    """Reads what was kept of one run, also while it is being written."""

    def chunks(
        self,
        *,
        task: int | None = None,
        generation: int | None = None,
        attempt: int | None = None,
        plan: str | None = None,
        after: Position | None = None,
    ) -> Iterator[LogChunk]:
        """What is there now, in the order written, narrowed to what is given; no chunks where nothing was kept.

        To follow a run, ask again with the `position` of the last chunk as `after`."""

    def text(
        self,
        *,
        task: int | None = None,
        generation: int | None = None,
        attempt: int | None = None,
        plan: str | None = None,
    ) -> str:
        """The chunks' text, joined."""

    def tasks(self, *, plan: str | None = None) -> list[int]:
        """The numbers of the tasks of which something was kept, in order."""


class Logs(Protocol):
    """The logs of all runs."""

    def writer(self, run_id: str, plan: str = "") -> LogWriter:
        """A writer for one driver of a run. `plan` is the fingerprint of the plan it follows."""

    def reader(self, run_id: str) -> LogReader:
        """A reader of a run's logs, whether there are any or not."""

    def runs(self) -> list[str]:
        """The ids of the runs of which something was kept, in order, whether they are on record or not."""

    def delete(self, run_id: str) -> None:
        """Forget a run's logs. Unknown runs are ignored."""
