"""Notifiers that an installed package brings are told of failed tasks and of how runs ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import penstock, read_json, write

MODULE = """\
from pathlib import Path
from penstock.runtime import outbox

outbox.PAUSES = (0.01, 0.02, 0.05)  # who refuses is asked again soon

class Scribe:
    def notify(self, notice):
        error = notice.error and notice.error.message
        with Path("notes").open("a") as notes:
            print(notice.receiver, notice.kind, notice.workflow, notice.task, error, file=notes)

class Clumsy:
    def notify(self, notice):
        raise ZeroDivisionError("no network")

class Mute:
    pass

def unmakeable():
    raise OSError("no network")
"""
FLOW = """\
    from penstock import task, workflow

    @task
    def work():
        pass

    @task(retries=1)
    def fail():
        raise ValueError("as ever")

    @workflow
    def daily():
        work()

    @workflow
    def broken():
        fail()
    """


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    information = tmp_path / "site" / "bells-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: bells\nVersion: 1.0\n")
    names = ("scribe = bells:Scribe", "clumsy = bells:Clumsy", "mute = bells:Mute", "unmakeable = bells:unmakeable")
    (information / "entry_points.txt").write_text("\n".join(["[penstock.notifiers]", *names, ""]))
    (tmp_path / "site" / "bells.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    write("daily.py", FLOW)


def notes() -> list[str]:
    return Path("notes").read_text().splitlines()


def test_a_notifier_is_told_how_a_run_ended():
    write("penstock.toml", 'notifiers = ["scribe"]\n')
    penstock("run", "daily.py:daily")
    assert notes() == ["scribe run_success daily None None"]
    penstock("rerun", "--only", "work")
    assert notes() == ["scribe run_success daily None None"] * 2


def test_and_of_tasks_that_failed_for_good():
    penstock("run", "daily.py:broken", code=1, PENSTOCK_NOTIFIERS="scribe")
    assert notes() == ["scribe task_failed broken fail as ever", "scribe run_failed broken None task 'fail' failed"]


def test_one_that_raises_harms_neither_the_run_nor_the_others():
    done = penstock("run", "daily.py:daily", PENSTOCK_NOTIFIERS="clumsy,scribe")
    assert "was refused by notifier 'clumsy', and is tried again: ZeroDivisionError: no network" in done.stderr
    assert notes() == ["scribe run_success daily None None"]
    assert read_json("show")["notices"]["undelivered"] == 1


def test_who_is_named_later_is_told_of_what_comes_then_and_who_is_not_is_told_nothing():
    penstock("run", "daily.py:broken", code=1)
    penstock("resume", code=1, PENSTOCK_NOTIFIERS="scribe")
    assert len(notes()) == 2
    penstock("resume", code=1)
    assert len(notes()) == 2


def test_one_that_is_not_there_or_cannot_be_made_is_told_before_anything_runs():
    stderr = penstock("run", "daily.py:daily", code=2, PENSTOCK_NOTIFIERS="scribble").stderr
    assert "there is no notifier 'scribble'; did you mean 'scribe'?" in stderr
    stderr = penstock("run", "daily.py:daily", code=2, PENSTOCK_NOTIFIERS="unmakeable").stderr
    assert "notifier 'unmakeable' cannot be made: OSError: no network" in stderr
    stderr = penstock("run", "daily.py:daily", code=2, PENSTOCK_NOTIFIERS="mute").stderr
    assert "notifier 'mute' is no notifier: Mute has no method notify()" in stderr
    assert read_json("runs") == []
