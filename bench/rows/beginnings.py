"""How long it takes to begin: imports, the command line, a first task; and a run that is gone on with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

from bench.contenders import disk
from bench.row import Aim, Figures, Medians, Row, figure

HERE = Path(__file__).parents[1]

COMMANDS = {
    "bare interpreter": ["-c", "pass"],
    "import of the four names": ["-c", "from penstock import Task, WorkflowManager, task, workflow"],
    "--help": ["-m", "penstock", "--help"],
    "first task": [str(HERE / "first_task.py")],
}


def _seconds(arguments: list[str], size: int, folder: Path) -> Figures:
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # everything is in the page cache then
    began = perf_counter()
    for _ in range(size):
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return {"ms": (perf_counter() - began) / size * 1e3}


def _import_over_bare(medians: Medians, size: int) -> float:
    return medians["import of the four names"]["ms"] - medians["bare interpreter"]["ms"]


START = Row(
    "start",
    "to begin",
    {name: partial(_seconds, arguments) for name, arguments in COMMANDS.items()},
    5,
    2,
    [
        Aim("import of the four names, over bare Python", 60, "ms", _import_over_bare),
        Aim("`penstock --help`", 100, "ms", figure("--help", "ms")),
        Aim("cold start to the first task", 120, "ms", figure("first task", "ms")),
    ],
)


# --- Going on


def prepare(size: int, folder: Path) -> None:
    """A run whose process was killed when half of its tasks were done."""
    environment = {**os.environ, "BENCH_TASKS": str(size), "BENCH_FIRST": ""}
    command = [sys.executable, "-m", "penstock", "run", str(HERE / "half_done.py")]
    killed = subprocess.run(command, cwd=_home(folder), env=environment, stdout=subprocess.DEVNULL, check=False)
    if killed.returncode != -9:
        raise RuntimeError(f"the run was to be killed, and ended with {killed.returncode}")


def _home(folder: Path) -> Path:
    (folder / ".penstock").mkdir(parents=True, exist_ok=True)  # so that the store is in it
    return folder


def resume(size: int, folder: Path) -> Figures:
    """Go on with it: from the command to the first body."""
    pipes = shutil.ignore_patterns("wake")  # of drivers that are gone
    shutil.copytree(folder.parent / "prepared", folder, ignore=pipes, dirs_exist_ok=True)
    stamp = folder / "stamp"
    environment = {**os.environ, "BENCH_TASKS": str(size), "BENCH_FIRST": str(stamp)}
    began = perf_counter()
    command = [sys.executable, "-m", "penstock", "resume"]
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False)
    return {"seconds": float(stamp.read_text()) - began, "bytes": disk(folder / ".penstock") / (size / 2)}


RESUME = Row(
    "resume",
    "going on with a half-done run of 100,000 tasks (W3)",
    {"resume": resume},
    100_000,
    2_000,
    [Aim("to its first task", 3, "s", figure("resume", "seconds"))],
    prepare=prepare,
)
