"""Logs in memory, for the memory store: bounded, and gone with the process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from penstock.logs.base import DEFAULT_CAP, LogChunk, Position, Stream
from penstock.logs.cap import Cap

RUN_LIMIT = 16_000_000
"""Bytes kept of one run: beyond it the oldest chunks go."""


class MemoryLogs:
    """The logs of all runs of a memory store."""

    def __init__(self, *, cap: int = DEFAULT_CAP, run_limit: int = RUN_LIMIT) -> None:
        self._cap = cap
        self._run_limit = run_limit
        self._runs: dict[str, MemoryLog] = {}

    def writer(self, run_id: str, plan: str = "") -> MemoryWriter:
        return MemoryWriter(self._runs.setdefault(run_id, MemoryLog(self._run_limit)), plan, self._cap)

    def reader(self, run_id: str) -> MemoryReader:
        return MemoryReader(self._runs.get(run_id) or MemoryLog(0))

    def runs(self) -> list[str]:
        return sorted(self._runs)

    def delete(self, run_id: str) -> None:
        self._runs.pop(run_id, None)


class MemoryLog:
    """The chunks of one run, oldest first, each with its size in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lock = threading.RLock()
        self.chunks: deque[tuple[LogChunk, int]] = deque()
        self.size = 0
        self.count = 0


class MemoryWriter:
    """See LogWriter."""

    def __init__(self, log: MemoryLog, plan: str, cap: int) -> None:
        self.dropped = 0
        self._log = log
        self._plan = plan
        self._cap = Cap(cap)
        self._closed = False

    @property
    def holds(self) -> bool:
        return False

    def write(self, task: int, generation: int, attempt: int, stream: Stream, text: str, at: float) -> None:
        log = self._log
        with log.lock:
            data = b"" if self._closed else self._cap.admit((task, generation, attempt), text)
            if not data:
                return
            log.count += 1
            kept, place = data.decode(), Position(1, log.count)
            log.chunks.append((LogChunk(task, generation, attempt, stream, kept, at, self._plan, place), len(data)))
            log.size += len(data)
            while log.size > log.limit:
                log.size -= log.chunks.popleft()[1]
                self.dropped += 1

    def end(self, task: int, generation: int, attempt: int) -> None:
        with self._log.lock:
            self._cap.forget((task, generation, attempt))

    def flush(self) -> None:
        """Nothing to do: what is written can be read."""

    def close(self) -> None:
        self._closed = True


class MemoryReader:
    """See LogReader."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def chunks(
        self,
        *,
        task: int | None = None,
        generation: int | None = None,
        attempt: int | None = None,
        plan: str | None = None,
        after: Position | None = None,
    ) -> Iterator[LogChunk]:
        with self._log.lock:
            present = list(self._log.chunks)
        for chunk, _ in present:
            if (
                (task is None or chunk.task == task)
                and (generation is None or chunk.generation == generation)
                and (attempt is None or chunk.attempt == attempt)
                and (plan is None or chunk.plan == plan)
                and (after is None or chunk.position > after)
            ):
                yield chunk

    def text(
        self,
        *,
        task: int | None = None,
        generation: int | None = None,
        attempt: int | None = None,
        plan: str | None = None,
    ) -> str:
        chunks = self.chunks(task=task, generation=generation, attempt=attempt, plan=plan)
        return "".join(chunk.text for chunk in chunks)

    def tasks(self, *, plan: str | None = None) -> list[int]:
        return sorted({chunk.task for chunk in self.chunks(plan=plan)})
