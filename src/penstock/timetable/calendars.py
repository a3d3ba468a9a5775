"""Business days: a calendar of days off, and the ticks of a timetable that fall on the other days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from penstock.errors import ScheduleError
from penstock.timetable.base import MOMENT, Instants
from penstock.timetable.zones import in_utc, zone, zone_name

_DAY = timedelta(days=1)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_YEARS = 50


@dataclass(frozen=True)
class Calendar:
    """Which days are business days: all but those of the weekend, and holidays. `holidays` are dates, as datetime.date
    or as texts ("2026-12-25"), or a mapping with such keys, as the package `holidays` makes them."""

    holidays: frozenset[date] = frozenset()
    weekend: tuple[str, ...] = ("saturday", "sunday")

    def __init__(self, holidays: Iterable[date | str] = (), weekend: Iterable[str] = ("saturday", "sunday")) -> None:
        object.__setattr__(self, "holidays", frozenset(_date(day) for day in holidays))
        names = tuple(str(name).lower() for name in weekend)
        for name in names:
            if name not in _WEEKDAYS:
                raise ScheduleError(f"weekend: {name!r:.40} is no day of the week; there are {', '.join(_WEEKDAYS)}")
        if len(set(names)) == len(_WEEKDAYS):
            raise ScheduleError("a calendar without a single business day tells no times")
        object.__setattr__(self, "weekend", names)

    def is_business_day(self, day: date) -> bool:
        """Whether a day is neither of the weekend nor a holiday."""
        return _WEEKDAYS[day.weekday()] not in self.weekend and day not in self.holidays

    def number_in_month(self, day: date) -> tuple[int, int]:
        """Which business day of its month a day is: counted from the first, which is 1, and from the last, -1."""
        first = day.replace(day=1)
        following = (first + 31 * _DAY).replace(day=1)
        days = (first + n * _DAY for n in range((following - first).days))
        business = [one for one in days if self.is_business_day(one)]
        return business.index(day) + 1, business.index(day) - len(business)


@dataclass(frozen=True)
class BusinessDays(Instants):
    """The ticks of a timetable that fall on business days; with `of_month`, only on those with one of these numbers in
    their month: 1 is the first, -1 the last. Days are those of `timezone`, by default the workflow's, or else UTC."""

    timetable: Instants
    calendar: Calendar = field(default_factory=Calendar)
    of_month: tuple[int, ...] = ()
    timezone: str | None = None

    def __init__(
        self,
        timetable: Any,
        calendar: Calendar | None = None,
        *,
        of_month: int | Iterable[int] = (),
        timezone: str | None = None,
    ) -> None:
        from penstock.timetable.reading import timetable_of

        read = timetable_of(timetable)
        if read.at_once:
            raise ScheduleError(f"'{read.text}' names no times, which could fall on business days")
        if calendar is not None and not isinstance(calendar, Calendar):
            raise ScheduleError(f"BusinessDays(..., {calendar!r:.60}): give a Calendar")
        numbers = (of_month,) if isinstance(of_month, int) else tuple(of_month)
        for number in numbers:
            if not isinstance(number, int) or not 1 <= abs(number) <= 31:
                raise ScheduleError(f"of_month={number!r:.40}: it is a number from 1, the first, or from -1, the last")
        object.__setattr__(self, "timetable", read)
        object.__setattr__(self, "calendar", Calendar() if calendar is None else calendar)
        object.__setattr__(self, "of_month", numbers)
        object.__setattr__(self, "timezone", None if timezone is None else zone_name(timezone))

    @property
    def text(self) -> str:
        """The timetable, and on which days."""
        number = len(self.calendar.holidays)
        holidays = f" and {number:,} holiday{'s' if number > 1 else ''}" if number else ""
        which = f" {', '.join(map(str, self.of_month))} of the month" if self.of_month else "s"
        weekend = ", ".join(name.capitalize() for name in self.calendar.weekend)
        return f"{self.timetable.text}; only on business day{which} (not on {weekend}{holidays})"

    def after(self, moment: datetime) -> datetime | None:
        """The first instant strictly after another."""
        last = None
        at = self.timetable.after(moment)
        while at is not None and (last is None or at <= last):
            day = at.astimezone(zone(self._zone)).date()
            if self._is_on(day):
                return at
            if last is None:
                last = _shifted(at, _YEARS)
            end = self._midnight(day + _DAY) if day < date.max else None
            at = None if end is None else self.timetable.after(end - MOMENT)
        return None

    def before(self, moment: datetime) -> datetime | None:
        """The last instant strictly before another."""
        last = None
        at = self.timetable.before(moment)
        while at is not None and (last is None or at >= last):
            day = at.astimezone(zone(self._zone)).date()
            if self._is_on(day):
                return at
            if last is None:
                last = _shifted(at, -_YEARS)
            at = self.timetable.before(self._midnight(day)) if day > date.min else None
        return None

    def placed(self, timezone: str, start: datetime | None) -> BusinessDays:
        """The same, with its timetable and its days in that zone."""
        zone_of_days = timezone if self.timezone is None else self.timezone
        inner = self.timetable.placed(timezone, start)
        return BusinessDays(inner, self.calendar, of_month=self.of_month, timezone=zone_of_days)

    def _is_on(self, day: date) -> bool:
        if not self.calendar.is_business_day(day):
            return False
        return not self.of_month or not set(self.of_month).isdisjoint(self.calendar.number_in_month(day))

    def _midnight(self, day: date) -> datetime:
        return in_utc(datetime(day.year, day.month, day.day), self._zone)  # noqa: DTZ001  (of that zone)

    @property
    def _zone(self) -> str:
        return self.timezone or "UTC"


def _shifted(moment: datetime, years: int) -> datetime:
    try:
        return moment + timedelta(days=366 * years)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if years > 0 else datetime.min.replace(tzinfo=UTC)


def _date(given: Any) -> date:
    try:
        day = date.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        day = None
    if isinstance(day, datetime) or not isinstance(day, date):
        raise ScheduleError(f"holiday {given!r:.60} is no date: give a datetime.date, or a text as '2026-12-25'")
    return day
