"""The service: it finds the workflows of a folder, has each driven when it is due, and takes up what nobody drives.

One thread does all of it, in turns. What takes time, or is the user's code, is done by other processes.
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from typing import Any

from penstock.clock import SYSTEM, Clock
from penstock.errors import PenstockError, StoreError
from penstock.manager import WorkflowManager
from penstock.observe.words import count, duration
from penstock.runtime.history import ENDED
from penstock.service.adopter import Adopter
from penstock.service.catalog import Catalog, Known
from penstock.service.deadlines import Deadlines
from penstock.service.fleet import Fleet, Handed
from penstock.service.folder import scan
from penstock.service.loop import Loop
from penstock.service.processes import Processes
from penstock.service.recording import Recording
from penstock.service.scheduler import Scheduler
from penstock.service.schedules import TOLD, at
from penstock.service.templates import Templates
from penstock.service.watcher import Watcher
from penstock.service.wire import Message
from penstock.store.base import RunRow

IMPORT_TIMEOUT = 60.0
"""Seconds that a file may take to be imported, if nobody says otherwise."""
LOOK = 0.25
"""Seconds between two looks whether others have changed the store, and whether the clock was set."""
_DUE = 1.0
"""Seconds between two looks for parked runs that are due; and at least between two at all that nobody drives."""
_SCAN = 1.0
"""Seconds at least between two looks at the whole folder."""
_ASK_AGAIN = 5.0
"""Seconds after which a timetable is asked again that has not answered: somebody has ended the process."""
_TOGETHER = 0.2
"""Seconds at least between putting workflows on record while files are imported: what changes meanwhile is put there
together, which costs no more than one."""
_NET = 60.0
"""Seconds after which the folder is looked at though nobody has told of a change."""


class Service:
    """See the module's text. `say` is told, in a line each, what people want to know of it. When it is stopped, tasks
    have `drain_timeout` seconds to end by themselves. A file may take `import_timeout` seconds to be imported."""

    def __init__(
        self,
        folder: str,
        *,
        store: str | None = None,
        executor: str | None = None,
        workers: int | None = None,
        durability: str | None = None,
        drain_timeout: float = 0.0,
        import_timeout: float = IMPORT_TIMEOUT,
        say: Callable[[str], None] = lambda line: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.folder = os.path.realpath(folder)
        self.clock = clock
        self._say = say
        self.loop = Loop()
        self._manager = WorkflowManager(store, durability=durability, observers=[])
        self.store = self._manager.parts.store
        self._stopping: str | None = None
        self._asked_to_stop = 0
        self._drain_timeout = drain_timeout
        choices = {"store": store, "executor": executor, "workers": workers, "durability": durability}
        self._changed: set[str] = set()
        self._put_at = 0.0
        self.catalog = Catalog(self._changed.add)
        self.processes = Processes(self.loop)
        self._asked = {"folder": self.folder, "patience": import_timeout}
        self.templates = Templates(self.processes, clock, self._asked, import_timeout, self._loaded)
        options = {**self._asked, "choices": choices}
        self.fleet = Fleet(self.processes, self.templates, clock, options, self._over, self._lost)
        self.recording = Recording(self.store, clock, self.folder)
        self.scheduler = Scheduler(self.store, clock, self._created, self._ask_ticks)
        self.adopter = Adopter(self.store, clock, self.catalog, self.folder)
        self.deadlines = Deadlines(self.store, clock, self._late)
        self._watcher = Watcher(self.folder, lambda: self.loop.call(self._files_changed))
        self._scan_at = 0.0
        self._may_scan_at = 0.0
        self._look_at = 0.0
        self._adopt_at = 0.0
        self._adopted_at = -inf
        self._due_at = 0.0
        self._seen_changes: int | None = None
        self._is_ready = False
        self._are_gone = False
        """Whether workflows have vanished of which that is not on record."""
        self._failing_since: float | None = None

    # --- From any thread, or a signal's handler

    def stop(self, reason: str = "SIGTERM") -> None:
        """Have the runs handed over, and `run` return. Asked again, it is less patient: see `_drain`."""
        self._asked_to_stop += 1
        self._stopping = self._stopping or reason
        self.loop.poke()

    # --- In the thread that serves

    def run(self) -> None:
        """Serve until it is stopped."""
        self._watcher.start()
        try:
            while self._stopping is None:
                self._step()
                self.loop.turn(self._pause())
            self._drain()
        finally:
            self._watcher.stop()
            self.templates.close()
            self.processes.close()
            self.loop.close()
            self._manager.close()

    def _step(self) -> None:
        now = self.clock.monotonic()
        try:
            if now >= self._scan_at:
                self._scan(now)
            self.templates.step()
            self.fleet.step()
            self._put_changed()
            self.scheduler.step()
            self.deadlines.step()
            if now >= self._look_at:
                self._look(now)
            if now >= self._adopt_at:
                self._adopt(now)
            if now >= self._due_at:
                self._due_at = now + _DUE
                self._give(self.adopter.find_due(self.fleet.assigned))
            self._failing_since = None
        except StoreError as error:
            if self._failing_since is None:
                self._say(f"The store fails, which is tried again: {error}")
            self._failing_since = self._failing_since or now
            self.clock.sleep(LOOK)

    def _pause(self) -> float:
        now = self.clock.monotonic()
        until_due = min(self.scheduler.next_at, self.deadlines.next_at) - self.clock.time()
        moments = (self._scan_at, self.templates.next_at(), self.fleet.next_at(), self._look_at)
        pause = min(min(moments) - now, until_due, self._adopt_at - now, self._due_at - now)
        return max(0.0, min(pause, LOOK))

    # --- Files

    def _files_changed(self) -> None:
        self._scan_at = min(self._scan_at, self._may_scan_at)

    def _scan(self, now: float) -> None:
        self._scan_at, self._may_scan_at = now + _NET, now + _SCAN
        for path in self.catalog.see(scan(self.folder)):
            self.templates.load(path)

    def _loaded(self, path: str, report: Message) -> None:
        before = self.catalog.files[path].error if path in self.catalog.files else None
        file = self.catalog.loaded(path, report)
        if file is None:
            self.templates.drop(path)
            return
        if file.error is not None and file.error == before:
            return
        self.fleet.retire(path)
        if file.error is not None:
            self._say(f"{file.error['text']}")
        self.adopter.try_now()
        self._adopt_at = 0.0

    def _put_changed(self) -> None:
        """Put on record what is known of workflows that have changed, and decide about them from now on."""
        now = self.clock.monotonic()
        if self._changed and (now >= self._put_at or not self.templates.is_loading):
            self._put_at = now + _TOGETHER
            self._put([*self._changed])
        if not self.templates.is_loading and not self._is_ready:
            self._become_ready()
        elif self._are_gone and not self.templates.is_loading:
            self.recording.mark_gone(set(self.catalog.workflows))
            self._are_gone = False

    def _is_to_come(self, path: str) -> bool:
        file = self.catalog.files.get(path)
        return file is not None and not file.is_loaded

    def _put(self, changed: list[str]) -> None:
        found: dict[str, Known | None] = {}
        for name in changed:
            known = self.catalog.workflows.get(name)
            if known is not None and not self._is_ready:
                before = self.recording.source_of(name)
                if before is not None and self._is_to_come(before):
                    continue  # that file may still have it
                known = self.catalog.claim(name, before)
            found[name] = known
        there = [known for known in found.values() if known is not None]
        for run in self.recording.put(there):
            self._created(run)
        for name, known in found.items():
            self._changed.discard(name)
            if known is None or known.schedule is None:
                self.scheduler.forget(name)
            else:
                self.scheduler.know(known)
            if known is None:
                self._are_gone = True
            elif known.error is not None and self.catalog.files[known.file].error is None:
                self._say(f"{known.error}")

    def _become_ready(self) -> None:
        self._is_ready = True
        self._are_gone = False
        self.recording.mark_gone(set(self.catalog.workflows))
        workflows = self.catalog.workflows.values()
        scheduled = sum(known.schedule is not None for known in workflows)
        broken = sum(file.error is not None for file in self.catalog.files.values())
        more = f"; {broken} cannot be imported" if broken else ""
        self._say(f"Serving {self.folder}: {count(len(workflows), 'workflow')}, {scheduled} with a schedule{more}")
        for name, files in self.catalog.doubles().items():
            used = self.catalog.workflows[name].file
            others = ", ".join(file for file in files if file != used)
            self._say(f"Several files have a workflow '{name}': {used} is used, and not {others}")

    # --- Runs

    def _created(self, row: RunRow) -> None:
        handed = self.adopter.handed(row)
        if handed is not None:
            self._give([handed])

    def put_run(self, row: RunRow, plan: str) -> None:
        """Put a run on record, and have it driven."""
        self.store.create_run(row, b64decode(plan))
        self._created(row)

    def _give(self, found: list[Handed]) -> None:
        for handed in found:
            known = self.catalog.workflows.get(handed.workflow)
            if known is not None and known.told["deadline"] is not None and not handed.is_child:
                self.deadlines.watch(handed, handed.due_at + known.told["deadline"])
            self.fleet.give(handed)

    def _late(self, run: Handed, at: float) -> None:
        by = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self._say(f"Run {run.run_id} of {run.workflow} is late: it should have ended by {by}")
        self.fleet.tell_late(run, at)

    def _over(self, run: Handed, message: Message) -> None:
        """A driver has let go of a run."""
        state = message.get("state")
        if message.get("error"):
            self._say(f"Run {run.run_id} of {run.workflow} cannot go on, which is tried again: {message['error']}")
        elif state is not None:
            self._say(f"Run {run.run_id} of {run.workflow}: {state}")
        if run.run_id not in self.fleet.assigned and (state is None or state in ENDED):
            self.adopter.put_off(run.run_id)
        self.scheduler.look_at(run.workflow)

    def _lost(self, runs: list[Handed]) -> None:
        """Their driver has died, or another version is to drive them."""
        self._adopt_at = 0.0

    def _look(self, now: float) -> None:
        """See whether others have written anything."""
        self._look_at = now + LOOK
        changes = self.store.changes()
        if changes != self._seen_changes:
            self._seen_changes = changes
            self._adopt_at = min(self._adopt_at, max(now, self._adopted_at + _DUE))
            self.scheduler.look_at_held()

    def _adopt(self, now: float) -> None:
        self._adopted_at = now
        self._give(self.adopter.find(self.fleet.assigned))
        self._adopt_at = self.adopter.look_again_at

    def _ask_ticks(self, known: Known, after: float) -> None:
        """Ask the code of a workflow for its next instants."""
        after = after if after > 0.0 else self.clock.time()
        answers: list[Message] = []

        def hear(message: Message) -> None:
            answers.append(message)
            if "answer" in message:
                self.scheduler.tell(known.name, at(message["answer"]["times"]))
            elif "fault" in message:
                self._say(f"The timetable of {known.name} cannot be read: {message['fault']['text']}")

        asked = {"role": "ticks", "workflow": known.name, "after": after, "count": TOLD}
        self.ask_code(known, asked, hear, lambda: None if answers else self.scheduler.look_at(known.name, _ASK_AGAIN))

    def ask_code(
        self,
        known: Known,
        asked: Message,
        hear: Callable[[Message], None],
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask something of a workflow's code, in a process of its own."""
        asked = {**asked, "file": known.file, **self._asked}
        self.processes.begin(asked, hear, gone, self.templates.get(known.file))

    # --- The end

    def _drain(self) -> None:
        """Have all drivers end: by letting tasks end, then by asking these to, then against their will. Each step
        follows if somebody asks again, the second also when time is up."""
        reason, heard = self._stopping or "", 1
        if self._drain_timeout > 0.0:
            if going := len(self.fleet.assigned):
                time = duration(self._drain_timeout)
                self._say(f"Stopping ({reason}): what runs of {count(going, 'run')} has {time} to end")
            self.fleet.drain(reason)
            self._await_drivers(heard, self._drain_timeout)
            heard += self._asked_to_stop > heard
        if going := len(self.fleet.assigned):
            self._say(f"Stopping ({reason}), handing over {count(going, 'run')}")
        self.fleet.hand_over(reason)
        self._await_drivers(heard)
        self.fleet.kill()
        self._await_drivers()

    def _await_drivers(self, heard: float = inf, seconds: float = inf) -> None:
        """Until they have ended, time is up, or there are more requests to stop than were heard."""
        until = self.clock.monotonic() + seconds
        while self.fleet.drivers and self._asked_to_stop <= heard and (left := until - self.clock.monotonic()) > 0.0:
            self.loop.turn(min(1.0, left))


def health_of(service: Service) -> dict[str, Any]:
    """What there is to say of a service."""
    try:
        service.store.changes()
        problem = None
    except PenstockError as error:
        problem = str(error)
    files = [*service.catalog.files.values()]  # at once, since others change it
    broken = {file.path: file.error["text"] for file in files if file.error is not None}
    return {
        "problem": problem,
        "folder": service.folder,
        "workflows": len(service.catalog.workflows),
        "files": len(service.catalog.files),
        "broken": broken,
        "drivers": len(service.fleet.drivers),
        "runs": len(service.fleet.assigned),
    }
