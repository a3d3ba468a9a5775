"""Async bodies on one event loop, so that any number of them wait without holding a worker.

A worker makes ready what a body takes and goes on to other attempts. The loop's thread only runs the bodies; what they
return is stored and reported by a third thread, since that may take its time.
"""

from __future__ import annotations

import asyncio
from queue import SimpleQueue
from threading import Lock, Thread, get_ident
from typing import Any, NamedTuple

from penstock.executor.base import Attempt, AttemptSource
from penstock.executor.current import running
from penstock.executor.invoke import conclude
from penstock.executor.prepared import Prepared


class _Ended(NamedTuple):
    """A body that has returned, or raised."""

    attempt: Attempt
    prepared: Prepared
    value: Any
    error: BaseException | None


class CoroutineBodies:
    """The async bodies of an executor's attempts. `source` is told how they end."""

    def __init__(self, source: AttemptSource) -> None:
        self._source = source
        self._lock = Lock()
        self._loop: _Loop | None = None
        self._under_way: set[Attempt] = set()
        self._ended: SimpleQueue[_Ended | None] = SimpleQueue()
        self._reporter = Thread(target=self._report, name="penstock-async-ends", daemon=True)
        self._reporter.start()

    def __contains__(self, attempt: Attempt) -> bool:
        return attempt in self._under_way

    def start(self, attempt: Attempt, prepared: Prepared) -> None:
        """Have a body run that is ready to."""
        with self._lock:
            self._under_way.add(attempt)
            if self._loop is None:
                self._loop = _Loop(self._ended)
            self._loop.start(attempt, prepared)

    def abandon(self, attempt: Attempt) -> None:
        """The body does not end, perhaps since it does not let its loop go on: others get another loop."""
        with self._lock:
            self._under_way.discard(attempt)
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.retire()

    def close(self) -> None:
        """No more bodies come. Those that still run are left to themselves."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.retire()
        self._ended.put(None)
        self._reporter.join()

    def _report(self) -> None:
        while (ended := self._ended.get()) is not None:
            attempt = ended.attempt
            token = running.set(attempt)
            try:
                outcome = conclude(*ended)
            finally:
                running.reset(token)
                del ended
            self._under_way.discard(attempt)
            self._source.finish(attempt, outcome)


class _Loop:
    """An event loop in a thread of its own, which ends with its last body once it is retired."""

    def __init__(self, ended: SimpleQueue[_Ended | None]) -> None:
        self._ended = ended
        self._loop = asyncio.new_event_loop()
        self._bodies: set[asyncio.Task[None]] = set()
        self._retired = False
        Thread(target=self._serve, name="penstock-async", daemon=True).start()

    def start(self, attempt: Attempt, prepared: Prepared) -> None:
        """Run a body beside the others."""
        self._loop.call_soon_threadsafe(self._begin, attempt, prepared)

    def retire(self) -> None:
        """No other body comes."""
        self._loop.call_soon_threadsafe(self._stop_with_the_last)

    def _serve(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()

    def _stop_with_the_last(self) -> None:
        self._retired = True
        if not self._bodies:
            self._loop.stop()

    def _begin(self, attempt: Attempt, prepared: Prepared) -> None:
        task = self._loop.create_task(self._run(attempt, prepared))
        self._bodies.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._bodies.discard(task)
        if self._retired:
            self._stop_with_the_last()

    async def _run(self, attempt: Attempt, prepared: Prepared) -> None:
        running.set(attempt)  # in the task's own context
        value, error = None, None
        try:
            value = await self._open(attempt, prepared)
        except BaseException as raised:  # SystemExit would end the loop
            error = raised
        self._ended.put(_Ended(attempt, prepared, value, error))

    async def _open(self, attempt: Attempt, prepared: Prepared) -> Any:
        """Run a body, open to `interrupt` for just as long."""
        task, loop = asyncio.current_task(), self._loop
        assert task is not None
        with attempt.guard:
            attempt.thread = get_ident()
            attempt.cancel_coroutine = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            return await prepared.call()
        finally:
            with attempt.guard:
                attempt.thread = attempt.cancel_coroutine = None
