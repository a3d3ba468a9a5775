"""Things that the body of a task can do to the process that runs it, to its value and to its error."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.executor.channel import encode
from tests.faults.ledger import digest_of, note


class RunningWith(threading.local):
    """What the body that runs was given."""

    ledger = ""


running_with = RunningWith()


# --- Death


def kill(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def kill_group(number: int) -> None:
    subprocess.Popen(["sleep", "60"])
    os.killpg(0, number)
    time.sleep(60)


def read_address_zero() -> None:
    ctypes.string_at(0)


def overflow_the_stack() -> None:
    sys.setrecursionlimit(10_000_000)

    def recur(_: object) -> Any:
        return sorted([1], key=recur)

    recur(0)


def exit_from_a_thread() -> None:
    threading.Thread(target=os._exit, args=(7,)).start()
    time.sleep(60)


def print_and_die() -> None:
    for number in range(5_000):
        print("line", number)
    os._exit(1)


def set_an_alarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(60)


def close_every_file(then: Callable[[], None] = lambda: None) -> None:
    os.closerange(3, 256)
    then()


def pipes() -> list[int]:
    """The descriptors of this process that are pipes."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("pipe:") and int(name) > 2:
                found.append(int(name))
        except OSError:
            pass
    return found


def write_into_the_pipes(data: bytes, then: Callable[[], None] = lambda: None) -> None:
    for fd in pipes():
        try:
            os.write(fd, data)
        except OSError:
            pass
    then()


def forge_an_outcome() -> str:
    """An answer that fits no request."""
    write_into_the_pipes(encode(("succeeded", 0, 0.0, None)))
    return "the second answer"


class DiesInTheMiddle:
    """Kills its process when half of the list that it is in has been written."""

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        return int, ()


class DiesAtTheEnd:
    """Kills its process when it is not needed any more."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


# --- Errors


def fail(kind: type[BaseException], *args: Any) -> None:
    raise kind(*args)


class Unprintable(Exception):
    """Has no text, equals nothing, and cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not equal")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


class OddText(str):
    """A text that is not quite one."""

    def __str__(self) -> str:
        return self


class OddlyPrintable(Exception):
    """Its text is of a class of its own."""

    def __str__(self) -> str:
        return OddText("odd")


class Liar(type):
    """A class of classes that lie about what they are."""

    @property
    def __module__(cls) -> Any:  # type: ignore[override]
        raise RuntimeError("nowhere")

    def __instancecheck__(cls, instance: object) -> bool:
        raise RuntimeError("who knows")


class LyingError(Exception, metaclass=Liar):
    """An exception that lies about its class."""


def fail_in_circles() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def run_out_of_memory(at_once: int) -> None:
    """With a limit that outlasts the attempt."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (32 << 20), resource.RLIM_INFINITY))
    hoard = []
    while True:
        hoard.append(bytearray(at_once))


def recur_for_ever() -> None:
    recur_for_ever()


async def cancel_itself() -> None:
    import asyncio

    raise asyncio.CancelledError


# --- Values


class Raises:
    """Cannot be written."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def __reduce__(self) -> Any:
        raise self.kind("not to be written")


class GivesNonsense:
    """Says how it is to be written, and it is nonsense."""

    def __reduce__(self) -> Any:
        return 5


class Calls:
    """Is read back by calling a function."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function = function
        self.args = args

    def __reduce__(self) -> Any:
        return self.function, self.args


class RefusesItsState:
    """Cannot be read back."""

    def __setstate__(self, state: object) -> None:
        raise RuntimeError("not this state")

    def __getstate__(self) -> object:
        return 1


class Disagreeable:
    """Equals nothing, has no hash and no length, and lies about its class."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not equal")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


def tell_who_reads(ledger: str) -> str:
    note(ledger, "read", pid=os.getpid())
    return "read"


def be_noticed_when_read() -> Calls:
    return Calls(tell_who_reads, running_with.ledger)


def recursive() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]
    return value


def changing() -> Any:
    """It changes while it is written."""
    value: dict[Any, Any] = {number: object() if number == 50_000 else (number,) for number in range(50_001)}
    del value[50_000]

    def change() -> None:
        for number in range(1 << 30):
            value[f"new {number}"] = number
            value.pop(f"new {number - 10}", None)

    threading.Thread(target=change, daemon=True).start()
    return value


def huge() -> tuple[bytes, str]:
    data = os.urandom(1 << 20) * 48
    return data, digest_of(data)


# --- What is left behind


def print_for_ever() -> str:
    def go_on() -> None:
        while True:
            print("from a thread that was left behind", flush=True)
            time.sleep(0.001)

    threading.Thread(target=go_on, daemon=True).start()
    return "left"


def leave_a_thread() -> str:
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "left"


def leave_a_process() -> str:
    subprocess.Popen(["sh", "-c", "trap '' HUP TERM INT; sleep 600 & sleep 600"])
    return "left"


def leave_a_long_goodbye() -> str:
    import atexit

    atexit.register(time.sleep, 600)
    return "left"


def fork(then: Callable[[], Any]) -> Any:
    if os.fork() == 0:
        return then()
    return "forked"


def sleep_in_child() -> None:
    time.sleep(600)
    os._exit(0)


def put_it_in_the_child() -> None:
    print("this child prints")
    os._exit(0)


def leave_an_alarm() -> str:
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    return "left"


def die_later() -> str:
    """When the next attempt has the process, or nobody has."""

    def die() -> None:
        time.sleep(0.001)
        os._exit(9)

    threading.Thread(target=die).start()
    return "left"


def ignore_and_signal() -> str:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    os.killpg(0, signal.SIGINT)
    return "still here"


def print_everything() -> str:
    print("a \ud800 surrogate, a \0 and \x1b[31mred")
    print("x" * 3_000_000, end="")
    sys.stdout.buffer.write(b"\xff\xfe")
    sys.stderr.write("half a line")
    os.write(1, b"past Python\n")
    return "printed"


def put_streams_away() -> str:
    sys.stdout.close()
    sys.stderr = None
    os.close(1)
    return "silent"


def forget_everything() -> str:
    os.environ.clear()
    os.chdir("/")
    return "lost"


# --- Time


def stop(continued_after: float | None = None) -> str:
    """Stop, and be continued by another process, if at all."""
    if continued_after is not None:
        subprocess.Popen(["sh", "-c", f"sleep {continued_after}; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)
    return "continued"


def sleep_with_the_lock() -> None:
    ctypes.PyDLL(None).sleep(60)


def block_all_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    while True:
        pass


def print_on_and_on() -> None:
    while True:
        print("on and on")


def swallow_everything() -> None:
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass


def return_just_in_time(seconds: float) -> str:
    time.sleep(seconds)
    return "perhaps"
