"""Timetables as data."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings

from penstock.errors import ScheduleError
from penstock.timetable import Continuous, Every, Once, Tick, Union
from penstock.timetable.base import Instants, Own
from penstock.timetable.bounds import Bounded
from penstock.timetable.calendars import BusinessDays
from penstock.timetable.codec import decode, encode
from tests.unit.timetable.drawn import timetables


class Mine:
    def next(self, after: datetime) -> Tick | None:
        return None


@settings(max_examples=100, deadline=None)
@given(timetables)
def test_a_timetable_comes_back_as_it_was(timetable: Instants) -> None:
    assert decode(json.loads(json.dumps(encode(timetable)))) == timetable


@pytest.mark.parametrize("timetable", [Once(), Continuous(), Once(datetime.fromisoformat("2026-01-01T00:00+01:00"))])
def test_so_do_those_that_name_no_times(timetable: Instants) -> None:
    assert decode(json.loads(json.dumps(encode(timetable)))) == timetable


def test_a_users_own_is_no_data() -> None:
    own = Own(Mine())
    assert [encode(one) for one in (own, Union(Every(60), own), Bounded(own), BusinessDays(own))] == [None] * 4


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "moon"},
        {"kind": "cron"},
        {"kind": "cron", "expression": 6, "timezone": "UTC"},
        {"kind": "at", "times": ["soon"]},
        {"kind": "every", "microseconds": 10**30, "start": None},
        [],
        None,
    ],
)
def test_what_is_no_timetable_is_refused(data: Any) -> None:
    with pytest.raises(ScheduleError):
        decode(data)
