"""`penstock db backup`: a copy of a store that is a store, whatever goes on meanwhile and whatever fails."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from penstock import PenstockError, Workflow, WorkflowManager, task, workflow
from penstock.parts import open_parts
from penstock.runtime.backup import Backup, back_up
from penstock.runtime.history import History
from penstock.runtime.store_check import StoreCheck, check_store
from penstock.store.base import Pool
from penstock.store.upkeep import FileUpkeep, upkeep_of
from penstock.testing.store_samples import new_run
from tests.faults.disk import failing_disk
from tests.integration.commands import PENSTOCK, penstock, penstock_json, read, read_json
from tests.unit.runtime.waiting import Background, come

LARGE = 10_000


@task
def make(letter: str) -> str:
    print("making", letter)
    return letter * LARGE


@task
def measure(text: str) -> int:
    return len(text)


@workflow
def flow(letter: str = "a") -> None:
    measure(make(letter))


def manager(store: str | None = None) -> WorkflowManager:
    return WorkflowManager(store, observers=[])


def history_in(folder: Path) -> History:
    parts = open_parts(f"sqlite:///{folder}", lambda: folder)
    return History(parts.store, parts.results, parts.logs)


def back_up_to(target: Path) -> Backup:
    with manager() as opened:
        parts = opened.parts
        upkeep, history = upkeep_of(parts.store), History(parts.store, parts.results, parts.logs)
        assert isinstance(upkeep, FileUpkeep)
        assert parts.folder
        return back_up(history, parts.folder, upkeep, target, history_in, told=lambda what, done, total: None)


def check(folder: Path) -> StoreCheck:
    history = history_in(folder)
    try:
        return check_store(history, folder)
    finally:
        history.store.close()


def test_the_copy_is_a_store(tmp_path: Path):
    with manager() as opened:
        ids = [opened.run(flow, letter=letter).id for letter in "abb"]
    told = penstock_json("db", "backup", "copies/monday", code=2)
    assert "there is no folder" in told["error"]["message"]
    Path("copies").mkdir()
    told = penstock_json("db", "backup", "copies/monday")
    copy = tmp_path / "copies" / "monday"
    assert told == {"folder": str(copy), "runs": 3, "values": 2, "bytes": 2 * LARGE, "missing": 0}
    assert list(Path("copies").iterdir()) == [Path("copies/monday")]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    assert (copy / ".gitignore").read_text() == "*\n"

    for path in sorted(Path(".penstock").rglob("*"), reverse=True):  # the store is lost
        path.rmdir() if path.is_dir() else path.unlink()
    assert [run["id"] for run in read_json("runs", "--store", f"sqlite:///{copy}")] == ids[::-1]
    assert read("logs", ids[0], "--store", f"sqlite:///{copy}").endswith("making a\n")
    assert penstock_json("db", "check", "--store", f"sqlite:///{copy}")["whole"]
    with manager(f"sqlite:///{copy}") as opened:
        assert opened.get(ids[2]).task("make").result == "b" * LARGE
        assert opened.rerun(ids[0], flow, only=["measure"]).state == "success"
        assert opened.run(flow, letter="c").state == "success"


def test_a_run_that_goes_on_is_interrupted_in_the_copy_and_can_be_resumed_there(tmp_path: Path):
    made, go = threading.Event(), threading.Event()

    @task
    def hold(text: str) -> str:
        made.set()
        if not copied:
            come(go)
        return text

    @workflow
    def slow() -> None:
        measure(hold(make("a")))

    copied = False
    driving = Background(lambda: manager().run(slow))
    come(made)
    back_up_to(tmp_path / "copy")
    copied = True
    with manager(f"sqlite:///{tmp_path / 'copy'}") as opened:
        assert opened.get().state == "interrupted"
        run = opened.resume(None, slow)
        assert (run.state, run.task("make").attempts, run.task("hold").attempts) == ("success", 1, 2)
    go.set()
    assert driving.result().state == "success"
    assert check(tmp_path / "copy").problems == []


def test_pools_are_copied_and_who_holds_their_slots_holds_none_in_the_copy(tmp_path: Path):
    with manager() as opened:
        store = opened.parts.store
        store.set_pool("api", 3)
        parked = new_run("parked", state="waiting", wake_at=50.0, parent="whole", part='["a", 0, 0]')
        store.create_run(parked, b"a plan")
        lease = store.start_run(new_run(), b"a plan")
        store.claim(lease, "api", 2)
        back_up_to(tmp_path / "copy")
        assert store.pools() == [Pool("api", 3, 2, 0)]
        lease.release()
    copied = history_in(tmp_path / "copy").store
    assert copied.pools() == [Pool("api", 3, 0, 0)]
    assert (copied.due(50.0), copied.children("whole")) == ([parked], [parked])
    copied.close()


BUSY = """
import sys
from penstock import WorkflowManager, task, workflow

