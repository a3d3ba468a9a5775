"""Saying what became of tasks, from another terminal than that of the run, and while it goes on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import WorkflowManager
from tests.integration.command import Command
from tests.integration.commands import penstock, read_json, start, write
from tests.integration.waiting import wait_until

FLOW = """\
    import time
    from pathlib import Path
    from threading import Lock
    from penstock import TaskGroup, chain, current, task, workflow

    def wait_for(name):
        while not Path(name).exists():
            if current().cancelled:
                raise InterruptedError
            time.sleep(0.01)

    @task
    def gate() -> None:
        wait_for("open")

    @task
    def fails() -> int:
        raise ValueError("no such table")

    @task
    def load(x: int) -> None:
        print("loads", x, flush=True)

    @task(trigger_rule="all_done")
    def report() -> None:
        wait_for("reported")

    @task
    def last() -> None: ...

    @task
    def per(number: int) -> None:
        if number == 2:
            raise ValueError(number)

    @workflow
    def flow():
        chain([load(fails()), gate()], last())

    @workflow
    def mapped():
        chain(per.expand(number=[1, 2, 3]), last())
        gate()

    @task(retries=0)
    def lock():
        return Lock()

    @task
    def uses(lock, x):
        with lock:
            print("uses", x, flush=True)

    @workflow
    def volatile():
        uses(lock(), fails())
        gate()

    @workflow
    def reported():
        chain(fails(), last(), report())
    """


def run_id() -> str:
    return str(read_json("runs")[0]["id"])


def states() -> dict[str, str]:
    return {
        task["id"] if task["map_index"] is None else f"{task['id']}[{task['map_index']}]": task["state"]
        for task in read_json("show")["tasks"]
    }


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[list[Command]]:
    """Processes that are ended when the test is."""
    write("flow.py", FLOW)
    processes: list[Command] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def begin(begun: list[Command], workflow: str, *options: str, until: dict[str, str]) -> str:
    """Start a run, and wait until its tasks are in these states; the run's id."""
    begun.append(start("run", f"flow.py:{workflow}", *options))
    wait_until(lambda: read_json("runs"), "there is a run")
    wait_until(lambda: until.items() <= states().items(), "the run has come so far")
    return run_id()


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_run_goes_on_by_a_mark_while_it_is_driven(begun: list[Command], executor: str):
    run = begin(begun, "flow", "--executor", executor, until={"load": "upstream_failed", "gate": "running"})
    done = penstock("mark", run, "fails", "--as", "success", "--note", "copied by hand")
    assert done.stdout == f"Marked 1 task of run {run} as success: the run is running now\n"
    wait_until(lambda: states()["load"] == "success", "what waited for it has run")
    assert states()["gate"] == "running"
    Path("open").touch()
    out, err = begun[0].communicate(timeout=60)
    assert begun[0].returncode == 0, err
    assert "Task fails marked as success by " in out
    assert "loads None\n" in out, "it has no value"
    assert set(states().values()) == {"success"}
    penstock("db", "check")


def test_also_where_tasks_run_one_after_another(begun: list[Command]):
    run = begin(begun, "flow", "--executor", "inline", until={"fails": "failed", "gate": "running"})
    penstock("mark", run, "fails", "--as", "skipped")
    wait_until(lambda: states()["load"] == "skipped", "what follows is weighed anew")
    Path("open").touch()
    assert begun[0].wait(60) == 0


def test_what_runs_cannot_be_marked_and_is_told_by_name(begun: list[Command]):
    run = begin(begun, "flow", until={"load": "upstream_failed", "gate": "running"})
    refused = penstock("mark", run, "gate", "--as", "success", code=4)
    assert refused.stderr == (
        f"Error: run {run}: 'gate' is running: wait until that has ended, or cancel the run first\n"
    )
    refused = penstock("mark", run, "nothing", "--as", "success", code=2)
    assert "has no task 'nothing'" in refused.stderr
    assert states()["fails"] == "failed"


def test_nor_can_what_a_running_task_has_relied_on(begun: list[Command]):
    run = begin(begun, "reported", until={"last": "upstream_failed", "report": "running"})
    refused = penstock("mark", run, "fails", "--as", "success", code=4)
    assert "'report', which comes after what is to be marked, is running" in refused.stderr
    Path("reported").touch()
    assert begun[0].wait(60) == 1
    done = penstock("mark", run, "fails", "--as", "success")
    assert "the run is interrupted now" in done.stdout


def test_instances_of_a_map_are_marked_and_counted(begun: list[Command]):
    run = begin(begun, "mapped", until={"last": "upstream_failed", "gate": "running"})
    assert "Marked 1 task of run" in penstock("mark", run, "per[1]", "--as", "skipped").stdout
    wait_until(lambda: states()["last"] == "skipped", "the map is weighed anew")
    assert "Marked 3 tasks of run" in penstock("mark", run, "per", "--as", "success").stdout
    wait_until(lambda: states()["last"] == "success", "the map is weighed anew")
    Path("open").touch()
    assert begun[0].wait(60) == 0


def test_what_would_miss_a_value_that_is_gone_is_marked_after_the_run(begun: list[Command]):
    run = begin(begun, "volatile", until={"uses": "upstream_failed", "gate": "running"})
    refused = penstock("mark", run, "fails", "--as", "success", code=4)
    assert "the value of 'lock' that it takes cannot be stored" in refused.stderr
    Path("open").touch()
    assert begun[0].wait(60) == 1
    penstock("mark", run, "fails", "--as", "success")
    assert "uses None\n" in penstock("resume").stdout
    assert states() == {"lock": "success", "fails": "success", "uses": "success", "gate": "success"}


def test_a_driver_drops_requests_that_make_no_sense_or_come_too_late(begun: list[Command]):
    run = begin(begun, "flow", until={"load": "upstream_failed", "gate": "running"})
    sensible = {"id": "1", "tasks": ["gate"], "state": "success", "by": "ann", "note": ""}
    bodies = [
        "",
        "[]",
        "{}",
        '{"id": "1"}',
        json.dumps({**sensible, "tasks": "gate"}),
        json.dumps({**sensible, "state": "great"}),
        json.dumps({**sensible, "note": None}),
        json.dumps({**sensible, "tasks": [["gate"]]}),
        json.dumps({**sensible, "tasks": []}),
        json.dumps({**sensible, "tasks": ["nothing"]}),
        json.dumps(sensible),  # it runs already
    ]
    with WorkflowManager() as manager:
        for body in bodies:
            manager.parts.store.post(run, "mark", body)
        wait_until(lambda: not manager.parts.store.messages(run), "the driver has read them")
    assert states() == {"fails": "failed", "load": "upstream_failed", "gate": "running", "last": "upstream_failed"}
    Path("open").touch()
    assert begun[0].wait(60) == 1


def test_whoever_waits_for_a_driver_that_dies_marks_the_run_itself(begun: list[Command]):
    run = begin(begun, "flow", until={"load": "upstream_failed", "gate": "running"})
    os.kill(begun[0].pid, signal.SIGSTOP)
    asking = start("mark", run, "fails", "--as", "success")
    begun.append(asking)
    assert "Waiting for the driver of the run, process" in asking.stderr.readline()
    begun[0].kill()
    out, _ = asking.communicate(timeout=60)
    assert out.startswith(f"Marked 1 task of run {run} as success: the run is interrupted now\n")
    with WorkflowManager() as manager:
        assert manager.parts.store.messages(run) == [], "nothing is left of the request"
    Path("open").touch()
    penstock("resume")
    assert set(states().values()) == {"success"}
