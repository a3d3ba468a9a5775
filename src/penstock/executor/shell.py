"""Commands of the shell as tasks, and what they are given: values by the environment, never as text."""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, time
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from penstock.definition.schema import as_json
from penstock.definition.secret import Secret
from penstock.definition.task import Task
from penstock.definition.workflow import building
from penstock.errors import CommandFailed, OptionError, PenstockError, Skip
from penstock.executor.current import Current, running
from penstock.executor.templates import Template, shell_text

if TYPE_CHECKING:
    from penstock.definition.group import TaskGroup
    from penstock.definition.options import TaskOptions
    from penstock.definition.placeholder import Output


class ShellTask(Task):
    """A task that runs a command; its value is the last line that the command writes to stdout.

    `command` is a list of arguments, run as it is; a text, run by `shell`; or a Template. Tasks, outputs and parameters
    stand for their values in a list, in `env` and among the values of a template. Inside a workflow that is being
    built, the task is added to it.
    """

    __slots__ = ()

    adds_itself = True

    def __init__(
        self,
        name: str,
        command: str | Sequence[Any] | Template,
        dependencies: Sequence[Task | TaskGroup | Output | str] | None = None,
        *,
        env: Mapping[str, Any] | None = None,
        cwd: Any = None,
        shell: str = "/bin/sh",
        skip_on_exit_code: int | None = 99,
        **options: Unpack[TaskOptions],
    ) -> None:
        frame = sys._getframe(1)
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        problem = _problem(command, env)
        if problem:
            raise OptionError(f"task '{name}': {problem}", where=where)
        given: dict[str, Any] = {"env": dict(env or {}), "cwd": cwd}
        if isinstance(command, Template):
            given["values"], command = command.values, command.text
        body = partial(run_command, shell=shell, skip_on_exit_code=skip_on_exit_code)
        super().__init__(
            name,
            body,
            dependencies,
            args=(command if isinstance(command, str) else [*command],),
            kwargs=given,
            **options,
        )
        self.file, self.line = frame.f_code.co_filename, frame.f_lineno
        workflow = building()
        if workflow is not None:
            workflow.add_task(self)


def shell(
    command: str | Sequence[Any] | Template,
    *,
    env: Mapping[str, Any] | None = None,
    cwd: Any = None,
    shell: str = "/bin/sh",
    skip_on_exit_code: int | None = 99,
) -> str:
    """Run a command within a task's body, as ShellTask does: the last line that it writes to stdout.

    CommandFailed if it ends with another exit code than 0, Skip if it does so with `skip_on_exit_code`."""
    values = None
    if isinstance(command, Template):
        values, command = command.values, command.text
    return run_command(command, env=env, cwd=cwd, values=values, shell=shell, skip_on_exit_code=skip_on_exit_code)


def run_command(
    command: str | Sequence[Any],
    *,
    env: Mapping[str, Any] | None = None,
    cwd: Any = None,
    values: Mapping[str, Any] | None = None,
    shell: str,
    skip_on_exit_code: int | None,
) -> str:
    """The body of a ShellTask. With `values`, the command is a template."""
    from penstock.executor.command import RunningCommand

    variables = _variables(env or {})
    if values is not None:
        if not isinstance(command, str):
            raise PenstockError("a template is a text, not a list")
        command, referred = shell_text(command, {**_about_run(), **values}, as_text)
        variables |= referred
    argv = [*_interpreter(shell), command] if isinstance(command, str) else [_argument(part) for part in command]
    if not argv:
        raise PenstockError("the command is empty")
    with RunningCommand(argv, variables, cwd) as process:
        code, told = process.follow()
    if code == 0:
        return process.last_line
    if skip_on_exit_code is not None and code == skip_on_exit_code:
        raise Skip(f"the command ended with exit code {code}")
    how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {_signal_name(-code)}"
    raise CommandFailed(f"the command {how}{told}", code)


def _problem(command: Any, env: Any) -> str | None:
    """What is wrong with how a command was written."""
    if not isinstance(command, (str, list, tuple, Template)) or not command:
        return f"its command is {command!r:.60}: give a text, a list of arguments or a Template"
    if env is not None and not isinstance(env, Mapping):
        return f"env={env!r:.60} is not a dict of names to values"
    wrong = [name for name in env or () if not isinstance(name, str) or not name or {"=", "\0"} & set(name)]
    return f"env has {wrong[0]!r:.60}, which is not the name of a variable" if wrong else None


# --- What it is given


def as_text(value: Any) -> str:
    """A value as commands read it: dates in ISO 8601, true and false, an enum's name, JSON for what has parts."""
    if isinstance(value, Secret):
        value = value.get_secret_value()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, (dict, list, tuple, set, frozenset)) or is_dataclass(value):
        import json

        return json.dumps(as_json(value))
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _argument(value: Any) -> str:
    if isinstance(value, Secret):
        raise PenstockError(
            "a secret among the arguments of a command would show in the list of processes: pass it in env"
        )
    return os.fsdecode(value) if isinstance(value, bytes) else as_text(value)


def _variables(env: Mapping[str, Any]) -> dict[str, str]:
    """What is added to the environment: about the run, its parameters but for secrets, and what is given."""
    attempt = running.get()
    variables: dict[str, str] = {}
    if attempt is not None:
        current = Current(attempt)
        variables = {
            "PENSTOCK_RUN_ID": current.run_id,
            "PENSTOCK_WORKFLOW": current.workflow,
            "PENSTOCK_TASK": current.task,
            "PENSTOCK_GENERATION": str(current.generation),
            "PENSTOCK_ATTEMPT": str(current.attempt),
            "PENSTOCK_IDEMPOTENCY_KEY": current.idempotency_key,
        }
        params = current.params.items()
        variables |= {f"PARAM_{n.upper()}": as_text(value) for n, value in params if not isinstance(value, Secret)}
    return variables | {str(name): as_text(value) for name, value in env.items()}


def _about_run() -> dict[str, Any]:
    """What every template may name."""
    attempt = running.get()
    if attempt is None:
        return {}
    current = Current(attempt)
    about = {"run_id": current.run_id, "workflow": current.workflow, "task": current.task, "attempt": current.attempt}
    return {**about, "params": current.params}


def _interpreter(shell: str) -> list[str]:
    """A shell that ends at the first command that fails: in bash also within a pipe."""
    return [shell, "-e", *(("-o", "pipefail") if os.path.basename(shell) == "bash" else ()), "-c"]


def _signal_name(number: int) -> str:
    from signal import Signals

    try:
        return Signals(number).name
    except ValueError:
        return str(number)
