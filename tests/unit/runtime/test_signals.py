"""Ctrl-C and SIGTERM: running tasks are asked, waited for, then ended; the run can be resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from penstock import RunInterrupted, Task, WorkflowManager, current
from tests.unit.runtime.waiting import LONG, eventually, states

SCRIPT = """
import sys, threading
from penstock import RunInterrupted, Task, WorkflowManager, current

pause, stopped = threading.Event(), []
manager = WorkflowManager("memory", {executor!r}, workers=2, grace={grace})

def say(*what):
    print(*what, flush=True)

def heeds():
    if stopped: return "second time"
    say("under way")
    while not current().cancelled: pause.wait(0.002)
    say("heeded")

def finishes():
    if stopped: return "second time"
    say("under way")
    while not current()._asked(): pause.wait(0.002)
    return "first time"

def for_ever():
    while True: int()

def spins():
    if stopped: return "second time"
    try:
        say("under way")
        for_ever()
    finally:
        say("ended")

def is_deaf():
    if stopped: return "second time"
    say("under way")
    while True:
        try: pause.wait(0.01)
        except BaseException: pass

manager.add_task(Task("first", lambda: "done"))
manager.add_task(Task("slow", {body}, ["first"]))
manager.add_task(Task("after", lambda: None, ["slow"]))
try:
    manager.run()
except {caught} as stop:
    run = manager.get()
    say("interrupted:", [task.state for task in run.tasks])
    stopped.append(True)
    run = manager.resume(run.id)
    say(run.state, run.task("slow").result, [task.attempts for task in run.tasks], [task.lost for task in run.tasks])
    raise
"""


class Script:
    """A script of its own process, stopped by signals when its slow task is under way."""

    def __init__(self, folder: Path, body: str, *, executor: str = "threads", grace: float = LONG) -> None:
        file = folder / "script.py"
        file.write_text(
            SCRIPT.format(executor=executor, grace=grace, body=body, caught="(KeyboardInterrupt, SystemExit)")
        )
        self.process = subprocess.Popen(
            [sys.executable, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self.read_until("under way")

    def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if text in line:
                return
        raise AssertionError(f"{text!r} never came: {self.lines}, {self.process.communicate()}")

    def stop(self, *numbers: int) -> tuple[int, list[str], str]:
        """Send signals one after the other; the exit code, the lines on stdout and what came on stderr."""
        for number in numbers:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=LONG)
        return self.process.returncode, self.lines + out.splitlines(), err


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_waits_and_leaves_the_run_to_be_resumed(tmp_path: Path, number: int, executor: str) -> None:
    code, lines, err = Script(tmp_path, "heeds", executor=executor).stop(number)
    assert code in (130, -number)
    assert "heeded" in lines
    assert "interrupted: ['success', 'ready', 'pending']" in lines
    assert lines[-1] == "success second time [1, 2, 1] [0, 0, 0]"
    assert "Stopping" in err
    assert "can be resumed" in err or number == signal.SIGTERM


def test_sigterm_exits_130(tmp_path: Path) -> None:
    assert Script(tmp_path, "heeds").stop(signal.SIGTERM)[0] == 130


def test_an_uncaught_ctrl_c_ends_a_script_as_ctrl_c_does(tmp_path: Path) -> None:
    """By the signal itself, which a shell shows as 130."""
    assert Script(tmp_path, "heeds").stop(signal.SIGINT)[0] in (-signal.SIGINT, 130)


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_body_that_does_not_look_is_ended(tmp_path: Path, executor: str) -> None:
    _, lines, _ = Script(tmp_path, "spins", executor=executor, grace=0.1).stop(signal.SIGINT)
    assert "ended" in lines
    assert lines[-1] == "success second time [1, 2, 1] [0, 0, 0]"


def test_a_body_that_will_not_end_is_left_behind(tmp_path: Path) -> None:
    _, lines, _ = Script(tmp_path, "is_deaf", grace=0.1).stop(signal.SIGINT)
    assert lines[-1] == "success second time [1, 2, 1] [0, 0, 0]"


def test_a_second_signal_ends_bodies_without_waiting_for_the_grace(tmp_path: Path) -> None:
    script = Script(tmp_path, "spins", grace=LONG * 10)
    script.process.send_signal(signal.SIGINT)
    assert script.process.stderr is not None
    assert "Stopping" in script.process.stderr.readline()
    _, lines, _ = script.stop(signal.SIGINT)
    assert "ended" in lines
    assert "success second time" in lines[-1]


TAKEN_ELSEWHERE = """
import signal, threading
from penstock import Task, WorkflowManager, current

