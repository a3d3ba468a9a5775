"""Threads of many simulated processes in one thread of the operating system, in virtual time, in an order drawn from a
seed.

Each simulated thread is a greenlet. One runs until it comes to a point where others may run: a lock, a sleep, a call of
a simulated part. Then a generator of random numbers says who goes on. Every step takes a little time; where nobody can
go on, time jumps to the next moment at which somebody can.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

STEP = 0.000_01
"""Seconds that pass, on average, between two points at which others may run."""
GLANCE = 0.25
"""How much less likely it is that others run between two statements than between two steps."""
SPINS = 2_000
"""Steps without a wait after which a thread is said to do nothing else."""


class Killed(BaseException):
    """Ends the threads of a process that died. What they still try to do on their way out does not happen."""


class Process:
    """Threads that live and die together."""

    def __init__(self, scheduler: Scheduler, name: str, *, pid: int = 0, host: str = "here") -> None:
        self.scheduler = scheduler
        self.name = name
        self.pid = pid
        self.host = host
        self.alive = True
        self.paused = False
        self.paused_at = 0.0
        self.threads: dict[SimThread, None] = {}
        self.parked: list[SimThread] = []
        """Those that could run if the process were not paused."""
        self.fuse: tuple[int, Callable[[], None]] | None = None
        """What happens to the process after so many more steps."""

    def start(self, target: Callable[[], None], name: str) -> SimThread:
        """Run `target` in a new thread."""
        return self.scheduler.start(self, target, name)

    def kill(self) -> None:
        """All threads end where they are. The caller too, if it is one of them: then this does not return."""
        if not self.alive:
            return
        self.alive = False
        self.scheduler.bury(self)

    def pause(self) -> None:
        """No thread goes on until `go_on`. A thread that pauses its own process stops at its next step."""
        if not self.paused:
            self.paused, self.paused_at = True, self.scheduler.now

    def go_on(self) -> None:
        """Let the threads go on."""
        self.paused = False
        self.scheduler.runnable += self.parked
        self.parked = []

    def light_fuse(self, steps: int, action: Callable[[], None]) -> None:
        """Do something to this process when it has made so many more steps, wherever it is then."""
        self.fuse = steps, action

    def burn(self) -> None:
        """One step of a thread of this process."""
        if self.fuse is not None:
            left, action = self.fuse
            self.fuse = (left - 1, action) if left > 1 else None
            if left <= 1:
                action()


class SimThread:
    """One thread. `ticket` counts its waits, so that what was to end one of them does not end a later one."""

    __slots__ = ("busy", "failure", "greenlet", "joiners", "name", "over", "process", "rung", "ticket", "waiting")

    def __init__(self, process: Process, name: str) -> None:
        self.process = process
        self.name = name
        self.over = False
        self.busy = 0
        """Steps since it last waited."""
        self.waiting = False
        self.rung = False
        self.ticket = 0
        self.joiners: list[SimThread] = []
        self.failure: BaseException | None = None
        self.greenlet: Any = None

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end."""
        scheduler = self.process.scheduler
        scheduler.step()
        deadline = None if timeout is None else scheduler.now + timeout
        while not self.over:
            left = None if deadline is None else deadline - scheduler.now
            if left is not None and left <= 0:
                return
            scheduler.wait(left, self.joiners)

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return not self.over


