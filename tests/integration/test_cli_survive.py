"""Killing, stopping, resuming and cancelling from the shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.commands import PENSTOCK, penstock, penstock_json, read, read_json, start, write
from tests.integration.waiting import wait_until

FLOW = """\
    import time
    from pathlib import Path
    from penstock import current, task, workflow

    def note(name):
        with Path("ran").open("a") as file:
            file.write(name + "\\n")

    @task
    def first() -> int:
        note("first")
        return 1

    @task
    def gate(x: int) -> int:
        note("gate")
        print("at the gate", flush=True)
        while not Path("open").exists():
            if current().cancelled:
                raise InterruptedError
            time.sleep(0.01)
        return x

    @task
    def last(x: int) -> None:
        assert x == 1
        note("last")

    @workflow
    def flow():
        last(gate(first()))
    """


def ran() -> list[str]:
    path = Path("ran")
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def running():
    """A run that waits at its gate, driven by a process of its own."""
    write("flow.py", FLOW)
    process = start("run", "flow.py")
    wait_until(lambda: "gate" in ran(), "the run is at its gate")
    yield process
    process.kill()
    process.communicate()


def test_a_map_that_is_done_counts_as_one_task():
    write(
        "maps.py",
        """\
        from pathlib import Path
        from penstock import task, workflow

        @task
        def square(x: int) -> int:
            return x * x

        @task
        def load(squares: list[int]) -> None:
            assert Path("there").exists()

        @workflow
        def maps():
            load(square.expand(x=[1, 2, 3]))
        """,
    )
    penstock("run", "maps.py", code=1)
    Path("there").touch()
    assert penstock("resume").stdout.splitlines()[0].endswith("of maps: 2 tasks, 1 of them done before")


def test_killed_and_resumed(running: subprocess.Popen[str]):
    running.kill()
    running.wait()
    assert read_json("runs")[0]["state"] == "interrupted"
    assert read_json("show")["state"] == "interrupted"
    Path("open").touch()
    done = penstock("resume").stdout
    assert done.splitlines()[0].endswith("of flow: 3 tasks, 1 of them done before")
    assert ran() == ["first", "gate", "gate", "last"]
    run = read_json("show")
    assert run["state"] == "success"
    assert [task["attempts"] for task in run["tasks"]] == [1, 2, 1]
    assert "nothing is left to do" in penstock("resume").stdout
    assert ran() == ["first", "gate", "gate", "last"]


def test_a_second_resume_exits_with_4(running: subprocess.Popen[str]):
    run_id = read_json("runs")[0]["id"]
    assert read_json("runs")[0]["state"] == "running"
    refused = penstock("resume", run_id, code=4)
    assert run_id in refused.stderr
    assert str(running.pid) in refused.stderr, "it says who drives the run"
    assert penstock_json("resume", code=4)["error"]["kind"] == "RunLocked"
    Path("open").touch()
    assert running.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(running: subprocess.Popen[str], number: signal.Signals):
    running.send_signal(number)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    run_id = read_json("runs")[0]["id"]
    assert f"Run {run_id} was stopped by {number.name}. Go on with: penstock resume {run_id}" in errors
    assert read_json("show")["state"] == "interrupted"
    Path("open").touch()
    penstock("resume")
    assert ran() == ["first", "gate", "gate", "last"]


def test_what_is_printed_comes_at_once_also_through_a_pipe():
    write("flow.py", FLOW)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen([*PENSTOCK, "run", "flow.py"], stdout=subprocess.PIPE, text=True, env=environ)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]  # there is no more while the gate is shut
        assert lines[1:] == ["Running task: first\n", "Running task: gate\n", "at the gate\n"]
    finally:
        process.kill()
        process.communicate()


def test_a_bug_is_fixed_and_the_run_resumed_but_done_work_must_fit():
    fixed = FLOW.replace("while not", 'raise ValueError("a bug")\n        while not')
    write("flow.py", fixed)
    penstock("run", "flow.py", code=1)
    write(
        "flow.py",
        FLOW.replace("def first() -> int:", "def first(y: int = 0) -> int:").replace("(first())", "(first(2))"),
    )
    refused = penstock("resume", code=4)
    assert "task 'first' is done and was called with" in refused.stderr
    write("flow.py", FLOW)
    Path("open").touch()
    penstock("resume")
    assert ran() == ["first", "gate", "gate", "last"]


def test_json_of_a_run_that_was_stopped():
    write("flow.py", FLOW)
    process = start("run", "flow.py", "--json")
    wait_until(lambda: "gate" in ran(), "the run is at its gate")
    process.send_signal(signal.SIGINT)
    result, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(result)["state"] == "interrupted"


def test_cancelled_from_another_process(running: subprocess.Popen[str]):
    said = penstock("cancel").stdout
    assert "was cancelled (1 success, 2 cancelled)" in said
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "cancelled by" in errors
    run = read_json("show")
    assert run["state"] == "cancelled"
    assert [task["state"] for task in run["tasks"]] == ["success", "cancelled", "cancelled"]
    assert "has ended already: cancelled" in penstock("cancel", code=4).stderr
    Path("open").touch()
    penstock("resume")
    assert ran() == ["first", "gate", "gate", "last"]


def test_cancel_without_waiting(running: subprocess.Popen[str]):
    run_id = penstock_json("cancel", "--no-wait")["id"]
    running.wait(timeout=60)
    assert read_json("show", run_id)["state"] == "cancelled"


def test_cancel_of_a_run_that_nobody_drives(running: subprocess.Popen[str]):
    running.kill()
    running.wait()
    assert penstock_json("cancel")["state"] == "cancelled"
    assert ran() == ["first", "gate"]


def test_a_run_that_goes_on_is_shown_and_followed(running: subprocess.Popen[str]):
    shown = read("show")
    assert "of flow: running" in shown
    with Path("followed").open("w") as file:
        follower = subprocess.Popen([*PENSTOCK, "logs", "--follow", "--json"], stdout=file)
    try:
        wait_until(lambda: Path("followed").read_text(), "what is printed is followed")
        assert follower.poll() is None
        Path("open").touch()
        assert follower.wait(timeout=60) == 0
    finally:
        follower.kill()
        follower.wait()
    (entry,) = [json.loads(line) for line in Path("followed").read_text().splitlines()]
    assert (entry["task"], entry["attempt"], entry["stream"], entry["text"]) == ("gate", 1, "stdout", "at the gate\n")
    assert running.wait() == 0


def test_logs_of_tasks_and_attempts():
    write(
        "flow.py",
        """\
        from penstock import current, task, workflow

        @task(retries=1)
        def twice() -> None:
            print("attempt", current().attempt)
            if current().attempt == 1:
                raise OSError("once")

        @task
        def other() -> None:
            print("no end of line", end="")

        @task
        def silent() -> None:
            pass

        @workflow
        def flow():
            other.options(after=twice())()
            silent()
        """,
    )
    penstock("run", "flow.py")
    run_id = read_json("show")["id"]
    assert read("logs").splitlines() == [
        "twice  | attempt 1",
        "twice (2) | attempt 2",
        "other  | no end of line",
    ]
    assert read("logs", run_id, "twice") == "attempt 1\n--- attempt 2 ---\nattempt 2\n"
    assert read("logs", run_id, "twice", "--attempt", "2") == "attempt 2\n"
    assert read("logs", run_id, "other") == "no end of line\n"
    nothing = penstock("logs", run_id, "silent")
    assert (nothing.stdout, nothing.stderr) == ("", "Nothing was printed or logged by task silent\n")
    assert f"penstock logs {run_id} twice" in penstock("logs", "twice", code=3).stderr
    assert "did you mean 'twice'?" in penstock("logs", run_id, "twic", code=3).stderr


def test_the_logs_of_a_run_that_went_on_with_moved_lines_name_their_tasks():
    flow = """\
        from penstock import task, workflow

        @task
        def speak():
            print("spoken")
            raise ValueError

        @workflow
        def flow():
            speak()
        """
    write("flow.py", flow)
    penstock("run", "flow.py", code=1)
    write("flow.py", flow.replace("@task", "\n\n        @task"))
    penstock("resume", code=1)
    assert read("logs", read_json("show")["id"], "speak").count("spoken") == 2
