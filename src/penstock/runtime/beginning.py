"""The beginning of a run: its row, its lease, and the events that set it going."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.clock import SYSTEM, Clock
from penstock.engine.events import Event, NotifiersSet, RunStarted
from penstock.engine.run import RunEngine
from penstock.errors import ParameterError
from penstock.plan.codec import encode
from penstock.plan.compile import Compiled
from penstock.plan.fingerprint import fingerprint
from penstock.results.tagged_json import NotPlain, dumps
from penstock.runtime.replay import row_digest
from penstock.runtime.session import Session
from penstock.store.base import RunChange, RunRow, Store


def begin(
    store: Store,
    compiled: Compiled,
    params: Mapping[str, Any],
    source: str | None,
    notifiers: Sequence[str] = (),
    *,
    run_id: str,
    clock: Clock = SYSTEM,
) -> Session:
    """Put a new run on record, driven by this process. ParameterError for a parameter that cannot be kept with it."""
    plan = compiled.plan
    encoded = encode(plan)
    now = clock.time()
    row = RunRow(
        id=run_id,
        workflow=plan.workflow,
        state="queued",
        params=_kept(plan.workflow, params),
        plan=fingerprint(encoded),
        source=source,
        created_at=now,
        tasks=len(plan),
    )
    opening: list[Event] = [NotifiersSet(now, tuple(notifiers))] if notifiers else []
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


def _kept(workflow: str, params: Mapping[str, Any]) -> str:
    """Parameters as they are kept with a run. ParameterError for one that cannot be read back as it was."""
    for name, value in params.items():
        try:
            dumps(value)
        except NotPlain as error:
            message = f"workflow '{workflow}', parameter '{name}': {error}; give a text, number, date or path, "
            raise ParameterError(f"{message}or a list or dict of these") from None
    return dumps(dict(params))
