"""Putting a run on record for a service to drive, from a process that may load its file."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping

from penstock.runtime.given import read_texts
from penstock.runtime.loader import load_all
from penstock.service.report import Found, compiled_as_data
from penstock.service.rows import new_run
from penstock.store.base import RunRow, Store


def queue(
    store: Store,
    workflow: str,
    source: str,
    texts: Mapping[str, str],
    now: float,
    logical_at: float | None = None,
    timezone: str | None = None,
) -> RunRow:
    """Put a run of a workflow on record, with parameters as texts of a command line. ParameterError for wrong ones,
    LogicalTimeTaken if there was a run for this time."""
    loaded = Found(source, "", tuple(load_all(source))).workflow(workflow)
    given = {**loaded.values, **read_texts(loaded.flow.name, loaded.flow.parameters, texts)}
    compiled = compiled_as_data(loaded, given)
    run = new_run(*(workflow, loaded.source, compiled, now), trigger="manual", logical_at=logical_at, timezone=timezone)
    store.create_run(run, b64decode(compiled["plan"]))
    return run
