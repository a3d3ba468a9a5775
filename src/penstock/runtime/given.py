"""Parameters as they are given from outside: texts and files of a command line, and the values of secrets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.definition.kept import as_it_was, keepable, lost_type
from penstock.definition.params import SECRET_FORMS, Parameter, parse
from penstock.definition.reading import UNREADABLE, from_text
from penstock.definition.secret import Secret, has_secrets, holds_secret, leaving, mask
from penstock.errors import ParameterError
from penstock.plan.plan import Plan
from penstock.results.tagged_json import NotPlain, dumps


def read_texts(workflow: str, parameters: Mapping[str, Parameter], texts: Mapping[str, str]) -> dict[str, Any]:
    """Values from the texts of a command line: "@FILE" stands for what is in the file, "@@" for an "@". ParameterError
    for a file that cannot be read, and for what does not read as its type."""
    read = {}
    for name, text in texts.items():
        is_secret = name in parameters and parameters[name].is_secret
        if text.startswith("@@") and not is_secret:
            read[name] = text[1:]
        elif text.startswith("@") and text[1:] and not is_secret:
            read[name] = _content(workflow, name, text[1:])
        else:
            read[name] = text
    return parse(workflow, parameters, read)


def read_secrets(
    workflow: str,
    parameters: Mapping[str, Parameter],
    params: Mapping[str, Any],
    again: Mapping[str, Any] | None = None,
    *,
    run_id: str | None = None,
) -> dict[str, Any]:
    """The parameters with the values of those that are secret, each read from where it is found: what `again` gives,
    or what was kept of it. ParameterError where there is none."""
    again = again or {}
    for name in again:
        if name not in parameters or not parameters[name].is_secret:
            raise ParameterError(f"workflow '{workflow}' has no secret parameter '{name}'")
    read = dict(params)
    for name, value in params.items():
        parameter = parameters.get(name)
        if parameter is None or not isinstance(value, Secret):
            continue
        secret = again.get(name, value)
        secret = secret if isinstance(secret, Secret) else Secret(secret)
        read[name] = secret if secret.is_read else _located(secret).read(_found(workflow, parameter, secret, run_id))
    return read


def _located(secret: Secret[Any]) -> Secret[Any]:
    """The same secret, found from whatever folder the run is resumed in."""
    return Secret.from_file(Path(secret.name).absolute()) if secret.source == "file" else secret


def _found(workflow: str, parameter: Parameter, secret: Secret[Any], run_id: str | None) -> Any:
    """The value of a secret, from where it is said to be."""
    if secret.source == "env":
        text = os.environ.get(secret.name)
        if text is None:
            raise _error(workflow, parameter.name, f"there is no environment variable {secret.name}")
    elif secret.source == "file":
        text = _content(workflow, parameter.name, secret.name)
    elif secret.source == "prompt":
        text = _asked(workflow, parameter.name)
    else:
        raise _error(
            workflow,
            parameter.name,
            f"run {run_id} was given this secret as a value, which is not kept: give it again, "
            f"manager.resume('{run_id}', secrets={{'{parameter.name}': ...}}) or penstock resume {run_id} "
            f"--secret {parameter.name}=... ({SECRET_FORMS})",
        )
    try:
        return from_text(text, parameter.value_type)
    except UNREADABLE:
        raise _error(workflow, parameter.name, f"what {secret!r} holds does not read as it should") from None


def _asked(workflow: str, name: str) -> str:
    from getpass import getpass

    if sys.stdin is None or not sys.stdin.isatty():
        raise _error(workflow, name, "it is to be asked for, and there is no terminal to ask at")
    return getpass(f"{name}: ")


def _content(workflow: str, name: str, file: str) -> str:
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise _error(workflow, name, f"file {file} cannot be read: {error}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _error(workflow: str, name: str, what: str) -> ParameterError:
    return ParameterError(f"workflow '{workflow}', parameter '{name}': {what}")


def refuse_secrets_in(plan: Plan) -> None:
    """ParameterError if a plan has the value of a secret in it: in the name of a task, say, which everybody sees."""
    if not has_secrets():
        return
    text = repr(plan)
    if mask(text) == text:
        return
    for name in plan.names:
        if mask(name) != name:
            raise ParameterError(f"workflow '{plan.workflow}': the name of task '{mask(name)}' has a secret in it")
    raise ParameterError(
        f"workflow '{plan.workflow}' has the value of a secret in its graph, as an argument or an option of a task: "
        "pass the parameter itself to the task"
    )


# --- Kept with a run


def kept(workflow: str, parameters: Mapping[str, Parameter], params: Mapping[str, Any]) -> str:
    """Parameters as they are kept with a run: of secrets where they are found. ParameterError for one that cannot be
    read back as it was."""
    plain = {name: keepable(value) for name, value in params.items()}
    with leaving():
        for name, value in plain.items():
            try:
                problem = lost_type(parameters.get(name), params[name])
                if holds_secret(dumps(value).encode()):
                    problem = "it has the value of a secret in it, and it is kept and shown itself"
            except NotPlain as error:
                problem = f"{error}; give a text, number, date, path, enum or dataclass, or a list or dict of these"
            if problem:
                raise ParameterError(f"workflow '{workflow}', parameter '{name}': {problem}")
        return dumps(plain)


def as_they_were(parameters: Mapping[str, Parameter], params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that were kept, as the values that they stand for by their annotations now."""
    return {name: as_it_was(parameters[name], value) if name in parameters else value for name, value in params.items()}
