"""What is decided about ticks: each once, whenever and however often somebody asks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Workflow
from penstock.timetable import Continuous, Cron, Every, Once, Schedule, Tick, Union, schedule_of
from penstock.timetable.base import MOMENT
from penstock.timetable.bounds import Bounded
from penstock.timetable.due import ON_TIME, Decision, Missed, decide, first_cursor, pinned, settle
from tests.unit.timetable.drawn import moments, schedules


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hourly(catchup: Any, runs: int = 16) -> Schedule:
    return Schedule("flow", Every(3600), catchup=catchup, max_active_runs=runs)


def tick(start: str, end: str) -> Tick:
    return Tick(utc(end), utc(start), utc(end))


NOON = utc("2026-03-01 12:00")
LATER = utc("2026-03-01 15:30")


# --- The policies


@pytest.mark.parametrize("catchup", ["all", "latest", "none"])
def test_nothing_is_decided_before_its_time(catchup: str) -> None:
    almost = utc("2026-03-01 13:00") - MOMENT
    assert decide(hourly(catchup), NOON, almost, 0) == Decision((), (), NOON, utc("2026-03-01 13:00"))


@pytest.mark.parametrize("catchup", ["all", "latest", "none"])
def test_a_tick_gets_its_run_when_it_is_due(catchup: str) -> None:
    due = tick("2026-03-01 12:00", "2026-03-01 13:00")
    decision = decide(hourly(catchup), NOON, due.at, 0)
    assert decision == Decision((due,), (), due.at, utc("2026-03-01 14:00"))
    assert decide(hourly(catchup), decision.upto, due.at, 1) == Decision((), (), due.at, utc("2026-03-01 14:00"))


def test_all_that_were_missed_get_their_runs_oldest_first() -> None:
    decision = decide(hourly("all"), NOON, LATER, 0)
    assert [one.at.hour for one in decision.created] == [13, 14, 15]
    assert (decision.missed, decision.wake_at, decision.held) == ((), utc("2026-03-01 16:00"), False)


def test_as_many_as_there_is_room_for() -> None:
    decision = decide(hourly("all", runs=3), NOON, LATER, 1)
    assert [one.at.hour for one in decision.created] == [13, 14]
    assert (decision.upto.hour, decision.wake_at, decision.held) == (14, None, True)
    assert [one.at.hour for one in decide(hourly("all", runs=3), decision.upto, LATER, 2).created] == [15]
    full = decide(hourly("all", runs=3), decision.upto, LATER, 3)
    assert full == Decision((), (), decision.upto, None, held=True)
    assert decide(hourly("all", runs=3), decision.upto, LATER, 99) == full


def test_the_latest_stands_for_all_that_were_missed() -> None:
    newest = tick("2026-03-01 12:00", "2026-03-01 15:00")
    missed = Missed(utc("2026-03-01 13:00"), utc("2026-03-01 14:00"), 2, "collapsed", newest)
    decision = decide(hourly("latest"), NOON, LATER, 0)
    assert decision == Decision((newest,), (missed,), newest.at, utc("2026-03-01 16:00"))


def test_one_that_is_due_this_very_moment_is_the_latest() -> None:
    decision = decide(hourly("latest"), NOON, utc("2026-03-01 14:00"), 0)
    assert decision.created == (tick("2026-03-01 12:00", "2026-03-01 14:00"),)
    assert decision.missed[0].count == 1


def test_where_there_is_no_room_they_wait_and_are_one_in_the_end() -> None:
    assert decide(hourly("latest", 1), NOON, LATER, 1) == Decision((), (), NOON, None, held=True)
    assert decide(hourly("latest", 1), NOON, LATER, 0).created == (tick("2026-03-01 12:00", "2026-03-01 15:00"),)


def test_what_is_late_is_skipped_and_the_next_one_runs() -> None:
    missed = Missed(utc("2026-03-01 13:00"), utc("2026-03-01 15:00"), 3, "skipped", None)
    decision = decide(hourly("none"), NOON, LATER, 0)
    assert decision == Decision((), (missed,), missed.last, utc("2026-03-01 16:00"))
    due = tick("2026-03-01 15:00", "2026-03-01 16:00")
    assert decide(hourly("none"), decision.upto, due.at + ON_TIME, 0).created == (due,)
    assert decide(hourly("none"), decision.upto, due.at + ON_TIME + MOMENT, 0).missed[0].count == 1


def test_one_for_which_there_is_no_room_is_skipped_when_it_is_late() -> None:
    one = utc("2026-03-01 13:00")
    held = decide(hourly("none", 1), NOON, one, 1)
    assert held == Decision((), (), NOON, one + ON_TIME + MOMENT, held=True)
    assert held.wake_at is not None
    late = decide(hourly("none", 1), NOON, held.wake_at, 1)
    assert late.missed == (Missed(one, one, 1, "skipped", None),)


def test_a_clock_that_goes_back_decides_nothing_again() -> None:
    for catchup in ("all", "latest", "none"):
        assert decide(hourly(catchup), LATER, NOON, 0) == Decision((), (), LATER, utc("2026-03-01 16:00"))


@pytest.mark.parametrize("catchup", ["latest", "none"])
def test_a_year_of_missed_seconds_is_one_range(catchup: str) -> None:
    schedule = Schedule("flow", Cron("* * * * * *", "Europe/Berlin"), "UTC", catchup, 99)  # type: ignore[arg-type]
    decision = decide(schedule, utc("2025-03-01 00:00"), utc("2026-03-01 00:00"), 0)
    (missed,) = decision.missed
    assert missed.count + len(decision.created) == 365 * 86_400
    assert missed.first == utc("2025-03-01 00:00:01")


def test_a_hundred_years_of_missed_seconds_give_as_many_runs_as_there_is_room_for() -> None:
    schedule = Schedule("flow", Every(1), catchup="all", max_active_runs=2)
    assert len(decide(schedule, utc("1926-03-01"), utc("2026-03-01"), 0).created) == 2


# --- What names no times


def test_a_continuous_one_is_due_when_no_run_is_active() -> None:
    schedule = Schedule("flow", Continuous())
    assert decide(schedule, NOON, LATER, 1) == Decision((), (), NOON, None, held=True)
    assert decide(schedule, NOON, LATER, 0) == Decision((Tick(LATER, NOON, LATER),), (), LATER, None)
    again = decide(schedule, LATER, LATER, 0)
    assert again.upto == LATER + MOMENT


def test_a_continuous_one_has_a_start_and_an_end() -> None:
    schedule = Schedule("flow", Bounded(Continuous(), NOON, LATER))
    assert decide(schedule, NOON - MOMENT, NOON - 2 * MOMENT, 0) == Decision(
        (), (), NOON - MOMENT, None, held=False
    ) or (decide(schedule, NOON - 2 * MOMENT, NOON - 3 * MOMENT, 0).wake_at == NOON)
    assert decide(schedule, NOON, LATER, 0).created
    assert decide(schedule, LATER, LATER + MOMENT, 0) == Decision((), (), LATER, None)


def test_once_is_pinned_to_the_moment_when_it_is_seen_first() -> None:
    first = pinned(Once(), None, NOON)
    assert pinned(Once(), first, LATER) == first
    bounded = pinned(Bounded(Once(), None, LATER), None, NOON)
    assert pinned(Bounded(Once(), None, LATER), bounded, LATER) == bounded
    assert bounded.next(NOON) == first.next(NOON)
    assert pinned(Every(60), first, NOON) == Every(60)
    assert pinned(Once(LATER), first, NOON) == Once(LATER)
    schedule = Schedule("flow", first)
    decision = decide(schedule, first_cursor(schedule, LATER), LATER, 0)
    assert [one.at for one in decision.created] == [NOON + MOMENT]
    assert decide(schedule, decision.upto, LATER + timedelta(days=900), 0) == Decision((), (), decision.upto, None)


def test_once_is_not_decided_about_before_it_is_pinned() -> None:
    with pytest.raises(ValueError, match="see `pinned`"):
        decide(Schedule("flow", Once()), NOON, LATER, 0)


# --- The first sight, and another timetable


def test_without_a_start_nothing_was_missed_before_the_first_sight() -> None:
    assert first_cursor(hourly("all"), NOON) == NOON


@pytest.mark.parametrize(("catchup", "hours"), [(True, [10, 11, 12]), (False, [12]), ("none", [12])])
def test_with_a_start_all_since_then_was(catchup: Any, hours: list[int]) -> None:
    schedule = schedule_of(Workflow("flow", schedule=3600, start="2026-03-01T10:00", catchup=catchup))
    assert schedule is not None
    decision = decide(schedule, first_cursor(schedule, NOON), NOON, 0)
    assert [one.at.hour for one in decision.created] == hours


@pytest.mark.parametrize(("catchup", "created", "skipped"), [("all", [13], 2), ("latest", [15], 0), ("none", [], 3)])
def test_before_another_timetable_comes_what_was_due_is_settled(catchup: str, created: list[int], skipped: int) -> None:
    decision = settle(hourly(catchup, 1), NOON, LATER, 0)
    assert [one.at.hour for one in decision.created] == created
    assert sum(missed.count for missed in decision.missed if missed.what == "skipped") == skipped
    assert decision.upto == LATER
    assert settle(Schedule("flow", Continuous()), NOON, LATER, 0).upto == LATER


def test_what_is_due_the_moment_another_timetable_comes_is_settled_too() -> None:
    three = utc("2026-03-01 15:00")
    (skipped,) = settle(hourly("all", 1), NOON, three, 1).missed
    assert (skipped.last, skipped.count) == (three, 3)


# --- The law


@settings(max_examples=150, deadline=None)
@given(schedules, moments, st.data())
def test_every_tick_is_decided_once_whoever_asks_and_when(
    schedule: Schedule, start: datetime, data: st.DataObject
) -> None:
    """Services ask at times that grow, or not, and runs end between."""
    now, upto, active = start, start, 0
    created: list[Tick] = []
    missed: list[Missed] = []
    lengths = st.one_of(
        st.timedeltas(timedelta(0), timedelta(minutes=3)), st.timedeltas(timedelta(0), timedelta(hours=30))
    )
    for _ in range(data.draw(st.integers(1, 12))):
        now += data.draw(lengths)
        asked_at = now - data.draw(st.sampled_from((timedelta(0), timedelta(0), timedelta(hours=1))))
        decision = decide(schedule, upto, asked_at, active)
        assert len(decision.created) <= max(0, schedule.max_active_runs - active)
        assert decision.upto >= upto
        assert (decision.upto == upto) == (not decision.created and not decision.missed)
        _check_waking(schedule, decision, asked_at)
        created += decision.created
        missed += decision.missed
        upto = decision.upto
        active = data.draw(st.integers(0, active + len(decision.created)))
    assert all(one.at <= now for one in created)
    _check_that_each_is_decided_once(schedule, start, upto, created, missed)
    if schedule.catchup != "none":
        assert all(earlier.end == later.start for earlier, later in pairwise(created))


def _check_waking(schedule: Schedule, decision: Decision, now: datetime) -> None:
    """Nobody sleeps past a tick."""
    following = schedule.next(decision.upto)
    if decision.wake_at is not None:
        assert decision.wake_at > now
    if following is not None and following.at > now:
        assert decision.wake_at == following.at
    if following is not None and following.at <= now:
        assert decision.held


def _check_that_each_is_decided_once(
    schedule: Schedule, start: datetime, upto: datetime, created: list[Tick], missed: list[Missed]
) -> None:
    ticks = list(takewhile(lambda at: at <= upto, schedule.timetable.instants(start)))
    fates = [one.at for one in created]
    assert fates == sorted(set(fates))
    for range_ in missed:
        within = ticks[bisect_left(ticks, range_.first) : bisect_right(ticks, range_.last)]
        assert (within[0], within[-1], len(within)) == (range_.first, range_.last, range_.count)
        fates += within
        if range_.into is not None:
            assert range_.into in created
            assert range_.into.start <= range_.first <= range_.last < range_.into.at
    assert sorted(fates) == ticks


def test_a_union_of_many_is_decided_as_one() -> None:
    union = Union("0 6 * * *", "0 18 * * *", Cron("30 2 * * *", "Europe/Berlin"))
    schedule = Schedule("flow", union, catchup="all", max_active_runs=99)
    created = decide(schedule, utc("2026-03-27 00:00"), utc("2026-03-30 00:00"), 0).created
    assert len(created) == 9
    assert all(earlier.end == later.start for earlier, later in pairwise(created))
