"""Runs whose process is really killed, and which go on in another: with their file as it was, or changed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

FIRST = """
import os, signal
from pathlib import Path
from penstock import Task, WorkflowManager

def note(what):
    with open("ran.txt", "a") as file:
        file.write(what + "\\n")

def extract():
    note("extract")
    return [1, 2, 3]

def transform(rows):
    note("transform")
    {crash}
    return [row * {factor} for row in rows]

def load(rows):
    note(f"load {{rows}}")

def report(rows):
    note("report")

manager = WorkflowManager()
extracted = manager.add_task(Task("extract", extract))
transformed = manager.add_task(Task("transform", transform, args=[extracted]))
manager.add_task(Task("load", load, args=[transformed]))
{more}
manager.run()
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
RESUME = "from penstock import WorkflowManager; run = WorkflowManager().resume(); print(run.state, run.counts)"


def write(crash: str = "pass", factor: int = 10, more: str = "") -> None:
    Path("flow.py").write_text(FIRST.format(crash=crash, factor=factor, more=more))


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def ran() -> list[str]:
    return Path("ran.txt").read_text().splitlines()


def killed() -> None:
    """A run that was killed in the middle of `transform`."""
    write(crash=KILL)
    assert python("flow.py").returncode == -signal.SIGKILL
    assert ran() == ["extract", "transform"]


def test_what_was_done_is_not_run_again() -> None:
    killed()
    state = python("-c", "from penstock import WorkflowManager; print(WorkflowManager().get().state)")
    assert state.stdout == "interrupted\n"
    write()
    done = python("-c", RESUME)
    assert done.returncode == 0, done.stderr
    assert "success {'success': 3}" in done.stdout
    assert ran() == ["extract", "transform", "transform", "load [10, 20, 30]"]


def test_a_bug_can_be_fixed_and_tasks_added_before_it_goes_on() -> None:
    killed()
    write(factor=100, more='manager.add_task(Task("report", report, args=[transformed], retries=2))')
    done = python("-c", RESUME)
    assert done.returncode == 0, done.stderr
    assert "success {'success': 4}" in done.stdout
    assert ran()[:3] == ["extract", "transform", "transform"]
    assert sorted(ran()[3:]) == ["load [100, 200, 300]", "report"]


def test_a_run_that_went_on_with_a_changed_file_can_be_killed_and_go_on_again() -> None:
    killed()
    write(crash=KILL, more='manager.add_task(Task("report", report, args=[transformed]))')
    assert python("-c", RESUME).returncode == -signal.SIGKILL
    write(more='manager.add_task(Task("audit", report, args=[transformed]))')
    done = python("-c", RESUME)
    assert done.returncode == 0, done.stderr
    assert ran()[:4] == ["extract", "transform", "transform", "transform"]
    assert sorted(ran()[4:]) == ["load [10, 20, 30]", "report"]


def test_a_task_that_kills_its_process_again_and_again_can_be_resumed_by_hand_each_time() -> None:
    killed()
    for _ in range(3):
        assert python("-c", RESUME).returncode == -signal.SIGKILL
    write()
    done = python("-c", RESUME)
    assert done.returncode == 0, done.stderr
    assert ran().count("extract") == 1
