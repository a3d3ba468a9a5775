"""A worker process: it runs the attempts that the driver's process sends it, one at a time, until there are no more.

It has three pipes. Requests come through the first, and what is to be said about them goes back through the second;
both belong to the main thread, which runs the bodies. A second thread reads the third: it carries the wish that a body
end. When the driver's process is gone, the `guardian` ends this one and all that it started.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any

from penstock.engine.events import AttemptDeferred, AttemptFailed, AttemptSkipped, AttemptSucceeded
from penstock.executor.base import Attempt, Ending, StoreFailed
from penstock.executor.capture import AttemptOutput, Capture
from penstock.executor.channel import Receiver, Sender
from penstock.executor.driver_link import DriverLink
from penstock.executor.invoke import invoke
from penstock.executor.sent import SentRun, SentTask
from penstock.executor.usage import measure_process
from penstock.plan.naming import LOADED_FROM


def main(requests: int, messages: int, control: int) -> None:
    """Serve these pipes until the first is closed."""
    signal.signal(signal.SIGINT, _leave_it_to_the_driver)
    _end_with_the_driver()
    measure_process()
    worker = Worker(Receiver(requests), Sender(messages), Receiver(control))
    for fd in (requests, messages, control):
        os.set_inheritable(fd, False)
    # Else a forked child would keep the pipes open: nobody would see that this process has died.
    os.register_at_fork(after_in_child=lambda: _forget(worker, requests, messages, control))
    threading.Thread(target=worker.watch, name="penstock-watch", daemon=True).start()
    with Capture(worker.output), contextlib.suppress(BrokenPipeError):
        worker.messages.send("ready")
        worker.serve()


class Worker:
    """Runs attempts: of one run, and then perhaps of another."""

    def __init__(self, requests: Receiver, messages: Sender, control: Receiver) -> None:
        self.requests = requests
        self.messages = messages
        self.control = control
        self.link = DriverLink(messages, requests)
        self._running: tuple[int, Attempt] | None = None
        self._asked: dict[int, Ending] = {}

    def serve(self) -> None:
        """Run what is asked for."""
        while (request := self.requests.receive()) is not None and not self._is_orphaned():
            if request[0] == "run":
                run = self._begin(*request[1:])
            else:
                self._run(run, *request)

    def _begin(self, argv: list[str], main_file: str | None, scripts: Mapping[str, str], *about_run: Any) -> SentRun:
        """What follows is of this run."""
        sys.argv[:] = argv
        _stand_in_for(main_file, scripts)
        return SentRun(self.messages, self.link, *about_run)

    def _is_orphaned(self) -> bool:
        """Whether the driver's process is gone: what it asked for last is somebody else's to do by now, perhaps."""
        poll = select.poll()
        poll.register(self.control.fd, 0)  # POLLHUP comes unasked
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def _run(
        self, run: SentRun, sequence: int, task: int, generation: int, number: int, timeout: float | None, *sent: Any
    ) -> None:
        run.begin(task, SentTask(*sent))
        attempt = Attempt(run, task, generation, number, timeout, 0)
        attempt.output = AttemptOutput(lambda stream, text: self.messages.send("print", stream, text), shown=False)
        self._running = sequence, attempt
        if sequence in self._asked:
            attempt.ending = self._asked[sequence]
        self.link.open(attempt)
        outcome = invoke(attempt)
        signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm that the body has left would end the next one's process
        self.link.close()
        self._running = None
        self._asked.clear()
        usage = attempt.cpu, attempt.memory
        if isinstance(outcome, AttemptSucceeded):
            value = outcome.value and tuple(outcome.value)
            self.messages.send("succeeded", sequence, outcome.at, value, outcome.chosen, *usage)
        elif isinstance(outcome, AttemptSkipped):
            self.messages.send("skipped", sequence, outcome.at, _exact(outcome.reason), *usage)
        elif isinstance(outcome, AttemptDeferred):
            self.messages.send("deferred", sequence, outcome.at, outcome.until, outcome.topic)
        elif isinstance(outcome, AttemptFailed):
            error = tuple(map(_exact, outcome.error))
            how = outcome.retryable, outcome.delay
            self.messages.send("failed", sequence, outcome.at, error, *how, *usage)
        elif isinstance(outcome, StoreFailed):
            self.messages.send("store failed", sequence, outcome.at, outcome.message)
        else:
            self.messages.send("cancelled", sequence, outcome.at)

    def output(self) -> AttemptOutput | None:
        """Where goes what the process prints: its threads are the attempt's, whatever context they run in."""
        return None if self._running is None else self._running[1].output

    def watch(self) -> None:
        """Pass on wishes."""
        with contextlib.suppress(OSError):
            while (message := self.control.receive()) is not None:
                self._ask(*message)

    def _ask(self, sequence: int, ending: str) -> None:
        self._asked[sequence] = Ending[ending]
        running = self._running
        if running is not None and running[0] == sequence:
            running[1].ending = Ending[ending]
            frame = sys._current_frames().get(threading.main_thread().ident or 0)
            self.messages.send("where", sequence, _stack(frame))


def _exact(text: str) -> str:
    """The same text as a plain `str`: that of an error may be of a class of the user's, which cannot be sent."""
    return "".join((text, ""))


def _stand_in_for(main_file: str | None, scripts: Mapping[str, str]) -> None:
    """Empty modules in the place of the user's scripts, which are never run here: what they define comes by value, and
    values that are pickled here say which script their classes are from."""
    main = ModuleType("__main__")
    main.__spec__ = ModuleSpec("__main__", None)  # multiprocessing, used by a body, will not look for the script either
    if main_file is not None:
        main.__file__ = main_file
    sys.modules["__main__"] = main
    for name, file in scripts.items():
        module = ModuleType(name)
        module.__file__ = file
        setattr(module, LOADED_FROM, file)
        sys.modules[name] = module


def _stack(frame: FrameType | None) -> str:
    """Where a body is, as the last lines of a traceback."""
    import traceback

    frames = []
    for inner, line in traceback.walk_stack(frame):
        if inner.f_globals.get("__name__") == invoke.__module__:
            break
        frames.append((inner, line))
    return "".join(traceback.StackSummary.extract(iter(reversed(frames))).format()) if frame is not None else ""


def _leave_it_to_the_driver(number: int, frame: FrameType | None) -> None:
    """SIGINT: whether bodies end is for the driver to say. No SIG_IGN, since what bodies start would inherit it."""


def _forget(worker: Worker, *fds: int) -> None:
    """In a forked child."""
    worker.messages.fd = worker.requests.fd = -1
    worker.link.forget()
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _end_with_the_driver() -> None:
    """Beside the guardian, who sees nothing as long as a forked child of the driver's process has its pipes too."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_PR_SET_PDEATHSIG = 1
