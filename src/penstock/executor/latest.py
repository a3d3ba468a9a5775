"""`latest_only`: a task that lets what comes after it run in the newest run of a workflow only."""

from __future__ import annotations

from penstock.definition.decorators import task
from penstock.executor.current import current


@task.short_circuit(ignore_downstream_trigger_rules=False)
def latest_only() -> bool:
    """Skip what comes directly after this task, unless the run is the newest of its workflow in the store."""
    return current().is_latest
