"""What importing Penstock costs, and which names it has."""

from __future__ import annotations

import subprocess
import sys

import pytest

import penstock

HEAVY = {
    "apsw",
    "asyncio",
    "click",
    "cloudpickle",
    "concurrent.futures",
    "duckdb",
    "logging",
    "multiprocessing",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "sqlite3",
    "subprocess",
    "unittest",
}


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads."""
    code = f"import sys; before = set(sys.modules); {statement}; print('loaded:', *(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "statement",
    [
        "import penstock",
        "from penstock import Task, WorkflowManager, task, workflow",
        "from penstock import Task, WorkflowManager, task, workflow; WorkflowManager()",
        "from penstock import *",
    ],
    ids=["package", "names", "manager", "all"],
)
def test_importing_loads_nothing_heavy(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


def test_a_run_in_memory_loads_no_data_library_no_database_and_no_terminal() -> None:
    run = (
        "from penstock import Task, WorkflowManager; m = WorkflowManager('memory'); "
        "m.add_task(Task('a', lambda: [1])); m.add_task(Task('b', print, ['a'])); m.run()"
    )
    assert not loaded_by(run) & (HEAVY - {"logging"})


def test_whoever_only_defines_tasks_loads_nothing_that_runs_them() -> None:
    loaded = loaded_by("from penstock import Task, WorkflowManager, task, workflow; WorkflowManager()")
    parts = {name.split(".")[1] for name in loaded if name.startswith("penstock.")}
    assert not parts & {"engine", "plan", "executor", "store", "logs", "results", "code", "observe"}


def test_what_shows_runs_is_loaded_when_one_has_ended() -> None:
    run = (
        "import os; from penstock import Task, WorkflowManager; m = WorkflowManager('memory'); "
        "body = lambda: (os.write(1, ('loaded: ' + ' '.join(sys.modules)).encode()), os._exit(0)); "
        "m.add_task(Task('a', body)); m.run()"
    )
    shows = {f"penstock.runtime.{name}" for name in ("record", "why", "logbook", "approvals", "attempts", "children")}
    loaded = loaded_by(run)
    assert "penstock.runtime.driver" in loaded
    assert not loaded & shows


def test_importing_penstock_itself_loads_only_itself() -> None:
    ours = {name for name in loaded_by("import penstock") if name.startswith("penstock.")}
    assert not ours, "the public names are loaded when they are first used"


def test_every_public_name_can_be_imported() -> None:
    for name in penstock.__all__:
        assert getattr(penstock, name) is not None
    namespace: dict[str, object] = {}
    exec("from penstock import *", namespace)
    assert set(penstock.__all__) <= set(namespace)


def test_the_public_names_are_these() -> None:
    """A name that goes is a break, one that comes is a promise: both are meant."""
    assert penstock.__all__ == sorted(penstock.__all__)
    promised = {"Task", "Workflow", "WorkflowManager", "Run", "task", "workflow", "chain", "current"}
    promised |= {"PenstockError", "RunFailed", "RunInterrupted", "TaskTimeout", "TaskCancelled"}
    assert promised <= set(penstock.__all__)


def test_all_names_that_are_loaded_late_are_public_and_the_other_way_round() -> None:
    assert set(penstock._HOMES) == set(penstock.__all__)
    assert set(penstock.__all__) <= set(dir(penstock))


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'penstock' has no attribute 'Taks'"):
        _ = penstock.Taks


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert penstock.__version__ == version("penstock")