def body():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    print("under way", flush=True)
    while not current().cancelled: threading.Event().wait(0.002)

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
manager = WorkflowManager("memory")
manager.add_task(Task("only", body))
try:
    manager.run()
finally:
    print(manager.get().state, flush=True)
"""


def test_a_signal_that_does_not_wake_the_main_thread_is_seen_soon(tmp_path: Path) -> None:
    """Another thread gets it, as when it comes just before the main thread goes to sleep."""
    file = tmp_path / "elsewhere.py"
    file.write_text(TAKEN_ELSEWHERE)
    with subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            while "under way" not in process.stdout.readline():
                pass
            process.send_signal(signal.SIGINT)
            assert "interrupted" in process.communicate(timeout=LONG)[0]
        finally:
            process.kill()


NESTED = """
import threading
from penstock import Task, WorkflowManager, current

def heeds():
    print("under way", flush=True)
    while not current().cancelled: threading.Event().wait(0.002)

def runs_another():
    inner = WorkflowManager("memory", "inline", grace=0.1)
    inner.add_task(Task("inner", heeds))
    inner.run()

manager = WorkflowManager("memory", {executor!r}, grace=0.1)
manager.add_task(Task("outer", runs_another))
manager.add_task(Task("after", lambda: print("went on", flush=True), ["outer"]))
try:
    manager.run()
finally:
    print(manager.get().state, flush=True)
"""


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_ctrl_c_stops_a_run_in_which_a_task_runs_another(tmp_path: Path, executor: str) -> None:
    file = tmp_path / "nested.py"
    file.write_text(NESTED.format(executor=executor))
    command = [sys.executable, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "under way" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LONG)
    assert "interrupted" in out
    assert "went on" not in out
    assert process.returncode in (130, -signal.SIGINT)


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_signal_handlers_are_there_while_a_run_lives_and_no_longer() -> None:
    before, during = handlers(), []
    manager = WorkflowManager("memory", observers=[])
    manager.add_task(Task("a", lambda: during.extend(handlers())))
    manager.run()
    assert during != before
    assert handlers() == before


def test_signal_handlers_are_put_back_after_a_failure() -> None:
    before = handlers()
    manager = WorkflowManager("memory", observers=[])
    manager.add_task(Task("a", lambda: 1 / 0))
    manager.run(raise_on_failure=False)
    assert handlers() == before


def test_a_run_in_another_thread_touches_no_signal_handlers() -> None:
    before, during, result = handlers(), [], []
    manager = WorkflowManager("memory", observers=[])
    manager.add_task(Task("a", lambda: during.extend(handlers())))
    thread = threading.Thread(target=lambda: result.append(manager.run()))
    thread.start()
    thread.join(LONG)
    assert result[0].state == "success"
    assert during == before


def test_ctrl_c_in_this_process_interrupts_the_run_and_no_more() -> None:
    manager = WorkflowManager("memory", observers=[])
    once: list[int] = []

    def interrupt() -> None:
        if not once:
            once.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            eventually(lambda: current().cancelled)

    manager.add_task(Task("a", interrupt))
    manager.add_task(Task("b", int, ["a"]))
    with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT; it can be resumed") as caught:
        manager.run()
    assert isinstance(caught.value.__cause__, RunInterrupted)
    run = caught.value.__cause__.run
    assert run.state == "interrupted"
    assert manager.get(run.id).state == "interrupted"
    assert states(manager.resume(run.id)) == {"a": "success", "b": "success"}
