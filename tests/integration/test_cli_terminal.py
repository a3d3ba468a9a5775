"""What a run looks like on a terminal: a real one, by way of a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping
from contextlib import suppress

import pytest

from tests.integration.commands import PENSTOCK, penstock, write

FLOW = """\
    import sys
    from penstock import task, workflow

    @task(retries=1)
    def speak() -> None:
        print("said by the task")
        print("and this by its errors", file=sys.stderr)
        raise ValueError("as planned")

    @task
    def good() -> None:
        pass

    @workflow
    def flow(fail: bool = True):
        good()
        if_fails(fail)

    @task
    def if_fails(fail: bool) -> None:
        speak.func() if fail else None
    """

COLOUR = re.compile(r"\x1b\[[0-9;]+m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(
    *arguments: str, rows: int = 40, errors: int | None = None, environ: Mapping[str, str] = {}
) -> tuple[int, str]:
    """Run a command with a terminal as its stdout and, unless given, its stderr: exit code, and all that was drawn."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 100, 0, 0))
    process = subprocess.Popen(
        [*PENSTOCK, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs if errors is None else errors,
        env={**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environ},
    )
    os.close(theirs)
    drawn = b""
    with suppress(OSError):  # on Linux the end of a pseudo-terminal is an error
        while data := os.read(ours, 65_536):
            drawn += data
    os.close(ours)
    return process.wait(), drawn.decode("utf-8").replace("\r\n", "\n")


def last_frame(drawn: str) -> list[str]:
    """What is left on the screen, roughly: the lines after the last one that was drawn over."""
    return [CONTROL.sub("", line).rstrip() for line in drawn.rpartition("\x1b[2K")[2].splitlines()]


def test_a_table_with_the_state_of_each_task():
    write("flow.py", FLOW)
    code, drawn = on_terminal("run", "flow.py")
    assert code == 1
    assert COLOUR.search(drawn)
    assert "━━━" in drawn, "a bar"
    assert "Running task" not in drawn
    lines = last_frame(drawn)
    assert any(re.fullmatch(r"✓ good +\d+ ms", line) for line in lines), lines
    assert any(re.fullmatch(r"✗ if_fails +\d+ ms failed", line) for line in lines), lines
    assert not any("━━━" in line for line in lines), "the bar goes when the run has ended"
    assert drawn.index("said by the task") < drawn.index("ValueError: as planned")
    assert "and this by its errors" in drawn
    assert drawn.rindex("\x1b[?25h") > drawn.rfind("\x1b[?25l"), "the cursor is shown"


def test_success_and_show_on_a_terminal():
    write("flow.py", FLOW)
    code, drawn = on_terminal("run", "flow.py", "--param", "fail=false")
    assert code == 0
    assert re.search(r"Run \w+ succeeded in .*: 2 tasks", CONTROL.sub("", drawn))
    _, shown = on_terminal("show")
    assert "\x1b[32msuccess" in shown


def test_no_color_is_obeyed():
    write("flow.py", FLOW)
    for command in (("run", "flow.py"), ("show",), ("runs",)):
        _, drawn = on_terminal(*command, environ={"NO_COLOR": "1"})
        assert not re.search(r"\x1b\[(3|9)\d", drawn), "no colours"


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}, {"PENSTOCK_EXECUTOR": "inline"}])
def test_plain_lines_where_no_table_can_be_drawn(environ: dict[str, str]):
    write("flow.py", FLOW)
    code, drawn = on_terminal("run", "flow.py", environ=environ)
    assert code == 1
    assert "Running task: good\n" in drawn
    assert "━━━" not in drawn


def test_a_large_run_shows_what_runs_and_leaves_no_table():
    write("flow.py", "from penstock import Task, Workflow\nflow = Workflow('many')\n")
    with open("flow.py", "a") as file:
        file.writelines(
            f"flow.add_task(Task('task_{number}', print, args=['line {number}']))\n" for number in range(500)
        )
    code, drawn = on_terminal("run", "flow.py")
    assert code == 0
    assert "line 499" in drawn
    assert not any("task_" in line for line in last_frame(drawn))


def test_json_on_a_terminal_shows_progress_on_stderr():
    write("flow.py", FLOW)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*PENSTOCK, "run", "flow.py", "--json"], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    drawn = b""
    with suppress(OSError):
        while data := os.read(ours, 65_536):
            drawn += data
    os.close(ours)
    result, _ = process.communicate()
    assert b"said by the task" in drawn
    assert "━━━".encode() in drawn
    assert result.startswith(b"{")
    assert b"said" not in result.replace(b'print("said by the task")', b"")


def test_what_is_written_to_a_redirected_stderr_stays_out_of_the_table():
    write("flow.py", FLOW)
    with open("errors", "wb") as file:
        _, drawn = on_terminal("run", "flow.py", errors=file.fileno())
    assert "and this by its errors" not in drawn
    with open("errors") as file:
        assert "and this by its errors" in file.read()


def test_plain_lines_without_a_terminal():
    write("flow.py", FLOW)
    assert "\x1b" not in penstock("run", "flow.py", code=1).stdout
    assert "\x1b[31m" in penstock("show", FORCE_COLOR="1").stdout
