"""Timetables are told the time, and never ask for it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import penstock.timetable
from tests.unit.engine.test_purity import FORBIDDEN

MODULES = sorted(Path(penstock.timetable.__file__).parent.glob("*.py"))


def test_importing_them_loads_nothing_that_acts() -> None:
    code = """
import sys
import cronsim, zoneinfo  # what these need, in some versions of Python, is their own
before = set(sys.modules)
import penstock.timetable.simulate
print(*(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "penstock.timetable.due" in loaded
    assert not loaded & FORBIDDEN
    assert not {name for name in loaded if name.startswith(("penstock.engine", "penstock.store", "penstock.runtime"))}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_module_of_theirs_looks_at_the_clock(module: Path) -> None:
    names = {node.attr for node in ast.walk(ast.parse(module.read_text("utf-8"))) if isinstance(node, ast.Attribute)}
    assert not names & {"now", "today", "utcnow"} - ({"now"} if module.stem == "simulate" else set())
    assert "datetime.now" not in module.read_text("utf-8")
