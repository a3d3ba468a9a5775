"""kill -9 at every commit point of the reference run, and at random moments; then the run is resumed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import get_ident
from typing import Any

from penstock.store.sqlite import SQLiteStore
from penstock.store.sqlite import writer as sqlite_writer
from penstock.store.sqlite.leases import SQLiteLease
from penstock.store.sqlite.writer import Writer
from tests.faults.campaign import Campaign, Report
from tests.faults.children import Child, in_child, orphans
from tests.faults.driving import Variant, drive, go_on, prepare
from tests.faults.lanes import Lanes, collect
from tests.faults.promise import before_resuming, broken_promises

MOMENTS = ("before", "inside", "between", "after")
"""Of a commit: before its transaction, in it, after it and before the store knows, and after the store has answered."""
VARIANTS = (
    Variant("inline"),
    Variant("threads"),
    Variant("threads", fails=True),
    Variant("threads", durability="process", volatile=False),
    Variant("processes", workers=2, volatile=False),
    Variant("threads", volatile=False, waits=True),
    Variant("inline", volatile=False, waits=True),
)
ALL_POINTS_FROM = 500
"""From how many random kills on all commit points are tried."""
_SPREAD = 5
_RANDOM_MIX = (0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 5, 5, 6)
"""The variants that random kills choose from: those with worker processes take ten times as long as the others."""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# --- In the child that is to be killed


class Killer:
    """Kills this process at its commit of one number, counted from 1; 0 is the making of the schema."""

    def __init__(self, point: int, moment: str) -> None:
        self.commits = 0
        self._point = point
        self._moment = moment
        self._armed: int | None = None
        """The thread that has made the commit, and dies when it has its answer."""
        self._commit = Writer.commit
        self._prepare = vars(sqlite_writer)["prepare"]

    def lie_in_wait(self) -> None:
        """From now on."""

        def commit(writer: Writer, work: Callable[[Any], Any], **how: Any) -> Any:
            return self.commit(writer, work, **how)

        Writer.commit = commit  # type: ignore[method-assign,assignment]
        if self._point == 0:
            vars(sqlite_writer)["prepare"] = self.prepare
        for owner, name in _ANSWERS:
            setattr(owner, name, self.answering(getattr(owner, name)))

    def die_if(self, moment: str) -> None:
        """Die, if this is the moment."""
        if self._moment == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def commit(self, writer: Writer, work: Callable[[Any], Any], **how: Any) -> Any:
        """In the place of the store's own commit."""
        self.commits += 1
        if self.commits != self._point:
            return self._commit(writer, work, **how)

        def work_and_die(db: Any) -> Any:
            given = work(db)
            self.die_if("inside")
            return given

        self.die_if("before")
        given = self._commit(writer, work_and_die, **how)
        self.die_if("between")
        self._armed = get_ident()
        return given

    def prepare(self, *args: Any) -> None:
        """In the place of what makes the schema."""
        self.die_if("before")
        self._prepare(*args)
        self.die_if("inside")

    def answering(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """In the place of a method of the store that commits."""

        def answer(*args: Any, **how: Any) -> Any:
            given = method(*args, **how)
            if self._armed == get_ident():
                self.die_if("after")
            return given

        return answer


_ANSWERS = (
    *((SQLiteStore, name) for name in ("append", "sync", "create_run", "start_run", "acquire", "add_plan", "post")),
    *((SQLiteStore, name) for name in ("set_pool", "claim")),
    (SQLiteLease, "release"),
)
"""What a driver calls that commits."""


def drive_until(folder: str, variant: Variant, point: int, moment: str) -> int:
    """Drive the run to a commit, and no further; how many commits there were, if they were too few."""
    prepare(Path(folder), variant)
    killer = Killer(point, moment)
    killer.lie_in_wait()
    go_on(Path(folder), variant)
    return killer.commits


def finish(folder: str, variant: Variant, adopt: bool) -> list[str]:
    """Resume the run after a kill; what is wrong before and after."""
    place = Path(folder)
    prepare(place, variant)
    with variant.manager(place) as manager:
        found = before_resuming(manager)
    go_on(place, variant, adopt=adopt)
    return [*found, *broken_promises(place, variant)]


# --- In a lane


def count_commits(folder: str, variant: int) -> int:
    """How many commits an undisturbed run takes."""
    ended = in_child(drive_until, folder, VARIANTS[variant], -1, "")
    shutil.rmtree(folder, ignore_errors=True)
    if ended.value is None:
        raise RuntimeError(f"the undisturbed run failed: {ended.error or ended}")
    return int(ended.value)


def at_a_commit(folder: str, variant: int, point: int, moment: str, adopt: bool) -> dict[str, Any]:
    """Kill at a commit, and resume."""
    ended = in_child(drive_until, folder, VARIANTS[variant], point, moment)
    found = [] if ended.was_killed or ended.code == 0 else [f"the run came to no good end: {ended}"]
    return {"hit": ended.was_killed, "violations": found + _resumed(folder, VARIANTS[variant], adopt)}


def at_random(folder: str, variant: int, seed: int) -> dict[str, Any]:
    """Kill one to three times at random moments, and resume."""
    chance = random.Random(seed)
    chosen = VARIANTS[variant]
    lasts = _undisturbed_seconds(str(Path(folder).with_name(f"undisturbed-{os.getpid()}-{variant}")), variant)
    found = []
    kills = 0
    for _ in range(chance.choice((1, 1, 2, 3))):
        child = Child(drive, folder, chosen, False)
        time.sleep(chance.uniform(0, lasts))
        child.kill()
        ended = child.wait()
        kills += ended.was_killed
        if not ended.was_killed and ended.code != 0:
            found.append(f"the run came to no good end: {ended}")
    return {"hit": kills > 0, "violations": found + _resumed(folder, chosen, chance.random() < 0.5)}


def _resumed(folder: str, variant: Variant, adopt: bool) -> list[str]:
    ended = in_child(finish, folder, variant, adopt)
    found = list(ended.value) if ended.value is not None else [f"resuming came to no good end: {ended}"]
    found += [f"a process outlived its driver: {command}" for command in orphans()]
    if not found:
        shutil.rmtree(folder, ignore_errors=True)
    return found


@cache
def _undisturbed_seconds(folder: str, variant: int) -> float:
    return min(_timed(folder, variant) for _ in range(3))


def _timed(folder: str, variant: int) -> float:
    began = time.monotonic()
    ended = in_child(drive, folder, VARIANTS[variant])
    lasted = time.monotonic() - began
    shutil.rmtree(folder, ignore_errors=True)
    if ended.value is None:
        raise RuntimeError(f"the undisturbed run failed: {ended.error or ended}")
    return lasted


# --- The campaign


def run(count: int, seed: int, folder: Path) -> Report:
    """`count` kills at random moments, and one at every commit point, or for small counts at twice as many points."""
    with Lanes() as lanes:
        return _run(lanes, count, seed, folder)


def _run(lanes: Lanes, count: int, seed: int, folder: Path) -> Report:
    report = Report()
    chance = random.Random(seed)
    points = _points(lanes, folder, report, min(len(VARIANTS), 2 * count))
    total = len(points)
    if count < ALL_POINTS_FROM:
        points = chance.sample(points, min(total, 2 * count))
    at_points = [
        {"folder": str(folder / f"point-{number}"), **point, "adopt": chance.random() < 0.5}
        for number, point in enumerate(points)
    ]
    at_moments = [
        {
            "folder": str(folder / f"random-{number}"),
            "variant": chance.choice(_RANDOM_MIX),
            "seed": chance.randrange(1 << 32),
        }
        for number in range(count)
    ]
    killed = Counter(
        {
            kind: collect(report, lanes.spread(f"{__name__}:{kind}", cases), kind)
            for kind, cases in (("at_a_commit", at_points), ("at_random", at_moments))
        }
    )
    report.notes = {
        "commit points": f"{killed['at_a_commit']:,} of {len(points):,} tried, of {total:,}",
        "random": f"{killed['at_random']:,} of {count:,} runs were alive when killed",
    }
    return report


def _points(lanes: Lanes, folder: Path, report: Report, some: int) -> list[dict[str, Any]]:
    """Every commit point with every moment, in so many variants; a few more than an undisturbed run has, since threads
    make their commits in common as it happens."""
    variants = [{"folder": str(folder / f"count-{number}"), "variant": number} for number in range(some)]
    counted: dict[int, int] = {}
    for arguments, commits in lanes.spread(f"{__name__}:count_commits", variants):
        if isinstance(commits, int):
            counted[arguments["variant"]] = commits
        else:
            report.violations.append(f"variant {arguments['variant']}: {commits['raised']}")
    return [
        {"variant": variant, "point": point, "moment": moment}
        for variant in sorted(counted)
        for point in range(counted[variant] + _SPREAD + 1)
        for moment in (MOMENTS if point else MOMENTS[:2])
    ]


CAMPAIGN = Campaign("kills", 5_000, run)
