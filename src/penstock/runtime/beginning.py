"""The beginning of a run: its row, its lease, and the events that set it going."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.clock import SYSTEM, Clock
from penstock.engine.events import Event, RunStarted
from penstock.engine.run import RunEngine
from penstock.executor.logical_time import NO_TIME, LogicalTime
from penstock.plan.codec import encode
from penstock.plan.compile import Compiled
from penstock.plan.fingerprint import fingerprint
from penstock.runtime.given import kept, refuse_secrets_in
from penstock.runtime.outbox import NOBODY, notifiers_set
from penstock.runtime.pools import check_pools
from penstock.runtime.replay import row_digest
from penstock.runtime.session import Session
from penstock.store.base import RunChange, RunRow, Store


def begin(
    store: Store,
    compiled: Compiled,
    params: Mapping[str, Any],
    source: str | None,
    notifiers: Mapping[str, str] = NOBODY,
    *,
    run_id: str,
    parent: str | None = None,
    part: str | None = None,
    time: LogicalTime | None = None,
    clock: Clock = SYSTEM,
) -> Session:
    """Put a new run on record, driven by this process. `notifiers` are told of it, each of the kinds of notices that
    it names with spaces between, or of the usual. `parent` is the run that began it, `part` which of its tasks it is,
    as text, and `time` what it is for. ParameterError for a parameter that cannot be kept with it, OptionError for a
    pool that is not there, LogicalTimeTaken if the workflow has had a run for that time."""
    plan = compiled.plan
    encoded = encode(plan)
    refuse_secrets_in(plan)
    check_pools(store, compiled)
    now = clock.time()
    at, start, end, timezone = time or NO_TIME
    row = RunRow(
        id=run_id,
        workflow=plan.workflow,
        state="queued",
        params=kept(plan.workflow, compiled.parameters, params),
        plan=fingerprint(encoded),
        source=source,
        created_at=now,
        tasks=len(plan),
        parent=parent,
        part=part,
        logical_at=at,
        interval_start=start,
        interval_end=end,
        timezone=timezone,
        trigger="manual" if parent is None else "workflow",
    )
    opening: list[Event] = [notifiers_set(now, notifiers)] if notifiers else []
    return Session(
        row=row,
        lease=store.start_run(row, encoded),
        engine=RunEngine(plan, run_id=row.id),
        compiled=compiled,
        fingerprint=row.plan,
        params=params,
        opening=[*opening, RunStarted(now, row_digest(row))],
        change=RunChange(state="running", started_at=now),
    )
