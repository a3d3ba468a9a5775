"""One driver's time with a run: everything that lives only while it is driven is made here and taken down again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Any

from penstock.engine.events import Event
from penstock.engine.run import RunEngine
from penstock.executor.capture import Capture, current_output
from penstock.executor.context import RunContext
from penstock.executor.values import RunValues
from penstock.plan.compile import Compiled
from penstock.runtime.driver import RunDriver
from penstock.runtime.observer import Observer
from penstock.store.base import Lease, RunChange

if TYPE_CHECKING:
    from penstock.executor.base import Executor
    from penstock.logs.base import Logs
    from penstock.results.base import ResultStore
    from penstock.store.base import Store


def drive(
    *,
    store: Store,
    results: ResultStore,
    logs: Logs,
    lease: Lease,
    engine: RunEngine,
    compiled: Compiled,
    fingerprint: str,
    params: Mapping[str, Any],
    opening: Sequence[Event],
    change: RunChange,
    executor: Executor,
    full: bool,
    grace: float,
    observers: Sequence[Observer],
) -> str | None:
    """Drive a run until it ends or is interrupted; the reason of the interruption, or None.

    `fingerprint` is that of the plan, for the logs."""
    writer = logs.writer(lease.run_id, fingerprint)
    driver = RunDriver(
        engine=engine,
        context=RunContext(
            run_id=lease.run_id,
            plan=compiled.plan,
            tasks=compiled.tasks,
            defaults=compiled.defaults,
            params=params,
            results=results,
            values=RunValues(compiled.plan, engine, results),
            write_log=lambda task, generation, attempt, stream, text: writer.write(
                task, generation, attempt, stream, text, time()
            ),
        ),
        store=store,
        lease=lease,
        executor=executor,
        observers=observers,
        log=writer,
        full=full,
        grace=grace,
    )
    echo = next((observer.echo for observer in observers if hasattr(observer, "echo")), None)
    try:
        with Capture(current_output, echo=echo):
            return driver.drive(opening, change)
    finally:
        writer.close()