class Scheduler:
    """See the module's text. `eagerness` is the chance that others run at a point where they may."""

    def __init__(self, random: Random, *, eagerness: float = 1.0) -> None:
        self.random = random
        self.eagerness = eagerness
        self.now = 0.0
        self.steps = 0
        self.switches = 0
        self.runnable: list[SimThread] = []
        self.thread: SimThread | None = None
        """The one that runs now; None for code that calls simulated parts from outside of any."""
        self.failures: list[str] = []
        """Threads that ended with an exception nobody caught."""
        self._hub = getcurrent()
        self._alarms: list[tuple[float, int, SimThread | Callable[[], None], int]] = []
        self._order = 0
        self._dying: deque[Process] = deque()

    # --- For whoever runs the simulation

    def run(self, done: Callable[[], bool], *, until: Callable[[], float], most_steps: int) -> str | None:
        """Let the threads run until `done`. Why they did not come that far, or None."""
        self._hub = getcurrent()
        while not done():
            self._bury_the_dead()
            if not self._run_one():
                return "everybody waits for somebody else"
            if self.now > until():
                return f"it is not done after {self.now:,.0f} simulated seconds"
            if self.steps > most_steps:
                return f"it is not done after {most_steps:,} steps"
        return None

    def end(self, processes: list[Process]) -> None:
        """Take down whatever is left."""
        for process in processes:
            process.kill()
        self._bury_the_dead()

    # --- For simulated parts

    def start(self, process: Process, target: Callable[[], None], name: str) -> SimThread:
        """A new thread, which may run from now on."""
        if not process.alive:
            raise Killed
        thread = SimThread(process, name)
        thread.greenlet = greenlet(lambda: self._main(thread, target), self._hub)
        process.threads[thread] = None
        self.runnable.append(thread)
        return thread

    def step(self) -> None:
        """A point at which others may run."""
        thread = self.thread
        if thread is None:
            return
        process = thread.process
        if not process.alive:
            raise Killed
        self.steps += 1
        thread.busy += 1
        if thread.busy == SPINS:
            self.failures.append(f"thread {process.name}/{thread.name} goes round and round")
        chance = self.random.random()
        self.now += STEP * 2 * chance
        if process.fuse is not None:
            process.burn()
        if process.paused or chance < self.eagerness:
            self.runnable.append(thread)
            self._leave(thread)

    def glance(self) -> None:
        """A point at which others might run, of which there are very many."""
        thread = self.thread
        if thread is not None and self.random.random() < self.eagerness * GLANCE:
            if not thread.process.alive:
                raise Killed
            self.runnable.append(thread)
            self._leave(thread)

    def wait(self, timeout: float | None = None, queue: list[SimThread] | None = None) -> bool:
        """Do not go on until woken, by somebody who finds the caller in `queue`; False if `timeout` seconds passed
        first."""
        thread = self.thread or self._visitor()
        if not thread.process.alive:
            raise Killed
        thread.busy = 0
        thread.ticket += 1
        thread.waiting = True
        thread.rung = False
        if timeout is not None:
            self._alarm(max(0.0, timeout), thread, thread.ticket)
        if queue is not None:
            queue.append(thread)
        try:
            if self.thread is None:
                self._wait_outside(thread)
            else:
                self._leave(thread)
        finally:
            if queue is not None and thread in queue:
                queue.remove(thread)
        return not thread.rung

    def wake(self, thread: SimThread) -> None:
        """End the wait of a thread, if it waits."""
        if thread.waiting:
            thread.waiting = False
            self.runnable.append(thread)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something, quick and without waiting, in so many seconds."""
        self._alarm(seconds, action, 0)

    def bury(self, process: Process) -> None:
        """End the threads of a process that has just died."""
        self._dying.append(process)
        if self.thread is not None and self.thread.process is process and getcurrent() is not self._hub:
            raise Killed

    # --- Within

    def _main(self, thread: SimThread, target: Callable[[], None]) -> None:
        self.thread = thread
        try:
            target()
        except Killed:
            pass
        except BaseException as error:
            thread.failure = error
            if thread.process.alive:
                text = "".join(traceback.format_exception(error))
                self.failures.append(f"thread {thread.process.name}/{thread.name} ended with {text}")
        thread.over = True
        thread.process.threads.pop(thread, None)
        for joiner in thread.joiners:
            self.wake(joiner)

    def _leave(self, thread: SimThread) -> None:
        self._hub.switch()  # which comes back when the thread is chosen
        self.thread = thread
        if not thread.process.alive:
            raise Killed

    def _visitor(self) -> SimThread:
        thread = SimThread(Process(self, "outside"), "outside")
        thread.greenlet = self._hub
        return thread

    def _wait_outside(self, thread: SimThread) -> None:
        """The caller is no simulated thread: let those run until it is woken."""
        while thread.waiting:
            assert self._run_one(), "nobody is left who could end this wait"
            self.thread = None
        if thread in self.runnable:
            self.runnable.remove(thread)

    def _run_one(self) -> bool:
        alarms, runnable = self._alarms, self.runnable
        while True:
            while alarms and alarms[0][0] <= self.now:
                self._ring(*heappop(alarms)[2:])
            if runnable:
                place = int(self.random.random() * len(runnable))
                thread = runnable[place]
                runnable[place] = runnable[-1]
                runnable.pop()
                if thread.process.paused:
                    thread.process.parked.append(thread)
                    continue
                self.switches += 1
                thread.greenlet.switch()
                return True
            if not alarms:
                return False
            self.now = alarms[0][0]

    def _ring(self, what: SimThread | Callable[[], None], ticket: int) -> None:
        if not isinstance(what, SimThread):
            what()
        elif what.waiting and what.ticket == ticket:
            what.rung = True
            self.wake(what)

    def _alarm(self, seconds: float, what: SimThread | Callable[[], None], ticket: int) -> None:
        self._order += 1
        heappush(self._alarms, (self.now + seconds, self._order, what, ticket))

    def _bury_the_dead(self) -> None:
        while self._dying:
            process = self._dying.popleft()
            self.runnable = [thread for thread in self.runnable if thread.process is not process]
            process.parked = []
            for thread in list(process.threads):
                thread.over = True
                if thread.greenlet:  # it has begun
                    self.thread = thread
                    thread.greenlet.throw(Killed)
                    assert thread.greenlet.dead, f"{process.name}/{thread.name} outlives its process"
            process.threads.clear()


class SimLock:
    """A lock like `threading.Lock()`."""

    __slots__ = ("_held", "_scheduler", "_waiters")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._held = False
        self._waiters: list[SimThread] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock. Whoever comes just as it is released may be faster than those who wait."""
        scheduler = self._scheduler
        scheduler.step()
        if not self._held:
            self._held = True
            return True
        if not blocking:
            return False
        deadline = None if timeout < 0 else scheduler.now + timeout
        while self._held:
            left = None if deadline is None else deadline - scheduler.now
            if left is not None and left <= 0:
                return False
            scheduler.wait(left, self._waiters)
        self._held = True
        return True

    def release(self) -> None:
        """Let the lock go. RuntimeError if nobody holds it."""
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False
        if self._waiters:
            place = int(self._scheduler.random.random() * len(self._waiters))
            self._scheduler.wake(self._waiters[place])
        self._scheduler.step()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


class SimClock:
    """What the driver takes from the world besides its parts, as one process sees it; see `penstock.clock`.

    `wall` gives the seconds to add to virtual time, which may jump.
    """

    def __init__(self, process: Process, wall: Callable[[], float]) -> None:
        self._process = process
        self._scheduler = process.scheduler
        self._wall = wall
        self._booted = 1000.0 * (1.0 + process.scheduler.random.random())

    def time(self) -> float:
        """Seconds since 1970."""
        return self._scheduler.now + self._wall()

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self._scheduler.now + self._booted

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        self._scheduler.step()
        self._scheduler.wait(seconds)

    def lock(self) -> SimLock:
        """A lock."""
        return SimLock(self._scheduler)

    def start(self, target: Callable[[], None], name: str) -> SimThread:
        """Another thread of this process."""
        self._scheduler.step()
        return self._process.start(target, name)
