"""Worker processes that die, and bodies that are ended before their time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from penstock import Task, Workflow, WorkflowManager, current, task
from penstock.runtime.observer import Observer
from tests.integration.waiting import is_alive, pids_in, state_of, wait_until


def run(flow, *, workers=2, grace=5.0, **options):
    manager = WorkflowManager("memory", executor="processes", workers=workers, observers=[], grace=grace)
    return manager.run(flow, raise_on_failure=False, **options)


# --- Processes that die


def die(how):
    if how == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "SIGSEGV":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "closed pipes":
        os.closerange(3, 4_096)
        time.sleep(60)
    if how == "garbage":
        for fd in range(3, 4_096):
            with contextlib.suppress(OSError):
                os.write(fd, b"garbage" * 10)
        time.sleep(60)
    os._exit(3)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("SIGKILL", "died with signal SIGKILL (often: the machine was out of memory)"),
        ("SIGSEGV", "died with signal SIGSEGV"),
        ("exit", "ended with exit code 3"),
        ("closed pipes", "closed the pipes through which it is spoken to, and was ended"),
        ("garbage", "wrote something else than messages into its pipe"),
    ],
)
def test_a_process_that_dies_costs_its_own_attempt_only(tmp_path, how, said):
    starts = tmp_path / "starts"

    @task
    def deadly(how):
        with starts.open("a") as file:
            file.write("once more\n")
        die(how)

    @task
    def wait_for_it():
        from tests.integration.waiting import wait_until

        wait_until(lambda: starts.exists() and len(starts.read_text().splitlines()) >= 3, "it has died twice")
        return "fine"

    @task
    def number(given):
        return given

    with Workflow("flow") as flow:
        wait_for_it()
        deadly(how)
        for given in range(5):
            number(given)
    done = run(flow)
    assert done.task("wait_for_it").result == "fine"
    assert [row.result for row in done.tasks if row.name.startswith("number")] == list(range(5))
    row = done.task("deadly")
    assert (row.state, len(starts.read_text().splitlines())) == ("failed", 3)
    assert "worker process" in row.error
    assert said in row.error


def test_an_attempt_that_was_lost_is_made_again(tmp_path):
    @task
    def once(marker):
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

    with Workflow("flow") as flow:
        once(tmp_path / "marker")
    row = run(flow).task("once")
    assert (row.state, row.result, row.lost) == ("success", "done", 1)


def start_child(pids):
    """A child process that outlives its parent, as it ignores hang-ups."""
    child = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    assert child.stdout is not None
    child.stdout.readline()
    with pids.open("a") as file:
        file.write(f"{child.pid}\n")


def test_what_a_body_started_ends_with_its_process(tmp_path):
    pids = tmp_path / "pids"

    @task
    def crash():
        start_child(pids)
        os._exit(1)

    @task
    def leave():
        start_child(pids)

    with Workflow("flow") as flow:
        crash()
        leave()
    run(flow)
    assert len(pids_in(pids)) == 4
    wait_until(lambda: not any(map(is_alive, pids_in(pids))), "they are gone")


def test_a_forked_child_does_not_hide_the_death_of_its_parent(tmp_path):
    pids = tmp_path / "pids"

    @task
    def fork():
        child = os.fork()
        if child == 0:
            os.setsid()  # out of reach
            time.sleep(60)
            os._exit(0)
        with pids.open("a") as file:
            file.write(f"{child}\n")
        os._exit(1)

    with Workflow("flow") as flow:
        fork()
    try:
        assert "exit code 1" in run(flow).task("fork").error
    finally:
        for pid in pids_in(pids):
            os.kill(pid, signal.SIGKILL)


def test_no_process_is_left_behind(tmp_path):
    pids = tmp_path / "pids"

    @task
    def stay(pids):
        import atexit

        with pids.open("a") as file:
            file.write(f"{os.getpid()}\n")
        thread = threading.Thread(target=time.sleep, args=(60,))
        thread.start()  # keeps the interpreter from ending by itself
        atexit.register(pids.with_name("never").touch)

    @task
    def go(pids):
        import atexit

        atexit.register(pids.with_name("in good order").touch)

    with Workflow("flow") as flow:
        stay(pids)
        go(pids)
    before = threading.active_count()
    run(flow)
    assert not any(map(is_alive, pids_in(pids)))
    assert threading.active_count() == before
    assert not (tmp_path / "never").exists()


def test_processes_end_in_good_order(tmp_path):
    @task
    def register(marker):
        import atexit

        atexit.register(marker.touch)

    with Workflow("flow") as flow:
        register(tmp_path / "marker")
    run(flow)
    assert (tmp_path / "marker").exists()


def test_a_process_that_cannot_be_started(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with Workflow("flow") as flow:
        flow.add_task(Task("work", int))
    row = run(flow).task("work")
    assert row.state == "failed"
    assert "no worker process can be started" in row.error
    assert "nowhere" in row.error


def test_a_process_that_cannot_import_penstock(monkeypatch, capfd):
    with Workflow("flow") as flow:
        flow.add_task(Task("work", int))
    assert run(flow).state == "success"  # with that, this process has imported all that it needs
    monkeypatch.setattr(sys, "path", [])
    row = run(flow).task("work")
    assert row.state == "failed"
    assert "ended with exit code 1" in row.error
    assert "Error" in capfd.readouterr().err


class Hits(Observer):
    """Sends a signal to the process whose number task 0 has written, as soon as that has ended, and says so when the
    signal has done its work: till then the kernel may still hand a request to the process, which never sees it."""

    def __init__(self, place, number):
        self.place, self.number = place, number

    def attempt_ended(self, task, index, attempt, state, error, seconds):
        if task == 0:
            pid = int((self.place / "pid").read_text())
            os.kill(pid, self.number)
            wait_until(lambda: state_of(pid) in ("", "T", "Z"), "the process has died or stopped")
            (self.place / "hit").touch()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped, then killed"])
def test_a_process_that_died_between_two_attempts_costs_none(tmp_path, number):
    """Nothing is lost where nothing had begun, even if the process was alive when it was handed the attempt."""

    def meet(name, other):
        from tests.integration.waiting import wait_until

        (tmp_path / name).touch()
        wait_until((tmp_path / other).exists, "the other one runs too, so that both processes are used")

    def leave():
        meet("leave", "stay")
        (tmp_path / "pid").write_text(str(os.getpid()))

    def stay():
        meet("stay", "leave")
        meet("stay", "hit")

    def follow(name, other):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        meet(name, other)

    with Workflow("flow") as flow:
        both = [Task("leave", leave), Task("stay", stay)]
        for first in both:
            flow.add_task(first)
        flow.add_task(Task("one", follow, both, args=("one", "two")))
        flow.add_task(Task("two", follow, both, args=("two", "one")))
    manager = WorkflowManager("memory", executor="processes", workers=2, observers=[Hits(tmp_path, number)])
    done = manager.run(flow, raise_on_failure=False)
    assert done.state == "success"
    assert [row.attempts for row in done.tasks] == [1] * 4


def test_no_memory_for_one_body_is_enough_for_the_next():
    """A limit outlasts the body that has set it."""

    @task
    def hoard():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, resource.RLIM_INFINITY))
        return bytearray(1 << 29)

    @task
    def modest():
        return len(bytearray(1 << 29))

    with Workflow("flow") as flow:
        hoard()
        modest()
    done = run(flow, workers=1)
    assert "MemoryError" in done.task("hoard").error
    assert done.task("modest").result == 1 << 29


def test_an_alarm_that_a_body_has_left_does_not_ring_in_the_next():
    @task
    def leave():
        signal.setitimer(signal.ITIMER_REAL, 0.2)

    @task
    def sleep():
        time.sleep(0.5)
        return "awake"

    with Workflow("flow") as flow:
        flow.add_task(Task("sleep", sleep.func, [leave()]))
    row = run(flow, workers=1).task("sleep")
    assert (row.result, row.attempts) == ("awake", 1)


def test_an_answer_that_fits_no_request_is_not_taken_for_the_next_ones():
    @task
    def forge():
        from penstock.executor.channel import encode

        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
                    os.write(int(name), encode(("succeeded", 0, 0.0, None)))
        return "forged"

    @task
    def follow():
        return "followed"

    with Workflow("flow") as flow:
        flow.add_task(Task("follow", follow.func, [forge()]))
    done = run(flow, workers=1)
    assert [row.result for row in done.tasks] == ["forged", "followed"]


def test_a_process_starts_at_nobodys_expense(tmp_path, monkeypatch):
    """That of a timeout least of all."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/sitecustomize.py").write_text("import time\ntime.sleep(1)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "slow"))

    @task(timeout=0.7)
    def once(marker):
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    with Workflow("flow") as flow:
        once(tmp_path / "marker")
    row = run(flow, workers=1).task("once")
    assert (row.state, row.lost) == ("success", 1)


def test_a_run_within_a_body(tmp_path):
    pids = tmp_path / "pids"

    @task
    def inner():
        with pids.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return os.getpid()

    @task
    def outer():
        with Workflow("inner") as flow:
            inner()
        print("around")
        return WorkflowManager("memory", executor="processes", observers=[]).run(flow).task("inner").result

    with Workflow("flow") as flow:
        outer()
    row = run(flow).task("outer")
    assert [row.result] == pids_in(pids)
    assert row.log == "around\n"
    assert not is_alive(row.result)


# --- Timeouts


@pytest.fixture
def long_notice(monkeypatch):
    """Bodies that look whether they should end have the time to."""
    monkeypatch.setattr("penstock.runtime.ending.TIMEOUT_NOTICE", 30.0)


def sleep_in_c(seconds):
    """A C function that holds the interpreter's lock."""
    import ctypes

    ctypes.PyDLL(None).sleep(seconds)


@pytest.mark.parametrize("sleep", [time.sleep, sleep_in_c])
def test_a_timeout_ends_a_body_in_c_code_at_once(sleep, tmp_path):
    pids = tmp_path / "pids"

    @task(timeout=0.2, retries=1)
    def slow():
        start_child(pids)
        sleep(60)

    @task
    def other():
        return "fine"

    with Workflow("flow") as flow:
        slow()
        other()
    began = time.monotonic()
    done = run(flow)
    assert time.monotonic() - began < 30
    row = done.task("slow")
    assert row.error == "TaskTimeout: ran longer than its timeout of 0.2 s"
    assert (row.state, row.attempts) == ("failed", 2)
    assert done.task("other").result == "fine"
    wait_until(lambda: not any(map(is_alive, pids_in(pids))), "the children are gone")


def test_a_timeout_shows_where_the_body_was(monkeypatch):
    monkeypatch.setattr("penstock.runtime.ending.TIMEOUT_NOTICE", 2.0)  # so that the process can say it, however busy

    @task(timeout=0.5)
    def slow():
        time.sleep(60)  # here

    with Workflow("flow") as flow:
        slow.options(after=flow.add_task(Task("the process starts", int)))()
    row = run(flow, workers=1).task("slow")
    assert row.traceback.startswith("Traceback (most recent call last):\n")
    assert "time.sleep(60)  # here" in row.traceback
    assert "penstock/executor" not in row.traceback
    assert row.traceback.rstrip().endswith("TaskTimeout: ran longer than its timeout of 0.5 s")


def test_a_body_sees_its_timeout_and_cleans_up(tmp_path, long_notice):
    @task(timeout=1.0)
    def slow():
        from tests.integration.waiting import wait_until

        wait_until(lambda: current().cancelled, "it is asked to end")
        (tmp_path / "cleaned").touch()
        return "not all of it"

    with Workflow("flow") as flow:
        slow.options(after=flow.add_task(Task("the process starts", int)))()
    row = run(flow, workers=1).task("slow")
    assert row.error == "TaskTimeout: ran longer than its timeout of 1 s"
    assert (tmp_path / "cleaned").exists()


def test_the_next_attempt_on_the_same_process_is_not_asked_to_end(long_notice):
    @task(timeout=0.2, retries=1)
    def slow():
        from tests.integration.waiting import wait_until

        if current().attempt == 1:
            wait_until(lambda: current().cancelled, "it is asked to end")
            raise ValueError
        return current().cancelled

    with Workflow("flow") as flow:
        slow.options(after=flow.add_task(Task("the process starts", int)))()
    row = run(flow, workers=1).task("slow")
    assert (row.attempts, row.result) == (2, False)


def test_many_timeouts_and_successes_side_by_side():
    """A process that is ended just as it answers must not take the next task down with it."""

    @task(timeout=0.01, retries=0)
    def race(seconds):
        time.sleep(seconds)
        return "in time"

    @task
    def plain(number):
        return number

    with Workflow("flow") as flow:
        for number in range(30):
            race(0.2 + number / 3000)
            plain(number)
    done = run(flow)
    for row in done.tasks:
        if row.name.startswith("plain"):
            assert row.state == "success"
        else:
            assert row.lost == 0
            assert row.error == "TaskTimeout: ran longer than its timeout of 0.01 s"


# --- Cancel


def cancel_when(manager, condition):
    def wait_and_cancel():
        wait_until(condition, "the body runs")
        manager.cancel(by="the test")

    thread = threading.Thread(target=wait_and_cancel)
    thread.start()
    return thread


def test_a_cancelled_body_sees_it(tmp_path):
    @task
    def loop():
        from tests.integration.waiting import wait_until

        (tmp_path / "running").touch()
        wait_until(lambda: current().cancelled, "it is cancelled")
        (tmp_path / "seen").touch()

    manager = WorkflowManager("memory", executor="processes", observers=[])
    with Workflow("flow") as flow:
        loop()
    thread = cancel_when(manager, (tmp_path / "running").exists)
    done = manager.run(flow, raise_on_failure=False)
    thread.join()
    assert (done.state, done.task("loop").state) == ("cancelled", "cancelled")
    assert (tmp_path / "seen").exists()


def test_a_cancelled_body_that_does_not_look_is_ended(tmp_path):
    @task
    def loop():
        (tmp_path / "running").touch()
        time.sleep(60)

    manager = WorkflowManager("memory", executor="processes", observers=[], grace=0.1)
    with Workflow("flow") as flow:
        loop()
    began = time.monotonic()
    thread = cancel_when(manager, (tmp_path / "running").exists)
    done = manager.run(flow, raise_on_failure=False)
    thread.join()
    assert (done.state, done.task("loop").state) == ("cancelled", "cancelled")
    assert time.monotonic() - began < 30


# --- Ends from outside

STOPPED = """
import os, sys, time
from pathlib import Path
from penstock import Task, WorkflowManager, current

def record(line):
    with open("told", "a") as file:
        file.write(f"{line}\\n")

def work(how):
    import signal, subprocess
    child = subprocess.Popen(["sh", "-c", "trap '' HUP INT TERM; sleep 60 & wait"])
    record(f"{os.getpid()} {child.pid}")
    if how == "one returns" and current().task == "work":
        return
    if how == "is stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "blocks every signal":
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    if how == "looks":
        while not current().cancelled:
            time.sleep(0.01)
        Path("seen").touch()
    elif how == "holds the lock":
        import ctypes
        ctypes.PyDLL(None).sleep(60)
    else:
        time.sleep(60)

manager = WorkflowManager("sqlite", executor="processes", workers=2, grace=float(sys.argv[2]), observers=[])
manager.add_task(Task("work", work, args=(sys.argv[1],)))
manager.add_task(Task("more", work, args=(sys.argv[1],)))
manager.run()
"""


@pytest.fixture
def start_script(tmp_path) -> Iterator[Callable]:
    """Starts the script above. Gives it, once both of its bodies run, and the processes of these."""
    started: list[subprocess.Popen[bytes]] = []

    def start(how: str, grace: int) -> tuple[subprocess.Popen[bytes], list[int]]:
        (tmp_path / "stopped.py").write_text(STOPPED)
        command = [sys.executable, "stopped.py", how, str(grace)]
        started.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL))
        wait_until(lambda: len(pids_in(tmp_path / "told")) == 4, "both bodies run")
        return started[0], pids_in(tmp_path / "told")

    yield start
    for process in started:
        process.kill()
        process.wait()
    for pid in filter(is_alive, pids_in(tmp_path / "told")):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", ["sleeps", "holds the lock", "is stopped", "blocks every signal", "one returns"])
def test_when_the_driver_is_killed_its_workers_end_themselves(start_script, how):
    process, pids = start_script(how, 5)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_alive, pids)), "the workers are gone, and what they started", 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_and_leaves_the_run_to_be_resumed(start_script, tmp_path, number):
    process, pids = start_script("looks", 20)
    process.send_signal(number)
    process.wait(60)
    assert process.returncode != 0
    assert (tmp_path / "seen").exists()
    assert not any(map(is_alive, pids))
    manager = WorkflowManager(f"sqlite:///{tmp_path}/.penstock")
    assert manager.get().state == "interrupted"
    manager.close()


def test_a_second_signal_ends(start_script):
    process, pids = start_script("sleeps", 60)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    assert not any(map(is_alive, pids))
