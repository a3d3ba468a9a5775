"""What the API asks of whoever drives runs. It loads no user's code itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from penstock.plan.plan import Plan
from penstock.runtime.choosing import Choice


class Service(Protocol):
    """What drives runs. Each request returns when it is safe, or taken, and not when the run is over; what it raises is
    told to whoever asked."""

    def resume(self, run_id: str, by: str) -> None:
        """Go on with a run, as by hand. RunLocked if somebody drives it."""

    def rerun(self, run_id: str, choice: Choice, by: str) -> None:
        """Run parts of a run again."""

    def plan_of(self, run_id: str) -> Plan | None:
        """The plan that a run would go on with, by the code as it is now; None if that is not known."""

    def plan(self, workflow: str) -> Plan | None:
        """The plan of a workflow, by the code as it is now; None where a parameter without a value shapes it."""

    def trigger(
        self, workflow: str, params: Mapping[str, Any], *, run_id: str, by: str, logical_at: datetime | None = None
    ) -> None:
        """Put a run of a workflow on record under this id, for somebody to drive; if it is there already, nothing is
        done. ParameterError for wrong parameters, LogicalTimeTaken."""

    def health(self) -> Mapping[str, Any]:
        """What there is to say of it; "problem" if it is not well."""
