"""What a script's logging shows, with each configuration that users have, and what is kept of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.logs.reader import SegmentReader

SCRIPT = """
import contextvars, logging, sys
from pathlib import Path
from penstock.executor.capture import AttemptOutput, Capture
from penstock.logs.writer import SegmentWriter

{configuration}
root = logging.getLogger()
before = list(root.handlers), root.level
running = contextvars.ContextVar("running", default=None)
writer = SegmentWriter(Path("logs"))
with Capture(running.get):
    output = AttemptOutput(lambda stream, text: writer.write(1, 0, 1, stream, text, 1.0))
    running.set(output)
    logging.getLogger("penstock.task").info("of the task")
    logging.getLogger("library").info("of a library")
    logging.getLogger("library").warning("warned by a library")
    assert (root.handlers, root.level) == before
    output.end()
logging.getLogger("penstock.task").info("after the run")
assert (root.handlers, root.level) == before
assert logging.getLogger("penstock.task").handlers == []
writer.close()
"""
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d\d\d"


@pytest.mark.parametrize(
    ("configuration", "shown", "kept"),
    [
        pytest.param(
            "",
            [f"{TIME} INFO of the task", "warned by a library"],
            [f"{TIME} INFO of the task", "warned by a library"],
            id="none",
        ),
        pytest.param(
            "logging.basicConfig(level='INFO', format='user: %(message)s')",
            ["user: of the task", "user: of a library", "user: warned by a library", "user: after the run"],
            ["user: of the task", "user: of a library", "user: warned by a library"],
            id="stderr",
        ),
        pytest.param(
            "logging.basicConfig(level='WARNING', format='user: %(message)s', stream=sys.stdout)",
            ["user: of the task", "user: warned by a library"],
            ["user: of the task", "user: warned by a library"],
            id="stdout",
        ),
        pytest.param(
            "logging.basicConfig(level='INFO', format='user: %(message)s', filename='user.log')",
            [],
            [f"{TIME} INFO of the task"],
            id="file",
        ),
    ],
)
def test_each_record_is_shown_once_and_kept_once(configuration, shown, kept):
    code = SCRIPT.format(configuration=configuration)
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert_lines(process.stdout + process.stderr, shown)
    assert_lines(SegmentReader(Path("logs")).text(), kept)


def assert_lines(text: str, patterns: list[str]) -> None:
    lines = text.splitlines()
    assert len(lines) == len(patterns), text
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line)
