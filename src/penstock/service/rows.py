"""The rows of runs that nobody has begun to drive."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from penstock.store.base import RunRow


def new_run(
    workflow: str,
    source: str,
    compiled: Mapping[str, Any],
    now: float,
    *,
    trigger: str,
    logical_at: float | None = None,
    interval: tuple[float, float] | None = None,
    timezone: str | None = None,
    run_id: str | None = None,
) -> RunRow:
    """A run of a workflow that was compiled, with its parameters."""
    return RunRow(
        id=run_id or os.urandom(6).hex(),
        workflow=workflow,
        state="queued",
        params=compiled["params"],
        plan=compiled["fingerprint"],
        source=source,
        created_at=now,
        tasks=compiled["tasks"],
        logical_at=logical_at,
        interval_start=interval[0] if interval else None,
        interval_end=interval[1] if interval else None,
        timezone=timezone,
        trigger=trigger,
    )
