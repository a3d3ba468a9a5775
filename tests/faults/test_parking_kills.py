"""kill -9 at every commit of a run that is parked and woken again and again; then whoever wakes goes on with it."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from penstock import Workflow, WorkflowManager, task
from penstock.engine.events import AttemptDeferred, AttemptSucceeded
from penstock.runtime.history import ENDED
from penstock.runtime.run_check import check_run
from tests.faults.campaign_kills import MOMENTS, Killer
from tests.faults.children import in_child
from tests.unit.runtime.clocks import TurnedClock

HOUR = 3_600.0
RUN = "parked"
POINTS = 16
"""How many of the commits and moments are tried."""


def note(text: str) -> None:
    """On record, whoever dies."""
    file = os.open("notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{text}\n".encode())
    os.close(file)


def flow() -> Workflow:
    """A sensor that looks once an hour between two plain tasks."""

    @task
    def first() -> int:
        note("first")
        return 1

    @task.sensor(poll_interval=HOUR)
    def look(number: int) -> bool:
        note("look")
        return Path("come").exists()

    @task
    def last(seen: object) -> str:
        note("last")
        return "done"

    with Workflow("flow") as made:
        last(look(first()))
    return made


class Waker:
    """Somebody who goes on with the run when it has something to do, in a process of his own. The date is in a file."""

    def __init__(self, folder: str, executor: str) -> None:
        os.chdir(folder)
        Path(".penstock").mkdir(exist_ok=True)
        self.manager = WorkflowManager(executor=executor, workers=2, observers=[])
        self.clock = TurnedClock()
        self.manager._clock = self.clock
        self.manager._new_id = lambda: RUN  # type: ignore[method-assign]
        self.clock.turned = float(Path("hours").read_text()) * HOUR if Path("hours").exists() else 0.0

    def an_hour_passes(self) -> None:
        self.clock.turned += HOUR + 1
        Path("hours").write_text(str(self.clock.turned / HOUR))

    def begin(self) -> str:
        return self.manager.run(flow(), park=True).state

    def wake(self) -> list[str]:
        """What is due, or has lost its driver, goes on."""
        found = [*self.manager.unheld(), *self.manager.due()]
        return [self.manager.resume(run.id, flow(), adopt=True, park=True).state for run in found]


def course(folder: str, executor: str, point: int, moment: str) -> int:
    """The whole course, or as far as the commit at which it is killed; how many commits there were."""
    killer = Killer(point, moment)
    killer.lie_in_wait()
    waker = Waker(folder, executor)
    assert waker.begin() == "waiting"
    waker.an_hour_passes()
    assert waker.wake() == ["waiting"]
    waker.an_hour_passes()
    Path("come").touch()
    assert waker.wake() == ["success"]
    return killer.commits


def finish(folder: str, executor: str) -> dict[str, Any]:
    """Wake the run until it has ended; what was seen of it."""
    waker = Waker(folder, executor)
    manager = waker.manager
    if not manager.runs():
        waker.begin()  # it was killed before there was a run
    store = manager.parts.store
    before = store.run(RUN)
    seen: dict[str, Any] = {"before": len(notes())}
    if before.state == "waiting" and before.wake_at is not None and before.wake_at > waker.clock.time():
        seen["early"] = waker.wake()  # its time has not come
        seen["after early"] = len(notes()) - seen["before"]
    Path("come").touch()
    for _ in range(3):
        if store.run(RUN).state in ENDED:
            break
        waker.wake()
        waker.an_hour_passes()
    seen["state"] = store.run(RUN).state
    found = check_run(store, RUN)
    assert found is not None
    seen["problems"] = found.problems
    events = [event for _, events in store.read(RUN) for event in events]
    seen["outcomes"] = sum(isinstance(event, (AttemptSucceeded, AttemptDeferred)) for event in events)
    seen["again"] = waker.wake()
    return seen


def notes() -> list[str]:
    path = Path("notes")
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_nothing_is_lost_and_nothing_done_twice(executor: str, tmp_path: Path) -> None:
    commits = in_child(course, folder_in(tmp_path, "undisturbed"), executor, -1, "")
    assert isinstance(commits.value, int), str(commits)
    points = [(point, moment) for point in range(1, commits.value + 2) for moment in MOMENTS]
    killed = 0
    for point, moment in random.Random(executor).sample(points, min(len(points), POINTS)):
        folder = folder_in(tmp_path, f"{point}-{moment}")
        ended = in_child(course, folder, executor, point, moment)
        assert ended.was_killed or ended.code == 0, str(ended)
        killed += ended.was_killed
        done = in_child(finish, folder, executor)
        assert done.value is not None, str(done)
        where, seen = f"{point} {moment}", done.value
        os.chdir(folder)
        assert seen["state"] == "success", where
        assert seen["problems"] == [], where
        assert seen["again"] == [], where
        assert not seen.get("early"), where
        assert not seen.get("after early"), where
        # What has an outcome on record has run once; what was killed with its process has run once more.
        assert seen["outcomes"] <= len(notes()) <= seen["outcomes"] + ended.was_killed, (where, notes())
        assert notes().count("last") - ended.was_killed <= 1, where
    assert killed > POINTS * 0.7


def folder_in(tmp_path: Path, name: str) -> str:
    folder = tmp_path / name
    folder.mkdir()
    return str(folder)
