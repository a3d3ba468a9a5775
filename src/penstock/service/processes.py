"""The processes with user code, as the service has them: one from which the others are forked, and those."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable

from penstock.service.loop import Loop
from penstock.service.wire import Message, Wire, pair

_PROGRAM = (
    "import sys; sys.path[:] = [place for place in sys.path if place]; "
    "from penstock.service.nursery import main; main({})"
)
"""What the user's folder has is not found in the place of a module of Penstock's."""

Hear = Callable[[Message], None]
Gone = Callable[[], None]


class Processes:
    """Begins them. Each has a wire to the service, and is told by its end that the service is gone."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._nursery: Wire | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, asked: Message, hear: Hear, gone: Gone, template: Wire | None = None) -> Wire:
        """Begin a process, forked from a template or, if there is none, from the nursery. `gone` is called when it has
        ended, however that came; it may be that it never began."""
        ours, theirs = pair()
        wire = Wire(ours)
        self._loop.watch(wire, hear, gone)
        try:
            self._send(asked, theirs, template)
        finally:
            theirs.close()
        return wire

    def _send(self, asked: Message, end: socket.socket, template: Wire | None) -> None:
        for parent in (template, self._nursery):
            if parent is not None:
                try:
                    parent.send(asked, [end.fileno()])
                    return
                except OSError:
                    continue  # it has just died
        self._start_nursery().send(asked, [end.fileno()])

    def _start_nursery(self) -> Wire:
        self._bury()
        ours, theirs = pair()
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *flags, "-c", _PROGRAM.format(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._nursery = Wire(ours)
        self._loop.watch(self._nursery, lambda message: None, self._lose)
        return self._nursery

    def _lose(self) -> None:
        self._nursery = None

    @property
    def nursery(self) -> int | None:
        """The id of the process that the others are forked from."""
        return self._process.pid if self._process is not None and self._nursery is not None else None

    def end(self, wire: Wire) -> None:
        """Let a process end that does nothing else than listen."""
        self._loop.forget(wire)

    def close(self) -> None:
        """Let the nursery end."""
        if self._nursery is not None:
            self._loop.forget(self._nursery)
            self._nursery = None
        self._bury()

    def _bury(self) -> None:
        if self._process is not None:
            self._process.kill()  # it may have been stopped, and has nothing to put in order
            self._process.wait()
            self._process = None
