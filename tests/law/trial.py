"""One random workflow, played in random orders and judged by the law."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from penstock.errors import PenstockError
from penstock.plan.plan import Plan
from tests.law.disturbed import CANCEL, FAIL_FAST, TIMEOUT, Disturbance, complaints
from tests.law.law import F, Law, Outcome, failure_counts
from tests.law.play import Play, Trouble
from tests.law.watch import Watch

MOST_STEPS = 4_000
STOP = "stop"
WEIGHTS = (57, 13, 7, 9, 4, 7, 3)


@dataclass(frozen=True)
class Way:
    """How a run is played: in which order, and what happens to it besides."""

    seed: int
    watched: bool = False
    """It is looked at after every event."""
    thorough: bool = False
    """And for who waits without need."""
    haste: float = 0.0
    """How likely each step is followed by the next mishap."""
    mishaps: tuple[str, ...] = ()


def draw_way(random: Random) -> Way:
    """Some way to play a run."""
    watched = random.random() < 0.15
    thorough = watched and random.random() < 0.4
    ways = random.choices(
        ((), (STOP,), (STOP, STOP), (CANCEL,), (CANCEL, CANCEL), (TIMEOUT,), (CANCEL, STOP)), WEIGHTS
    )[0]
    haste = random.choice((0.03, 0.1, 0.3))
    return Way(random.getrandbits(32), watched, thorough, haste, tuple(random.sample(ways, len(ways))))


def play_and_judge(plan: Plan, law: Law, way: Way) -> list[str]:
    """What is wrong with a run that is played so."""
    play = Play(plan, law.graph, law.bodies, way.seed)
    watch = Watch(play, thorough=way.thorough)
    if way.watched:
        play.watch = watch
    play.loses = STOP not in way.mishaps
    try:
        _drive(play, way)
    except (PenstockError, Trouble, AssertionError, LookupError, TypeError, ValueError) as error:
        return [f"{type(error).__name__}: {error}", *watch.found]
    return [*watch.found, *judge_end(law, play)]


def _drive(play: Play, way: Way) -> None:
    mishaps = [*way.mishaps]
    play.begin()
    for _ in range(MOST_STEPS):
        if play.verdict:
            return
        if mishaps and play.random.random() < way.haste:
            _happen(play, mishaps.pop())
        else:
            play.step()
    raise Trouble("the run does not end")


def _happen(play: Play, mishap: str) -> None:
    if mishap == CANCEL:
        play.cancel()
    elif mishap == TIMEOUT:
        play.time_out()
    else:
        play.stop(orderly=play.random.random() < 0.6)
        if not play.verdict:
            play.resume()


def judge_end(law: Law, play: Play) -> list[str]:
    """What is unlawful about the end of a run."""
    end = play.outcome()
    if left_over := play.left_over():
        return left_over
    disturbance = play.disturbance
    if disturbance is None and law.flow.fail_fast and _has_failed(law, end):
        disturbance = Disturbance(FAIL_FAST, {**play.ended()}, {})
    if disturbance is not None:
        return [
            *complaints(Law(law.flow, law.bodies, rounds=play.rounds), end, disturbance),
            *_too_many_rounds(law, play),
        ]
    return differences(law.outcome(), end)


def _too_many_rounds(law: Law, play: Play) -> list[str]:
    """Which groups began anew more often than they would have in a run that nobody disturbed."""
    found = []
    for (group, index), rounds in play.rounds.items():
        outermost = not any(law.graph.groups[around].retries for around in law.graph.groups_above(group))
        if outermost and rounds > law.last_round(group, index, ()):
            found.append(f"group {group} of index {index} begins anew {rounds} times")
    return found


def _has_failed(law: Law, end: Outcome) -> bool:
    failed = [row for (row, _), state in end.states.items() if state == F]
    failed += [row for row, state in end.maps.items() if state == F]
    return any(failure_counts(law.graph, row) for row in failed)


def differences(lawful: Outcome, end: Outcome) -> list[str]:
    """Where an undisturbed run ended otherwise than it should."""
    found = []
    for what, wanted, got in (("task", lawful.states, end.states), ("map", lawful.maps, end.maps)):
        for key in [*wanted, *(key for key in got if key not in wanted)]:
            if wanted.get(key) != got.get(key):
                found.append(f"{what} {key} is {got.get(key)}, and should be {wanted.get(key)}")
    if lawful.verdict != end.verdict:
        found.append(f"the run is {end.verdict}, and should be {lawful.verdict}")
    return found
