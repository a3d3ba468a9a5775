"""A process that has imported Penstock, from which commands are forked, so that each begins where it has its modules.

Most of what a short command takes is spent on imports: ten times what is spent on its work. A command that is forked is
a process like any other but for that: it has its own memory, directory, environment, streams and end, and runs
`python -m penstock` as that does. This file is the program of the template too.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 1 << 17
"""Bytes of a request, at most."""
SETTLED = ("PYTHON", "LC_", "LANG", "COVERAGE_")
"""What the variables begin with that an interpreter reads when it starts: a template has read them already."""


class Template:
    """The template's process, as who has started it sees it. It ends when nobody can ask it any more."""

    def __init__(self) -> None:
        self._settled = settled()
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # as a command's, for Python looks once at what its streams are
                stderr=subprocess.STDOUT,
                cwd=os.path.dirname(__file__),
            )

    def is_current(self) -> bool:
        """Whether an interpreter that is started now would be as this one."""
        return settled() == self._settled

    def close(self) -> None:
        """Ask for nothing more."""
        self._door.close()
        self._process.communicate()

    def fork(self, arguments: Sequence[str], environ: Mapping[str, str], streams: Sequence[int]) -> int:
        """Begin `python -m penstock` with these arguments, variables and standard streams, in this directory.

        What comes back is an end of a pipe: the process id is written to it, as a line, and when the command has ended
        its exit code, as another, below zero for a signal.
        """
        told, telling = os.pipe()
        request = {"arguments": [*arguments], "environ": {**environ}, "directory": os.getcwd()}
        try:
            socket.send_fds(self._door, [json.dumps(request).encode()], [*streams, telling])
        except BaseException:
            os.close(told)
            raise
        finally:
            os.close(telling)
        return told


def settled() -> dict[str, str]:
    """The variables that an interpreter reads when it starts."""
    return {name: value for name, value in os.environ.items() if name.startswith(SETTLED)}


_kept: list[Template] = []
"""The template of this process, as soon as there is one."""


def template() -> Template:
    """The template that commands of this process are forked from."""
    if _kept and not _kept[0].is_current():
        _kept.pop().close()
    if not _kept:
        _kept.append(Template())
        atexit.register(close_kept)
    return _kept[0]


def close_kept() -> None:
    """Need no template any more."""
    while _kept:
        _kept.pop().close()


# --- In the template


def warm_up() -> None:
    """Import what commands import: what a fork has, it need not make."""
    import gc
    import importlib
    import pkgutil

    import penstock

    gc.disable()
    for name in ("cli", "code", "definition", "engine", "executor", "logs", "observe", "plan", "results", "runtime"):
        package = importlib.import_module(f"{penstock.__name__}.{name}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    for name in ("api.graphs", "api.records", "manager", "store.sqlite"):
        importlib.import_module(f"{penstock.__name__}.{name}")
    gc.freeze()
    gc.enable()


def become(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Be the process of a command, up to its first line."""
    import time

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    sys.path.insert(0, os.getcwd())
    sys.argv[1:] = request["arguments"]


def attend(pid: int, telling: int) -> None:
    """Say who a command is, and how it has ended."""
    os.write(telling, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(telling, b"%d\n" % os.waitstatus_to_exitcode(status))


def serve(door: socket.socket) -> bool:
    """Fork whatever is asked for. Comes back as each of the commands, with True, and when nobody asks any more.

    A command is the child of a process that waits for it, and that nobody waits for.
    """
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(door, MOST, 4)
        if not message:
            return False
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        door.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        *streams, telling = descriptors
        pid = os.fork()
        if pid:
            for stream in streams:
                os.close(stream)
            attend(pid, telling)
            os._exit(0)
        os.close(telling)
        signal.signal(signal.SIGINT, on_interrupt)
        become(json.loads(message), streams)
        return True


def main() -> None:
    """Be the template."""
    import runpy

    del sys.path[0]  # the folder of this file
    warm_up()
    with socket.socket(fileno=int(sys.argv[1])) as door:
        is_command = serve(door)
    if is_command:
        runpy.run_module("penstock", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
