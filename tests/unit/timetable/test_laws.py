"""What is true of every timetable."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice, pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from penstock.timetable import Union
from penstock.timetable.base import MOMENT, Instants
from tests.unit.timetable.drawn import business, moments, simple, timetables

settings.register_profile("timetables", max_examples=60, deadline=None)
SETTINGS = settings.get_profile("timetables")


@SETTINGS
@given(timetables, moments)
def test_ticks_come_one_after_the_other_and_their_intervals_leave_nothing_out(
    timetable: Instants, start: datetime
) -> None:
    ticks = list(islice(timetable.ticks(start), 12))
    assert all(tick.at > start and tick.start <= tick.end == tick.at for tick in ticks)
    for earlier, later in pairwise(ticks):
        assert earlier.at < later.at
        assert later.start == earlier.end


@SETTINGS
@given(timetables, moments)
def test_the_next_of_each_tick_is_the_one_that_follows(timetable: Instants, start: datetime) -> None:
    ticks = list(islice(timetable.ticks(start), 12))
    for earlier, later in pairwise(ticks):
        assert timetable.next(earlier.at) == later
    assert [tick.at for tick in ticks] == list(islice(timetable.instants(start), 12))


@SETTINGS
@given(timetables, moments, st.data())
def test_from_anywhere_between_two_ticks_the_next_is_the_second(
    timetable: Instants, start: datetime, data: st.DataObject
) -> None:
    ticks = list(islice(timetable.ticks(start), 6))
    assume(len(ticks) > 1)
    earlier, later = data.draw(st.sampled_from(list(pairwise(ticks))))
    length = later.at - earlier.at - MOMENT
    between = earlier.at + data.draw(st.timedeltas(timedelta(0), length))
    assert timetable.next(between) == later
    assert timetable.after(between) == later.at
    assert timetable.before(later.at) == earlier.at
    assert timetable.before(between + MOMENT) == earlier.at


@SETTINGS
@given(timetables, moments, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_counts_are_those_of_the_ticks(timetable: Instants, start: datetime, length: timedelta) -> None:
    instants = list(islice(timetable.instants(start), 3_000))
    end = min(start + length, instants[-1]) if len(instants) == 3_000 else start + length
    assert timetable.count(start, end) == sum(at <= end for at in instants)


@SETTINGS
@given(st.lists(simple | business, min_size=1, max_size=4), moments)
def test_a_union_is_what_its_timetables_have_together(several: list[Instants], start: datetime) -> None:
    together = sorted({at for one in several for at in islice(one.instants(start), 10)})[:10]
    assert list(islice(Union(*several).instants(start), 10)) == together
