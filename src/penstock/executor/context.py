"""What all attempts of a run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.definition.task import Task
from penstock.plan.plan import Plan

if TYPE_CHECKING:
    from penstock.executor.values import RunValues
    from penstock.results.base import ResultStore

WriteLog = Callable[[int, int, int, str, str], None]
"""Keep text of an attempt: task, generation, attempt, stream, text."""


@dataclass(slots=True)
class RunContext:
    """A run, as its attempts see it."""

    run_id: str
    plan: Plan
    tasks: tuple[Task, ...]
    """The task behind each row of the plan."""
    defaults: Mapping[str, Any]
    """The workflow's default options."""
    params: Mapping[str, Any]
    results: ResultStore
    values: RunValues
    write_log: WriteLog

    def retry_on(self, task: int) -> Any:
        """The exceptions after which a task is tried again."""
        return self.tasks[task].options.get("retry_on", self.defaults.get("retry_on", Exception))
