"""Penstock: workflows in Python that survive.

The public names are loaded when they are first used, so that importing one does not cost the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.definition.decorators import task, workflow
    from penstock.definition.task import Task, chain
    from penstock.definition.workflow import Workflow
    from penstock.errors import PenstockError, RunFailed, RunInterrupted, TaskCancelled, TaskTimeout
    from penstock.executor.current import current
    from penstock.manager import WorkflowManager
    from penstock.policy import Notice
    from penstock.runtime.record import Run, TaskRun

__version__ = "0.1.0"

_HOMES = {
    "Notice": "penstock.policy",
    "PenstockError": "penstock.errors",
    "Run": "penstock.runtime.record",
    "RunFailed": "penstock.errors",
    "RunInterrupted": "penstock.errors",
    "Task": "penstock.definition.task",
    "TaskCancelled": "penstock.errors",
    "TaskRun": "penstock.runtime.record",
    "TaskTimeout": "penstock.errors",
    "Workflow": "penstock.definition.workflow",
    "WorkflowManager": "penstock.manager",
    "chain": "penstock.definition.task",
    "current": "penstock.executor.current",
    "task": "penstock.definition.decorators",
    "workflow": "penstock.definition.decorators",
}

__all__ = [
    "Notice",
    "PenstockError",
    "Run",
    "RunFailed",
    "RunInterrupted",
    "Task",
    "TaskCancelled",
    "TaskRun",
    "TaskTimeout",
    "Workflow",
    "WorkflowManager",
    "chain",
    "current",
    "task",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'penstock' has no attribute '{name}'")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
