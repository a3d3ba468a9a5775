"""Penstock: workflows in Python that survive.

The public names are loaded when they are first used, so that importing one does not cost the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.definition.decorators import setup, task, teardown
    from penstock.definition.group import TaskGroup
    from penstock.definition.group_function import task_group
    from penstock.definition.order import chain
    from penstock.definition.secret import Secret
    from penstock.definition.sub_workflow import SubWorkflow
    from penstock.definition.task import Task
    from penstock.definition.workflow import Workflow
    from penstock.definition.workflow_function import workflow
    from penstock.errors import (
        CommandFailed,
        Defer,
        Fail,
        PenstockError,
        RunFailed,
        RunInterrupted,
        Skip,
        TaskCancelled,
        TaskTimeout,
    )
    from penstock.executor.current import current
    from penstock.executor.latest import latest_only
    from penstock.executor.shell import ShellTask, shell
    from penstock.executor.templates import Template, sql_text
    from penstock.executor.waits.files import wait_for_file
    from penstock.executor.waits.messages import wait_for_message
    from penstock.executor.waits.runs import wait_for_run
    from penstock.executor.waits.times import wait_for_time
    from penstock.executor.waits.urls import wait_for_url
    from penstock.manager import WorkflowManager
    from penstock.policy import Done, Notice, RetryRule, TriggerRule
    from penstock.runtime.record import Run
    from penstock.runtime.task_record import TaskRun

__version__ = "0.1.0"

_HOMES = {
    "CommandFailed": "penstock.errors",
    "Defer": "penstock.errors",
    "Done": "penstock.policy",
    "Fail": "penstock.errors",
    "Notice": "penstock.policy",
    "PenstockError": "penstock.errors",
    "RetryRule": "penstock.policy",
    "Run": "penstock.runtime.record",
    "RunFailed": "penstock.errors",
    "RunInterrupted": "penstock.errors",
    "Secret": "penstock.definition.secret",
    "ShellTask": "penstock.executor.shell",
    "Skip": "penstock.errors",
    "SubWorkflow": "penstock.definition.sub_workflow",
    "Task": "penstock.definition.task",
    "TaskCancelled": "penstock.errors",
    "TaskGroup": "penstock.definition.group",
    "TaskRun": "penstock.runtime.task_record",
    "TaskTimeout": "penstock.errors",
    "Template": "penstock.executor.templates",
    "TriggerRule": "penstock.policy",
    "Workflow": "penstock.definition.workflow",
    "WorkflowManager": "penstock.manager",
    "chain": "penstock.definition.order",
    "current": "penstock.executor.current",
    "latest_only": "penstock.executor.latest",
    "shell": "penstock.executor.shell",
    "sql_text": "penstock.executor.templates",
    "setup": "penstock.definition.decorators",
    "task": "penstock.definition.decorators",
    "task_group": "penstock.definition.group_function",
    "teardown": "penstock.definition.decorators",
    "wait_for_file": "penstock.executor.waits.files",
    "wait_for_message": "penstock.executor.waits.messages",
    "wait_for_run": "penstock.executor.waits.runs",
    "wait_for_time": "penstock.executor.waits.times",
    "wait_for_url": "penstock.executor.waits.urls",
    "workflow": "penstock.definition.workflow_function",
}

__all__ = [
    "CommandFailed",
    "Defer",
    "Done",
    "Fail",
    "Notice",
    "PenstockError",
    "RetryRule",
    "Run",
    "RunFailed",
    "RunInterrupted",
    "Secret",
    "ShellTask",
    "Skip",
    "SubWorkflow",
    "Task",
    "TaskCancelled",
    "TaskGroup",
    "TaskRun",
    "TaskTimeout",
    "Template",
    "TriggerRule",
    "Workflow",
    "WorkflowManager",
    "chain",
    "current",
    "latest_only",
    "setup",
    "shell",
    "sql_text",
    "task",
    "task_group",
    "teardown",
    "wait_for_file",
    "wait_for_message",
    "wait_for_run",
    "wait_for_time",
    "wait_for_url",
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
