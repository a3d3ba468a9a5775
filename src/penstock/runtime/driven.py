"""The runs of the tasks of one run that this process drives, each on a lane of its own where there is room."""

from __future__ import annotations

from collections.abc import Callable

from penstock.clock import SYSTEM, Clock
from penstock.runtime.drive import Drive
from penstock.runtime.lanes import Lanes
from penstock.runtime.record import Run


class Driven:
    """See the module's text. `told` is called with the id of each when it is over, interrupted or parked."""

    def __init__(self, parent: str, lanes: Lanes, told: Callable[[str], None], clock: Clock = SYSTEM) -> None:
        self._parent = parent
        self._lanes = lanes
        self._told = told
        self._lock = clock.lock()
        self._stopping: str | None = None
        self._going: dict[str, Drive] = {}
        """Those that are driven, or will be when there is room."""
        self._begun: set[str] = set()
        """Those of them whose thread has begun."""
        self._free: list[Drive] = []
        """Those that go on by themselves, wherever the parent gets to."""
        self.broken: dict[str, BaseException] = {}
        """What made driving one impossible."""

    def __contains__(self, id: str) -> bool:
        return id in self._going

    def __len__(self) -> int:
        return len(self._going)

    def start(self, id: str, drive: Drive, keep: Callable[[Run], None]) -> None:
        """Drive a run that is in the hands of this process; `keep` sees that it is woken, should it be parked."""
        with self._lock:
            stopping = self._stopping
            if stopping is None:
                self._going[id] = drive
        if stopping is not None:
            drive.give_up()
            return
        try:
            self._lanes.start(self._parent, lambda: self._work(id, drive, keep))
        except BaseException:
            with self._lock:
                del self._going[id]
            drive.give_up()
            raise

    def set_free(self, drive: Drive) -> None:
        """Have this one stopped too, when all are."""
        self._free.append(drive)

    def _work(self, id: str, drive: Drive, keep: Callable[[Run], None]) -> None:
        with self._lock:
            self._begun.add(id)
            stopping = self._stopping
        try:
            if stopping is not None:
                drive.give_up()
            else:
                run = drive.drive()
                if run.state == "waiting":
                    keep(run)
        except BaseException as error:
            self.broken[id] = error
        with self._lock:
            self._begun.discard(id)
            self._going.pop(id, None)
        self._told(id)

    def stop(self, reason: str, *, patient: bool = False) -> None:
        """Have all interrupted, and begin none any more. See `Stop`."""
        with self._lock:
            self._stopping = self._stopping or reason
            going = [drive for id, drive in self._going.items() if id in self._begun] + self._free
        self._give_back_waiting()
        for drive in going:
            drive.stop(reason, patient=patient)

    def _give_back_waiting(self) -> None:
        """Give those back that have not begun."""
        if not self._lanes.drop(self._parent):
            return
        with self._lock:
            left = {id: drive for id, drive in self._going.items() if id not in self._begun}
            self._going = {id: drive for id, drive in self._going.items() if id in self._begun}
        for drive in left.values():
            drive.give_up()

    def ids(self) -> list[str]:
        """Those that are driven, or will be when there is room."""
        with self._lock:
            return [*self._going]
