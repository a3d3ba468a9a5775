"""The command line in processes of its own, as a shell starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

PENSTOCK = [sys.executable, "-m", "penstock"]


def penstock(*arguments: str | bytes, code: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and check its exit code, unless that is None."""
    done = subprocess.run(
        [*PENSTOCK, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environ},
        timeout=100,
        check=False,
    )
    if code is not None:
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def penstock_json(*arguments: str, code: int = 0) -> Any:
    """What a command writes as JSON, which must be all that it writes to stdout."""
    return json.loads(penstock(*arguments, "--json", code=code).stdout)


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [*PENSTOCK, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def write(name: str, text: str) -> Path:
    """A file of the working directory."""
    path = Path(name)
    path.write_text(dedent(text), encoding="utf-8")
    return path
