"""Observers that an installed package brings are told of every run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import penstock, penstock_json, write

MODULE = """\
from pathlib import Path

class Scribe:
    def __getattr__(self, name):
        if name.startswith("_") or name == "echo":
            raise AttributeError(name)
        def note(*arguments):
            with Path("notes").open("a") as notes:
                print(name, *arguments[:1], file=notes)
        return note

    def run_started(self, run_id, plan, done):
        with Path("notes").open("a") as notes:
            print("run_started", plan.workflow, file=notes)

class Clumsy:
    def __getattr__(self, name):
        raise ZeroDivisionError(f"no {name}")

def unmakeable():
    raise OSError("no network")
"""
FLOW = """\
    from penstock import task, workflow

    @task
    def work():
        pass

    @workflow
    def daily():
        work()
    """
TOLD = ["run_started daily", "attempt_started 0", "attempt_ended 0", "run_ended success"]


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    information = tmp_path / "site" / "bells-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: bells\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[penstock.notifiers]\nscribe = bells:Scribe\nclumsy = bells:Clumsy\nunmakeable = bells:unmakeable\n"
    )
    (tmp_path / "site" / "bells.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    write("daily.py", FLOW)


def test_a_notifier_is_told_beside_the_console():
    write("penstock.toml", 'notifiers = ["scribe"]\n')
    assert "Running task: work" in penstock("run", "daily.py").stdout
    assert Path("notes").read_text().splitlines() == TOLD
    penstock("rerun", "--only", "work")
    assert Path("notes").read_text().splitlines() == TOLD * 2


def test_one_that_raises_harms_neither_the_run_nor_the_others():
    done = penstock("run", "daily.py", PENSTOCK_NOTIFIERS="clumsy,scribe")
    assert done.stderr.count("The observer Clumsy raised ZeroDivisionError") == 1
    assert done.stderr.lower().count("clumsy") == 1
    assert Path("notes").read_text().splitlines() == TOLD


def test_one_that_is_not_there_or_cannot_be_made_is_told_before_anything_runs():
    stderr = penstock("run", "daily.py", code=2, PENSTOCK_NOTIFIERS="scribble").stderr
    assert "there is no notifier 'scribble'; did you mean 'scribe'?" in stderr
    stderr = penstock("run", "daily.py", code=2, PENSTOCK_NOTIFIERS="unmakeable").stderr
    assert "notifier 'unmakeable' cannot be made: OSError: no network" in stderr
    assert penstock_json("runs") == []
