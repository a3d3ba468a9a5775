"""The command line: in processes of its own, as a shell starts it, or in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import dedent
from typing import Any

from penstock.cli.group import execute
from tests.integration.command import Command

PENSTOCK = [sys.executable, "-m", "penstock"]
"""What starts a command in an interpreter that is started for it."""


def penstock(*arguments: str | bytes, code: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and check its exit code, unless that is None."""
    with Command([os.fsdecode(argument) for argument in arguments], "replace", **environ) as command:
        output, errors = command.communicate()
    if code is not None:
        assert command.returncode == code, f"{command.returncode}\n{output}\n{errors}"
    return subprocess.CompletedProcess(command.args, command.wait(), output, errors)


def penstock_json(*arguments: str, code: int = 0) -> Any:
    """What a command writes as JSON, which must be all that it writes to stdout."""
    return json.loads(penstock(*arguments, "--json", code=code).stdout)


def here(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command that loads no file in this process, which is many times cheaper."""
    with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
        ended = execute(arguments)
    assert ended == code, f"{ended}\n{output.getvalue()}\n{errors.getvalue()}"
    return subprocess.CompletedProcess(arguments, ended, output.getvalue(), errors.getvalue())


def read(*arguments: str, code: int = 0) -> str:
    """What a command that only reads writes to stdout, of `here`: to look at what other commands have done."""
    return here(*arguments, code=code).stdout


def read_json(*arguments: str, code: int = 0) -> Any:
    """What such a command writes as JSON."""
    return json.loads(read(*arguments, "--json", code=code))


def start(*arguments: str) -> Command:
    """Start a command."""
    return Command(arguments)


def write(name: str, text: str) -> Path:
    """A file of the working directory."""
    path = Path(name)
    path.write_text(dedent(text), encoding="utf-8")
    return path
