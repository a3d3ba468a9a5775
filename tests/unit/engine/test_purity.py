"""The core meets no clock, chance, thread, file or driver, and importing it loads none."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = {
    "apsw",
    "asyncio",
    "cloudpickle",
    "logging",
    "multiprocessing",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
}
CORE = [
    "penstock.engine.run",
    "penstock.engine.columns",
    "penstock.engine.notices",
    "penstock.engine.invariants",
    "penstock.engine.retries",
    "penstock.plan.graph",
    "penstock.plan.codec",
    "penstock.plan.fingerprint",
    "penstock.plan.plan",
    "penstock.policy",
    "penstock.errors",
]


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads, beyond those that a bare interpreter has."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", CORE)
def test_importing_a_module_of_the_core_loads_nothing_that_acts(module: str) -> None:
    assert not loaded_by(f"import {module}") & FORBIDDEN


def test_the_engine_reads_plans_and_never_definitions() -> None:
    loaded = loaded_by("import penstock.engine.run")
    assert "penstock.plan.plan" in loaded
    assert not {name for name in loaded if name.startswith("penstock.definition")}
    upper = ("store", "results", "logs", "executor", "runtime", "observe", "manager", "cli", "code")
    assert not {name for name in loaded if name.startswith(tuple(f"penstock.{room}" for room in upper))}


def test_a_run_of_the_engine_asks_for_no_time() -> None:
    """With the clock and chance taken away, the engine gives what it gave."""
    code = """
import random, time
def broken(*args): raise AssertionError("the engine asked")
time.time = time.monotonic = time.perf_counter = random.random = broken
from penstock.engine.events import *
from penstock.engine.run import RunEngine
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
policy = TaskPolicy(retries=1, retry_delay=1.0, retry_jitter=1.0)
none = ("", "")
plan = Plan("flow", ("a", "b"), ((), (0,)), ((), (0,)), (policy,) * 2, none, none, none, frozenset(), none)
engine = RunEngine(plan, run_id="run")
error = ErrorText("E", "")
for event in (RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptFailed(0, 1, 3.0, error), RetryDue(0, 4.0),
              AttemptStarted(0, 2, 5.0), AttemptSucceeded(0, 2, 6.0), RunResumed(7.0), TasksRerun(8.0, (0,))):
    engine.handle(event)
print(engine.counts())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'ready': 1" in done.stdout
