"""A process that drives the runs of one file's workflows, many at once, as the service hands them over."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from threading import Condition, Thread
from types import FrameType
from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError, RunLocked, RunNotFound
from penstock.runtime.drive import Drive
from penstock.runtime.observer import Observer
from penstock.service.report import Found
from penstock.service.wire import Message, Wire

if TYPE_CHECKING:
    from penstock.engine.events import Event
    from penstock.engine.run import RunEngine
    from penstock.manager import WorkflowManager
    from penstock.plan.plan import Plan
    from penstock.runtime.loader import Flow
    from penstock.runtime.record import Run

_AGAIN = 0.05
"""Seconds after which a run is told again to stop that was only about to be driven."""


class Quiet(Observer):
    """Shows nothing: what tasks print is kept in the logs of their runs, and a service's own output is its own."""

    hears_successes = False

    def echo(self, stream: str, text: str) -> None:
        """Leave text away."""


class Driver:
    """See the module's text. When the service is gone, what is driven goes on to its end, and nothing is begun."""

    def __init__(self, found: Found, wire: Wire, choices: Message) -> None:
        self._found = found
        self._wire = wire
        self._choices = choices
        self._changed = Condition()
        self._going: set[str] = set()
        """The runs that are in the hands of this process, or are about to be."""
        self._driven: dict[str, Drive] = {}
        self._stopping: str | None = None
        self._is_patient = False
        """Whether what runs is left to end by itself, though nothing more is started."""
        self._is_last = False
        """Whether nothing follows what is driven now."""

    def serve(self) -> None:
        """Drive what is handed over."""
        from penstock.manager import WorkflowManager

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_signal)
        options = {name: value for name, value in self._choices.items() if value is not None}
        with WorkflowManager(observers=[Quiet()], **options) as manager:
            self._manager: WorkflowManager = manager
            while (message := self._wire.receive()) is not None:
                if message["do"] == "hand over":
                    self._stopping, self._is_patient = message["reason"], False
                    break
                if message["do"] == "drain":
                    self._drain(message["reason"])
                elif message["do"] == "finish":
                    self._is_last = True
                    self._leave_if_done()
                elif message["do"] == "late":
                    self._tell_late(message)
                else:
                    self._begin(message)
            self._see_off()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping, self._is_patient = signal.Signals(number).name, False
        self._wire.deafen()

    def _drain(self, reason: str) -> None:
        """Start nothing more, and let go of each run once nothing runs of it. It may be told meanwhile not to wait."""
        self._stopping, self._is_patient = reason, True

        def see_off() -> None:
            self._see_off()
            self._wire.deafen()

        Thread(target=see_off, name="penstock-drain", daemon=True).start()

    def _see_off(self) -> None:
        """Wait for what is driven, or have it stopped."""
        with self._changed:
            while self._going:
                if self._stopping is not None:
                    for drive in self._driven.values():
                        drive.stop(self._stopping, patient=self._is_patient)
                self._changed.wait(_AGAIN if self._stopping is not None else 1.0)

    def _begin(self, message: Message) -> None:
        run_id = message["run"]
        with self._changed:
            self._going.add(run_id)
        Thread(target=self._work, args=(run_id, message), name=f"penstock-run-{run_id}").start()

    def _work(self, run_id: str, message: Message) -> None:
        told: Message = {"over": run_id, "state": None}
        try:
            run = self._drive(run_id, message)
            told |= {"state": run.state} if run is not None else {}
        except (RunLocked, RunNotFound) as error:
            told |= {"missed": str(error), "kind": type(error).__name__}
        except Exception as error:
            told["error"] = str(error) if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
            told["kind"] = type(error).__name__
            if not isinstance(error, PenstockError):
                self._show(error)
        finally:
            with self._changed:
                self._going.discard(run_id)
                self._changed.notify_all()
            self._tell(told)
            self._leave_if_done()

    def _leave_if_done(self) -> None:
        with self._changed:
            is_done = self._is_last and not self._going
        if is_done:
            self._wire.deafen()

    def _drive(self, run_id: str, message: Message) -> Run | None:
        """Take the run over and drive it; None if it was given back, since this process ends."""
        taken = self._take(run_id, message)
        if not isinstance(taken, Drive):
            return taken
        with self._changed:
            stopping = self._stopping
            if stopping is None:
                self._driven[run_id] = taken
        if stopping is not None:
            taken.give_up()
            return None
        self._tell({"driven": run_id})
        try:
            return taken.drive()
        finally:
            with self._changed:
                del self._driven[run_id]

    def _tell_late(self, message: Message) -> None:
        from penstock.service.late import tell_late

        flow = self._found.workflow(message["workflow"]).flow
        told = (self._manager, flow, message["run"], message["at"])
        Thread(target=tell_late, args=told, name="penstock-late", daemon=True).start()

    def _take(self, run_id: str, message: Message) -> Drive | Run:
        flow: Flow | None = None if message["child"] else self._found.workflow(message["workflow"]).flow
        manager = self._manager
        if message["do"] == "run":
            return manager._wake(run_id, flow, due_only=True)
        from penstock.launching import Driving

        taken = manager._take(run_id, flow, _by_hand(message))
        return manager._as_drive(taken) if isinstance(taken, Driving) else taken

    def _tell(self, message: Message) -> None:
        try:
            self._wire.send(message)
        except OSError:
            pass  # the service is gone

    def _show(self, error: BaseException) -> None:
        import traceback

        traceback.print_exception(error, file=sys.__stderr__)


def _by_hand(message: Message) -> Callable[[RunEngine, Plan, float], list[Event]]:
    """What sets a run going that somebody resumes, or runs parts of again."""
    from penstock.engine.events import TasksRerun
    from penstock.runtime import takeover
    from penstock.runtime.choosing import Choice, choose_again
    from penstock.runtime.history import ENDED

    if message["do"] == "resume":
        return takeover.resume
    chosen: dict[str, Any] = message["choice"]
    choice = Choice(tuple(chosen["only"]), tuple(chosen["from_"]), chosen["failed"], tuple(chosen["where"]))

    def again(engine: RunEngine, plan: Plan, at: float) -> list[Event]:
        if str(engine.state) not in ENDED:
            raise PenstockError(f"run {engine.run_id} has not ended: resume it before you run parts of it again")
        return [TasksRerun(at, choose_again(engine, plan, choice))]

    return again