@task
def make(number: int) -> str:
    print("making")
    return f"{number:08}" * 2_000

@task
def measure(text: str) -> int:
    return len(text)

@workflow
def flow(number: int) -> None:
    measure(make(number))

import os, time
from pathlib import Path
manager = WorkflowManager(observers=[])
for number in range(30):
    run = manager.run(flow, number=number)
    for path in Path(".penstock/results").glob("??/*"):
        os.utime(path, (1e9, 1e9))    # as if written long ago, so that pruning takes it
    manager.prune(older_than=0, keep=2)
"""


def test_copies_are_whole_while_runs_come_and_go(tmp_path: Path):
    with manager() as opened:
        opened.run(flow)
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    copies = 0
    while busy.poll() is None:
        back_up_to(tmp_path / f"copy {copies}")
        copies += 1
    assert busy.returncode == 0
    assert copies > 2
    runs = 0
    for number in range(copies):
        found = check(tmp_path / f"copy {number}")
        assert found.problems == []
        runs += found.runs
    assert runs > 2  # of some, all runs were forgotten before their values were copied


def test_what_is_there_is_not_replaced(tmp_path: Path):
    with manager() as opened:
        opened.run(flow)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("full", "file", "link", ".penstock"):
        assert "is there already" in penstock("db", "backup", name, code=2).stderr
    assert (tmp_path / "full" / "mine").read_text() == (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    penstock("db", "backup", "empty")
    assert check(tmp_path / "empty").runs == 1


def test_without_a_store_there_is_nothing_to_copy():
    assert penstock_json("db", "backup", "copy", code=3)["error"]["kind"] == "RunNotFound"
    assert "no folder that could be backed up" in penstock("db", "backup", "copy", "--store", "memory", code=2).stderr
    assert list(Path().iterdir()) == []


def test_a_value_that_is_lost_is_told_and_all_else_is_copied(tmp_path: Path):
    with manager() as opened:
        opened.run(flow, letter="a")
        opened.run(flow, letter="b")
    [path] = [path for path in Path(".penstock/results").glob("??/*") if path.read_text()[0] == "a"]
    path.unlink()
    done = penstock("db", "backup", "copy")
    assert done.stderr == "1 value could not be copied: penstock db check says why\n"
    assert done.stdout.startswith("Copied 2 runs and 1 value (10 KB) to ")
    assert [problem.kind for problem in check(tmp_path / "copy").problems] == ["value"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # errors that SQLite does not pass on
def test_a_disk_that_fails_leaves_nothing_behind(tmp_path: Path):
    with manager() as opened:
        opened.run(flow)
    failures = 0
    with failing_disk() as disk:
        while True:
            disk.operations = 0
            disk.fail = lambda operation, name: apsw.FullError if disk.operations > failures else None  # noqa: B023
            try:
                back_up_to(tmp_path / "copies" if failures % 2 else tmp_path / "copy")
            except PenstockError:
                failures += 1
                assert not [path for path in tmp_path.iterdir() if "cop" in path.name]
            else:
                break
    assert failures > 3


def test_a_kill_leaves_nothing_under_the_name(tmp_path: Path):
    many = Workflow("many")
    with many:
        for number in range(300):
            make(f"{number:03}")
    with manager() as opened:
        opened.run(many)
    for files in (0, 2, 150):
        child = subprocess.Popen([*PENSTOCK, "db", "backup", "copy"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while child.poll() is None:
            if sum(path.is_file() for path in tmp_path.glob(".copy.*.partial/**/*")) > files:
                child.kill()
                break
        with child:
            assert child.wait() == -signal.SIGKILL
        assert not (tmp_path / "copy").exists()
        for partial in tmp_path.glob(".copy.*.partial"):
            shutil.rmtree(partial)
    penstock("db", "backup", "copy")
    checked = check(tmp_path / "copy")
    assert (checked.problems, checked.values) == ([], 300)
