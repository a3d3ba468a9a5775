"""What goes wrong in a simulated world, and what people do in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.policy import RUN_ENDS
from tests.simulation.database import Kind
from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.world import World

DAY = 86_400.0
JUMPS = (-3650 * DAY, -DAY, -3600.0, -60.0, -1.0, 1.0, 60.0, 3600.0, DAY, 3650 * DAY)
"""Seconds by which clocks are set."""
KEEPALIVE = 40.0
"""Seconds after which a server gives up a connection whose other end is silent."""
MOST_RUNS = 4
BOUND = 600.0
"""Seconds within which every run has ended once nothing goes wrong any more."""


class Nature:
    """Draws what goes wrong from the world's seed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = world.random
        self.calm = False
        self.begun = 0
        self._faults = world.scenario.faults

    def main(self) -> None:
        """First trouble, then calm, till every run has ended."""
        world, scenario = self.world, self.world.scenario
        for _ in range(scenario.runs):
            self._begin()
        incidents = sorted(name for name in scenario.faults if hasattr(self, f"_{name}"))
        for _ in range(scenario.incidents if incidents else 0):
            self._sleep(self.random.expovariate(1.0) * scenario.tempo)
            self._keep_busy()
            getattr(self, f"_{self.random.choice(incidents)}")()
        if incidents:
            self._sleep(self.random.random() * 5 * scenario.tempo)
        self._calm_down()
        while not self._all_over():
            for _ in range(self.random.choice((1, 1, 2, 3))):
                if any(self._is_open(run_id) for run_id in world.database.records):
                    world.launch("adopter", Host.adopt_all)
            if "jump" in self._faults and self._is_parked():
                world.launch("waker", Host.wake_all)
            self._answer()
            self._sleep(5.0)
        world.over = True

    def _begin(self) -> None:
        """Somebody starts another run."""
        run_id = f"run-{self.begun}"
        self.begun += 1
        self._attract(self.world.launch("user", lambda host: host.begin(run_id)))

    def _keep_busy(self) -> None:
        """Where nobody is at work, somebody goes to work."""
        if self._somebody() is not None:
            return
        records = self.world.database.records
        if "adopt" in self._faults and any(self._is_open(run_id) for run_id in records):
            self._adopt()
        elif self.begun < MOST_RUNS:
            self._begin()

    def _attract(self, host: Host) -> None:
        """Now and then, something happens to a process just after it began."""
        faults = [fault for fault in (self._crash, self._power, self._pause) if fault.__name__[1:] in self._faults]
        if faults and self.random.random() < 0.4:
            self.random.choice(faults)(host)

    # --- The end of trouble

    def _calm_down(self) -> None:
        world = self.world
        self.calm = True
        world.bound = world.scheduler.now + BOUND * len(world.scenario.works) ** 2
        world.note("nature", "calms down", "")
        world.weather.clear_up()
        world.value_failures = 0.0
        world.database.up = True
        for host in world.hosts:
            host.results.failing = 0.0
            host.store.reachable = True
            host.process.fuse = None
            if host.process.paused:
                host.process.go_on()

    def _answer(self) -> None:
        """Whoever was to send something may have died before: somebody else does."""
        for run_id in self.world.database.records:
            for topic in sorted({*self.world.referee.reading(run_id).engine.topics.values()}):
                if not topic.startswith(RUN_ENDS):
                    self.world.send_soon(run_id, topic)

    def _is_open(self, run_id: str) -> bool:
        record = self.world.database.records[run_id]
        unfinished = record.row.state in ("queued", "running", "waiting") or record.row.undelivered > 0
        return unfinished and not self.world.database.is_held(record)

    def _is_parked(self) -> bool:
        return any(record.row.state == "waiting" for record in self.world.database.records.values())

    def _all_over(self) -> bool:
        """Whether every run has ended, and nobody is at work any more."""
        database = self.world.database
        return not any(host.process.alive for host in self.world.hosts) and all(
            record.row.state not in ("queued", "running", "waiting") and not record.row.undelivered
            for record in database.records.values()
        )

    # --- Incidents

    def _crash(self, host: Host | None = None) -> None:
        host = host or self._somebody()
        if host is not None:
            self._soon(host, "is killed", lambda: self.world.kill(host))
            self._adopt_later()

    def _power(self, host: Host | None = None) -> None:
        host = host or self._somebody()
        if host is not None:
            self._soon(host, "loses power", lambda: self._cut_power(host))
            self._adopt_later()

    def _cut_power(self, host: Host) -> None:
        """The whole machine is dead. Where the database is on a server, that does not learn of it at once."""
        world = self.world
        server = world.scenario.kind is Kind.SERVER
        machine = [other for other in world.hosts if not server or other.process.host == host.process.host]
        if not server:
            world.database.cut_power()
        for other in [*(other for other in machine if other is not host), host]:
            if other.process.alive:
                if server:
                    other.store.vanish(self.random.random() * KEEPALIVE)
                world.kill(other)

    def _pause(self, host: Host | None = None) -> None:
        host = host or self._somebody()
        if host is not None:
            seconds = self._length(1.0, 10.0, 100.0)
            self._soon(host, "is stopped", lambda: self._stop_for(host, seconds))

    def _stop_for(self, host: Host, seconds: float) -> None:
        """Where it has a connection, that may break meanwhile: then the run may be taken from it."""
        host.process.pause()
        if "cut" in self._faults and self.random.random() < 0.7:
            lease = self.world.scenario.lease
            seconds = max(seconds, lease * (1.0 + 2 * self.random.random()))
            self.world.scheduler.after(lease * self.random.random() * 0.5, host.store.cut_session)
            self.world.scheduler.after(lease * (1.0 + self.random.random()), self._adopt_now)

        def go_on() -> None:
            if host.process.alive and host.process.paused:
                self.world.note(host, "goes on", "")
                host.process.go_on()

        self.world.scheduler.after(seconds, go_on)

    def _jump(self) -> None:
        seconds = self.random.choice(JUMPS)
        if self.world.scenario.kind is Kind.SERVER and self.random.random() < 0.5:
            self.world.server_wall += seconds
            self.world.note("nature", "sets", f"the server's clock by {seconds:+,.0f} s")
        else:
            self.world.wall += seconds
            self.world.note("nature", "sets", f"the clocks by {seconds:+,.0f} s")

    def _disk(self) -> None:
        weather = self.world.weather
        if self.random.random() < 0.5:
            weather.refuses = self.random.choice((0.2, 0.7, 1.0))
        else:
            weather.doubts = self.random.choice((0.2, 0.7, 1.0))
        self._for_a_while("writes fail", weather.clear_up)

    def _blind(self) -> None:
        weather = self.world.weather
        weather.unreadable = self.random.choice((0.2, 0.7, 1.0))
        self._for_a_while("reads fail", weather.clear_up)

    def _stall(self) -> None:
        weather = self.world.weather
        weather.latency = max(weather.latency, 0.001)
        weather.stalls = self.random.choice((0.02, 0.3, 1.0))
        self._for_a_while("writes take long", weather.clear_up)

    def _values(self) -> None:
        world = self.world
        chance = world.value_failures = self.random.choice((0.3, 1.0))
        for host in world.hosts:
            host.results.failing = chance

        def end() -> None:
            world.value_failures = 0.0
            for host in world.hosts:
                host.results.failing = 0.0

        self._for_a_while("values fail", end)

    def _wakes(self) -> None:
        self.world.weather.losses = self.world.weather.noise = self.random.choice((0.3, 1.0))

    def _cut(self) -> None:
        world, host = self.world, self._somebody()
        what = self.random.choice(("session", "session", "server", "network"))
        if what == "server":
            world.database.up = False
            for other in world.hosts:
                other.store.cut_session()
            self._for_a_while("the server is down", lambda: setattr(world.database, "up", True))
        elif host is not None and what == "session":
            self._soon(host, "is cut off", host.store.cut_session)
        elif host is not None:
            host.store.reachable = False
            world.scheduler.after(self.random.random() * KEEPALIVE, host.store.cut_session)
            self._for_a_while(f"{host.process.name} is alone", lambda: setattr(host.store, "reachable", True))

    def _adopt_later(self) -> None:
        """Where people adopt what nobody drives, they do so when a driver died."""
        if "adopt" in self._faults:
            for _ in range(self.random.choice((1, 1, 2))):
                self.world.scheduler.after(self.random.expovariate(0.3) * self.world.scenario.tempo, self._adopt_now)

    def _adopt_now(self) -> None:
        if not self.calm:
            self._adopt()

    # --- People

    def _cancel(self) -> None:
        run_id = self._run()
        self.world.launch("user", lambda host: host.cancel(run_id))

    def _resume(self) -> None:
        run_id = self._run()
        self.world.launch("user", lambda host: host.resume(run_id))

    def _rerun(self) -> None:
        run_id = f"run-{self.random.randrange(self.begun)}"
        self.world.launch("user", lambda host: host.rerun(run_id))

    def _change(self) -> None:
        self.world.note("nature", "changes", "the workflow")
        self.world.changed = True

    def _adopt(self) -> None:
        for _ in range(self.random.choice((1, 1, 2))):
            self._attract(self.world.launch("adopter", Host.adopt_all))

    def _stop(self) -> None:
        host = self._somebody()
        if host is not None and host.executor is not None:
            self.world.note(host, "is asked", "to stop")
            host.stop()

    # --- Within

    def _run(self) -> str:
        """One that was begun, or one that a task of one is."""
        children = [id for id, record in self.world.database.records.items() if record.row.parent is not None]
        if children and self.random.random() < 0.3:
            return self.random.choice(children)
        return f"run-{self.random.randrange(self.begun)}"

    def _somebody(self) -> Host | None:
        living = [host for host in self.world.hosts if host.process.alive]
        return self.random.choice(living) if living else None

    def _soon(self, host: Host, what: str, action: Callable[[], None]) -> None:
        """Do something to a process, now or in the middle of what it does next."""

        def act() -> None:
            self.world.note(host, what, "")
            action()

        if self.random.random() < 0.3:
            act()
        else:
            host.process.light_fuse(int(2 ** (self.random.random() * 9)), act)

    def _length(self, *tempi: float) -> float:
        """For how long something lasts; now and then longer than anybody has patience for."""
        if self.random.random() < 0.1:
            return 90.0 * self.random.random()
        return self.random.choice(tempi) * self.world.scenario.tempo * self.random.random() * 2

    def _for_a_while(self, what: str, end: Callable[[], None]) -> None:
        world = self.world
        length = self._length(0.3, 1.0, 5.0)
        world.note("nature", "", f"{what} for {length:.3f} s")

        def stop() -> None:
            if not self.calm:
                world.note("nature", "", f"no more: {what}")
                end()

        world.scheduler.after(length, stop)

    def _sleep(self, seconds: float) -> None:
        self.world.scheduler.step()
        if seconds > 0:
            self.world.scheduler.wait(seconds)
