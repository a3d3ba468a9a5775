"""Logs with real processes: killed, forked, out of disk, interrupted, and read by others meanwhile."""

from __future__ import annotations

import ctypes
import gc
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from penstock.logs.reader import SegmentReader
from penstock.logs.writer import SegmentWriter
from tests.integration.waiting import wait_until

PRELUDE = """
import contextvars, os, resource, sys, time
from pathlib import Path
from penstock.executor.capture import AttemptOutput, Capture
from penstock.logs.writer import SegmentWriter

running = contextvars.ContextVar("running", default=None)
writer = SegmentWriter(Path("logs"))

def keep(stream, text):
    writer.write(1, 0, 1, stream, text, time.time())
"""


@contextmanager
def script(body: str, **options) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A Python process that runs `body`, and its output."""
    code = PRELUDE + textwrap.dedent(body)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **options) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def run(body: str) -> subprocess.CompletedProcess[str]:
    code = PRELUDE + textwrap.dedent(body)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)


def line(number: int) -> str:
    return f"line {number} {'é' * (number % 9)}\n"


@pytest.mark.parametrize("acknowledged", [1, 57, 400])
def test_what_was_written_survives_kill_9(acknowledged):
    writing = """
    number = 0
    while True:
        keep("stdout", f"line {number} {'é' * (number % 9)}\\n")
        writer.flush()
        print(number, flush=True)
        number += 1
    """
    with script(writing) as (process, output):
        for _ in range(acknowledged):
            output.readline()
        process.kill()
        written = acknowledged + len(output.read().splitlines())
        assert process.wait() == -signal.SIGKILL

    kept = [chunk.text for chunk in SegmentReader(Path("logs")).chunks()]
    assert len(kept) in (written, written + 1)
    assert kept == [line(number) for number in range(len(kept))]

    writer = SegmentWriter(Path("logs"))
    writer.write(1, 0, 2, "stdout", "the next attempt\n", 1.0)
    writer.close()
    assert SegmentReader(Path("logs")).text(attempt=1) == "".join(kept)
    assert SegmentReader(Path("logs")).text(attempt=2) == "the next attempt\n"


def test_another_process_follows_while_a_task_is_still_at_it():
    printing = """
    with Capture(running.get):
        running.set(AttemptOutput(keep))
        print("first")
        print("shown", flush=True)
        writer.flush()  # as a driver does when it wakes
        sys.stdin.readline()
        print("second", flush=True)
        writer.flush()
        sys.stdin.readline()
    """
    reader = SegmentReader(Path("logs"))
    with script(printing, stdin=subprocess.PIPE) as (process, output):
        assert process.stdin is not None
        assert [output.readline(), output.readline()] == ["first\n", "shown\n"]
        wait_until(lambda: len(list(reader.chunks())) == 2, "what was printed can be read")
        first = list(reader.chunks())
        assert [chunk.text for chunk in first] == ["first\n", "shown\n"]
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert output.readline() == "second\n"
        wait_until(lambda: list(reader.chunks(after=first[-1].position)), "what came later can be read")
        assert [chunk.text for chunk in reader.chunks(after=first[-1].position)] == ["second\n"]


@pytest.mark.parametrize(("file", "length"), [("0001.log", 300), ("0001.idx", 3)])
def test_a_full_disk_costs_text_but_neither_the_task_nor_what_comes_after(file, length):
    full = f"""
    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    keep("stdout", "before\\n")
    writer.flush()
    for room in (0, 1, 30, 36, 37, 100, 299, 300, 301, 900):  # the file ends somewhere within what is written
        limit(os.stat("logs/{file}").st_size + room)
        for _ in range(30):
            keep("stdout", "x" * {length})
            writer.flush()
        limit(resource.RLIM_INFINITY)
        keep("stdout", f"after {{room}}\\n")
        writer.flush()
    writer.close()
    print(writer.dropped)
    """
    dropped = int(run(full).stdout)
    kept = [chunk.text for chunk in SegmentReader(Path("logs")).chunks()]
    assert 0 < dropped < 300
    assert kept.count("x" * length) == 300 - dropped
    assert [text for text in kept if text != "x" * length] == [
        "before\n",
        *(f"after {room}\n" for room in (0, 1, 30, 36, 37, 100, 299, 300, 301, 900)),
    ]
    assert len(list(Path("logs").glob("*.idx"))) == 1


def test_a_disk_that_is_full_from_the_beginning_leaves_no_files():
    full = """
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    for _ in range(3):
        keep("stdout", "lost\\n")
    print(writer.dropped, os.listdir("logs"))
    """
    assert run(full).stdout == "3 []\n"


@pytest.mark.parametrize("way", ["flush", "end", "close"])
def test_what_is_held_back_beside_computing_threads_is_written_when_asked_for(way):
    stop = threading.Event()
    computing = threading.Thread(target=lambda: all(not stop.is_set() for _ in iter(int, 1)))
    writer = SegmentWriter(Path("logs"))
    reader = SegmentReader(Path("logs"))
    count = 0
    computing.start()
    try:
        while not writer.holds:
            writer.write(1, 0, 1, "stdout", line(count), 1.0)
            count += 1
        {"flush": writer.flush, "end": lambda: writer.end(1, 0, 1), "close": writer.close}[way]()
        assert not writer.holds
        assert reader.text() == "".join(map(line, range(count)))
    finally:
        stop.set()
        computing.join()
        writer.close()


def test_a_forked_child_is_shown_and_cannot_harm_the_parents_log():
    forking = """
    with Capture(running.get):
        running.set(AttemptOutput(keep))
        print("before")
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            print("child", flush=True)
            keep("stdout", "directly\\n")
            writer.close()
            os._exit(0)
        os.waitpid(child, 0)
        print("after")
    writer.close()
    """
    assert run(forking).stdout == "before\nchild\nafter\n"
    assert SegmentReader(Path("logs")).text() == "before\nafter\n"


def test_a_child_forked_while_another_thread_writes_is_not_stuck():
    forking = """
    import threading, warnings
    warnings.simplefilter("ignore")  # Python 3.12 and later warn of what this is about: a fork beside threads
    stop = threading.Event()

    def busy():
        running.set(AttemptOutput(keep))
        while not stop.is_set():
            print("busy", file=sys.stderr)

    with Capture(running.get, echo=lambda stream, text: None):
        thread = threading.Thread(target=busy)
        thread.start()
        running.set(AttemptOutput(keep))
        for _ in range(20):
            child = os.fork()
            if child == 0:
                print("child", flush=True)
                print("child", file=sys.stderr)
                os._exit(0)
            os.waitpid(child, 0)
        stop.set()
        thread.join()
    writer.close()
    """
    assert run(forking).stdout == "child\n" * 20
    assert {chunk.text for chunk in SegmentReader(Path("logs")).chunks()} == {"busy\n"}


def test_a_reader_of_the_output_that_goes_away_costs_no_task():
    printing = """
    with Capture(running.get):
        output = AttemptOutput(keep)
        running.set(output)
        for number in range(20_000):
            print("line", number, flush=True)
        output.end()
    writer.close()
    os._exit(0)
    """
    with script(printing) as (process, output):
        assert output.readline() == "line 0\n"
        output.close()
        assert process.wait() == 0
    assert SegmentReader(Path("logs")).text() == "".join(f"line {number}\n" for number in range(20_000))


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """Hypothesis is told of each, in whichever thread it is; an exception that is raised there is lost."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.skipif(sys.gettrace() is not None, reason="CPython 3.11 spins where it traces meanwhile")
def test_exceptions_raised_in_a_writing_thread_leave_the_files_sound():
    class Stop(BaseException):
        pass

    writer = SegmentWriter(Path("logs"))
    writer.write(1, 0, 1, "stdout", line(0), 1.0)
    open_to_it, caught = threading.Semaphore(0), threading.Semaphore(0)
    rounds = 500

    def write() -> None:
        number = 0
        for _ in range(rounds):
            try:
                open_to_it.release()
                while True:
                    number += 1
                    writer.write(1, 0, 1, "stdout", line(number), 1.0)
            except Stop:
                caught.release()

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(rounds):
        assert thread.ident is not None
        assert open_to_it.acquire(timeout=60)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Stop))
        assert caught.acquire(timeout=60)
    thread.join()
    writer.write(2, 0, 1, "stdout", "still working\n", 1.0)
    writer.close()

    kept = [chunk.text for chunk in SegmentReader(Path("logs")).chunks(task=1)]
    numbers = [int(text.split()[1]) for text in kept]
    assert kept == [line(number) for number in numbers]
    assert len(set(numbers)) > numbers[-1] - 1 - rounds  # each exception may have hit one line before it was taken
    assert SegmentReader(Path("logs")).text(task=2) == "still working\n"
