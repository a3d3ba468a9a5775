"""What is decided about the ticks of a schedule: which get their runs now, and what becomes of those that were missed.

All ticks up to the *cursor* are decided; what is due and not yet decided comes after it. A decision takes some of
these and moves the cursor past them, so that of any number of decisions each goes on where the one before has ended,
and every tick is decided once. A decision costs as much as it makes runs, however much was missed; only counting may
take longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal, TypeAlias

from penstock.timetable.base import MOMENT, Instants, Tick
from penstock.timetable.bounds import Bounded
from penstock.timetable.moments import Continuous, Once
from penstock.timetable.schedule import Schedule

ON_TIME = timedelta(seconds=60)
"""A tick that is decided later is missed, where missed ticks are skipped."""

Fate: TypeAlias = Literal["collapsed", "skipped"]


@dataclass(frozen=True, slots=True)
class Missed:
    """Ticks that follow each other and get no runs of their own."""

    first: datetime
    last: datetime
    count: int
    """How many they are: exactly, up to 100,000 of any timetable, and of intervals and single cron expressions ever."""
    what: Fate
    into: Tick | None
    """The tick whose run stands for them; None if they are skipped."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about a schedule."""

    created: tuple[Tick, ...]
    """The ticks that get their runs, oldest first."""
    missed: tuple[Missed, ...]
    """Those that get none."""
    upto: datetime
    """The cursor now: the same as before if nothing was decided."""
    wake_at: datetime | None
    """When to ask again; None if there is no such time: nothing comes any more, or it waits until runs have ended."""
    held: bool = False
    """Whether something is due for which there is no room until runs have ended."""


def first_cursor(schedule: Schedule, now: datetime) -> datetime:
    """Where the cursor stands when a workflow is seen for the first time: before its start, or now."""
    return now if schedule.start is None else schedule.start - MOMENT


def pinned(timetable: Instants, kept: Instants | None, now: datetime) -> Instants:
    """A timetable as it is put on record: a `Once` without a time gets that of the one on record, or else one just
    after now, and begins then, so that it stays the same tick whoever sees it again, and when."""
    once, end, timezone = timetable, None, "UTC"
    if isinstance(timetable, Bounded):
        once, end, timezone = timetable.timetable, timetable.end, timetable.timezone
    if not isinstance(once, Once) or once.at is not None:
        return timetable
    before = kept.timetable if isinstance(kept, Bounded) else kept
    at = before.at if isinstance(before, Once) and before.at is not None else now + MOMENT
    return Bounded(Once(at), at, end, timezone)


def decide(schedule: Schedule, upto: datetime, now: datetime, active: int) -> Decision:
    """What to do about a schedule whose ticks are decided up to a cursor, with so many runs that have not ended."""
    room = max(0, schedule.max_active_runs - active)
    if schedule.timetable.at_once:
        return _decide_at_once(schedule.timetable, upto, now, active)
    if schedule.catchup == "all":
        return _create_each(schedule, upto, now, room)
    if schedule.catchup == "latest":
        return _create_latest(schedule, upto, now, room)
    return _skip_late(schedule, upto, now, room)


def settle(schedule: Schedule, upto: datetime, now: datetime, active: int) -> Decision:
    """What to do about the ticks up to now of a schedule that another replaces: as much as there is room for is decided
    as ever, and the rest is skipped. The cursor is then at `now`, from where the other one goes on."""
    if schedule.timetable.at_once:
        return Decision((), (), max(upto, now), None)
    decided = decide(schedule, upto, now, active)
    rest = _missed(schedule.timetable, decided.upto, now + MOMENT, "skipped", None)
    return Decision(decided.created, (*decided.missed, *rest), max(upto, now), None)


# --- The policies


def _create_each(schedule: Schedule, upto: datetime, now: datetime, room: int) -> Decision:
    created, waiting = _first_due(schedule.timetable, upto, now, room)
    return _decision(schedule, upto, created, (), held=waiting)


def _create_latest(schedule: Schedule, upto: datetime, now: datetime, room: int) -> Decision:
    timetable = schedule.timetable
    first = timetable.next(upto)
    if first is None or first.at > now:
        return _decision(schedule, upto, (), ())
    if not room:
        return _decision(schedule, upto, (), (), held=True)
    following = timetable.after(first.at)
    if following is None or following > now:
        return _decision(schedule, upto, (first,), ())
    last = timetable.before(now + MOMENT) or following
    newest = timetable.next(last - MOMENT) or first
    newest = newest._replace(start=min(first.start, newest.start))
    missed = _missed(timetable, upto, newest.at, "collapsed", newest)
    return _decision(schedule, upto, (newest,), missed)


def _skip_late(schedule: Schedule, upto: datetime, now: datetime, room: int) -> Decision:
    on_time_from = max(upto, now - ON_TIME - MOMENT)
    missed = _missed(schedule.timetable, upto, on_time_from + MOMENT, "skipped", None)
    created, waiting = _first_due(schedule.timetable, on_time_from, now, room)
    decision = _decision(schedule, missed[-1].last if missed else upto, created, missed, held=waiting)
    oldest = schedule.timetable.after(decision.upto)
    if not waiting or oldest is None:
        return decision
    return replace(decision, wake_at=oldest + ON_TIME + MOMENT)


def _decide_at_once(timetable: Instants, upto: datetime, now: datetime, active: int) -> Decision:
    inner = timetable.timetable if isinstance(timetable, Bounded) else timetable
    if not isinstance(inner, Continuous):
        raise ValueError(f"{timetable.text}: it has no time yet, see `pinned`")
    at = max(now, upto + MOMENT)
    if isinstance(timetable, Bounded) and timetable.end is not None and at > timetable.end:
        return Decision((), (), upto, None)
    if isinstance(timetable, Bounded) and timetable.start is not None and now < timetable.start:
        return Decision((), (), upto, timetable.start)
    if active:
        return Decision((), (), upto, None, held=True)
    return Decision((Tick(at, upto, at),), (), at, None)


def _first_due(timetable: Instants, upto: datetime, now: datetime, room: int) -> tuple[tuple[Tick, ...], bool]:
    """The first ticks that are due, as many as there is room for, and whether there are more."""
    due = tuple(islice(timetable.ticks(upto), room + 1))
    due = tuple(tick for tick in due if tick.at <= now)
    return due[:room], len(due) > room


def _missed(
    timetable: Instants, after: datetime, before: datetime, what: Fate, into: Tick | None
) -> tuple[Missed, ...]:
    """The ticks strictly between two instants."""
    last = timetable.before(before)
    first = timetable.after(after)
    if last is None or first is None or last <= after:
        return ()
    return (Missed(first, last, timetable.count(after, last), what, into),)


def _decision(
    schedule: Schedule,
    upto: datetime,
    created: tuple[Tick, ...],
    missed: tuple[Missed, ...],
    *,
    held: bool = False,
) -> Decision:
    cursor = created[-1].at if created else upto
    wake_at = None if held else schedule.timetable.after(cursor)
    return Decision(created, missed, cursor, wake_at, held)
