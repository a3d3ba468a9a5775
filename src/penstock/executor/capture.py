"""What tasks print is shown as it comes, and kept.

While a run lives, `sys.stdout` and `sys.stderr` are routers. Text written inside an attempt goes to the attempt's log
and, at once, to where it would have gone anyway; text written outside of one passes through. Lines stay whole: as with
any stream to a terminal, a part of a line waits for its end or for a flush.

Not kept is what does not come through these two objects: binary writes to their `buffer`, and what other processes that
a task starts write themselves. A thread that a task starts writes inside the attempt only if it runs in a copy of the
task's context.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias, cast

from penstock.definition.secret import has_secrets, mask, mask_beginning
from penstock.executor.current import running
from penstock.logs.base import Stream

if TYPE_CHECKING:
    from penstock.executor.base import Attempt

Keep: TypeAlias = Callable[[Stream, str], None]
"""Takes what an attempt wrote to a stream."""
Show: TypeAlias = Callable[[str], None]
Echo: TypeAlias = Callable[[Literal["stdout", "stderr"], str], None]
"""Shows text in the place of a stream, e.g. above a live table. It may write to that stream itself."""

LONGEST_PART = 8192
"""Characters of a line that wait for its end."""

_installing = threading.Lock()
_used: deque[Router] = deque(maxlen=64)
"""Routers, in use or not. A `print` that goes on in another thread while its router is taken away holds no reference to
it (CPython issue 130163), and would go on with an object that is no more."""


class AttemptOutput:
    """What one attempt writes, gathered into lines. `shown` is False where somebody else shows what is kept, as the
    parent of a worker process does. Secrets are taken out; what may be the beginning of one waits for what follows."""

    __slots__ = ("_ended", "_keep", "_lock", "_parts", "_shown")

    def __init__(self, keep: Keep, *, shown: bool = True) -> None:
        self._keep = keep
        self._shown = shown
        # Re-entrant, since a signal handler or a finalizer that prints may run in the thread that is writing.
        self._lock = threading.RLock()
        self._parts: dict[Stream, tuple[str, Show]] = {}
        self._ended = False

    def write(self, stream: Stream, text: str, show: Show) -> None:
        """Keep text, and show it with `show`."""
        with self._lock:
            if stream in self._parts:
                text = self._parts.pop(stream)[0] + text
            end = text.rfind("\n") + 1
            if self._ended or len(text) - end > LONGEST_PART:
                end = len(text)
            if end < len(text):
                self._parts[stream] = text[end:], show
            if end:
                self._release(stream, text[:end], show)

    def flush(self, stream: Stream, *, entirely: bool = False) -> None:
        """The part of a line that waits will not wait any longer; `entirely`: nor will what may become a secret."""
        with self._lock:
            if stream in self._parts:
                self._release(stream, *self._parts.pop(stream), entirely=entirely)

    def end(self) -> None:
        """The attempt is over. What a thread that it left behind still writes is not gathered."""
        with self._lock:
            self._ended = True
            for stream in tuple(self._parts):
                self.flush(stream, entirely=True)

    def _release(self, stream: Stream, text: str, show: Show, *, entirely: bool = False) -> None:
        if has_secrets():
            text, begun = (mask(text), "") if entirely or self._ended else mask_beginning(text)
            if begun:
                self._parts[stream] = begun + self._parts.get(stream, ("", show))[0], show
            if not text:
                return
        self._keep(stream, text)  # first, since a terminal may be stopped
        if self._shown:
            show(text)


class Capture:
    """Routes the streams of this process while a run lives. Any number may be installed, by several runs in several
    threads, and uninstalled in any order.

    `current_output` tells which attempt the calling code runs in, if any. With an `echo`, all text is shown through it,
    also what is written outside of attempts: there is only one terminal. Of several, the one installed last shows.
    """

    def __init__(self, current_output: Callable[[], AttemptOutput | None], *, echo: Echo | None = None) -> None:
        self.current_output = current_output
        self._echo = echo
        self._routers: tuple[Router, ...] = ()

    @property
    def echo(self) -> Echo | None:
        """What shows text in the place of the streams. It can be changed at any time."""
        return self._echo

    @echo.setter
    def echo(self, echo: Echo | None) -> None:
        for router in self._routers:
            router.settle()
        self._echo = echo

    def install(self) -> None:
        """Begin. Does nothing if it is installed already."""
        from penstock.executor.task_logging import attach, redirect

        with _installing:
            if self._routers:
                return
            self._routers = tuple(_route(name, self) for name in ("stdout", "stderr"))
            for router in self._routers:
                redirect(router.original, router)
            attach(self)

    def uninstall(self) -> None:
        """End. What stands in the place of a router by then is left alone."""
        from penstock.executor.task_logging import detach, redirect

        with _installing:
            detach(self)
            for router in self._routers:
                router.settle(entirely=True)
                router.captures = tuple(capture for capture in router.captures if capture is not self)
                if not router.captures:
                    if getattr(sys, router.place) is router:
                        setattr(sys, router.place, router.replaced)
                    redirect(router, router.original)
            self._routers = ()

    def show(self, stream: Stream, text: str) -> None:
        """Show text that an attempt in another process wrote."""
        for router in self._routers:
            if router.place == stream or (stream == "log" and router.place == "stderr"):
                router.show(text)

    def __enter__(self) -> Capture:
        self.install()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.uninstall()


@io.TextIOBase.register
class Router:
    """Stands in the place of `sys.stdout` or `sys.stderr`, and is like the stream it replaced in all but `write`,
    `flush` and `close`. Once no capture uses it any more, and in a forked child, it is like it in these too: somebody
    may hold it.
    """

    def __init__(self, place: Literal["stdout", "stderr"], replaced: TextIO | None) -> None:
        self.place = place
        self.replaced = replaced
        self.original: TextIO = replaced if replaced is not None else cast(TextIO, _Nowhere())
        self.captures: tuple[Capture, ...] = ()
        self.pid = os.getpid()
        self._outside = AttemptOutput(lambda stream, text: None)
        self._echoing = _Echoing()

    def write(self, text: str) -> int:
        """Show text, and keep it if it is an attempt's."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not self._alive():
            return self.original.write(text)
        if (output := self._output()) is not None:
            output.write(self.place, text, self.show)
        elif self._echo() is not None:
            self._outside.write(self.place, text, self.show)
        else:
            self.original.write(mask(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Let the part of a line that waits go, and flush the stream."""
        if self._alive():
            self._outside.flush(self.place)
            if (output := self._output()) is not None:
                output.flush(self.place)
                try:
                    self.original.flush()
                except (OSError, ValueError):  # see show
                    pass
                return
        self.original.flush()

    def close(self) -> None:
        """A body that closes the stream does so for itself: it is the program's, and of all others that run in it."""
        if self._alive():
            self.flush()
        else:
            self.original.close()

    def show(self, text: str) -> None:
        """Show text of an attempt. Not worth a task are: a reader that went away (`penstock run | head`), a stream that
        was closed, and characters that it cannot encode."""
        echo = self._echo() if self._alive() else None
        try:
            if echo is not None:
                self._echoing.now = True
                try:
                    echo(self.place, text)
                finally:
                    self._echoing.now = False
                return
            try:
                self.original.write(text)
            except UnicodeEncodeError as error:
                self.original.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        except (OSError, ValueError):
            pass

    def settle(self, *, entirely: bool = False) -> None:
        """Show what waits outside of attempts; `entirely`: also what may become a secret."""
        self._outside.flush(self.place, entirely=entirely)

    def _alive(self) -> bool:
        """Whether there is something to route: not in the echo itself, and not in a forked child, which has copies of
        the parent's locks and logs that it must not touch."""
        return bool(self.captures) and not self._echoing.now and os.getpid() == self.pid

    def _output(self) -> AttemptOutput | None:
        for capture in self.captures:
            if (output := capture.current_output()) is not None:
                return output
        return None

    def _echo(self) -> Echo | None:
        for capture in reversed(self.captures):
            if capture.echo is not None:
                return capture.echo
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def __enter__(self) -> Router:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.original.__exit__(*exc_info)


class _Echoing(threading.local):
    """Whether this thread is in an echo."""

    now = False


class _Nowhere(io.TextIOBase):
    """Where text is shown when there is no stream: under pythonw, `sys.stdout` is None."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)


def _route(place: Literal["stdout", "stderr"], capture: Capture) -> Router:
    """The router in that place, put there if need be, with one capture more.

    A program may have put a stream of its own over the router of another run (`contextlib.redirect_stdout`): what it
    prints now is meant to go there, so that stream gets a router too."""
    present = getattr(sys, place)
    if not isinstance(present, Router) or present.pid != os.getpid():
        used = [one for one in _used if (one.place, one.replaced, one.pid) == (place, present, os.getpid())]
        router = used[0] if used else Router(place, present)
        setattr(sys, place, router)
        if not used:
            _used.append(router)
        present = router
    present.captures = (*present.captures, capture)
    return present


def current_output() -> AttemptOutput | None:
    """Where text goes that is written now: to the attempt that the calling code runs in, if any."""
    attempt = running.get()
    return None if attempt is None else output_of(attempt)


def output_of(attempt: Attempt) -> AttemptOutput:
    """What an attempt writes."""
    if attempt.output is None:
        attempt.output = AttemptOutput(partial(_keep, attempt))
    return attempt.output


def _keep(attempt: Attempt, stream: Stream, text: str) -> None:
    attempt.context.write_log(attempt.task, attempt.generation, attempt.number, stream, text)
