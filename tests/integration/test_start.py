"""Runs that were started, in processes that end, are stopped, or only look on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import WorkflowManager
from tests.integration.commands import penstock, read_json, write
from tests.integration.waiting import wait_until

SCRIPT = """\
    import sys, time
    from pathlib import Path
    from penstock import WorkflowManager, task, workflow

    @task
    def waits() -> str:
        Path("begun").touch()
        while not Path("go").exists():
            time.sleep(0.005)
        return "done"

    @workflow
    def flow():
        waits()

    if __name__ == "__main__":
        run = WorkflowManager(grace=0.1).start(flow)
        if sys.argv[1:] == ["wait"]:
            run.wait()
    """


@pytest.fixture(autouse=True)
def script() -> None:
    write("flow.py", SCRIPT)


def begin(*arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "flow.py", *arguments], stderr=subprocess.PIPE)
    wait_until(Path("begun").exists, "the task runs")
    return process


def test_a_process_does_not_end_before_what_it_has_started():
    process = begin()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    Path("go").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert read_json("show")["state"] == "success"


def test_ctrl_c_stops_the_run_that_is_waited_for_and_it_can_be_resumed():
    process = begin("wait")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in told
    assert read_json("show")["state"] == "interrupted"
    Path("go").touch()
    penstock("resume")
    assert read_json("show")["tasks"][0]["attempts"] == 2


def test_one_that_is_killed_leaves_a_run_that_can_be_resumed():
    process = begin()
    process.kill()
    process.communicate(timeout=60)
    Path("go").touch()
    penstock("resume")
    assert read_json("show")["state"] == "success"


def test_another_process_may_wait_too():
    process = begin()
    run = WorkflowManager().get()
    assert run.state == "running"
    with pytest.raises(TimeoutError, match=r"has not ended after 0\.1 s"):
        run.wait(0.1)
    Path("go").touch()
    assert run.wait(60).task("waits").result == "done"
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_who_waits_for_a_run_learns_that_nobody_drives_it_any_more():
    process = begin()
    run = WorkflowManager().get()
    process.kill()
    process.communicate(timeout=60)
    assert run.wait(60).state == "interrupted"
