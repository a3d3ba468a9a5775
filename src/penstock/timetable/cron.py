"""Times by cron expressions, as Debian's cron understands them; cronsim tells them.

When clocks go forward, a job at a certain time of day that they skip runs once, just after. When they go back, it runs
once, the first time that they show its time. An expression whose minutes or hours begin with `*` keeps its spacing
instead: in the hour that comes twice it runs twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import takewhile

from cronsim import CronSim, CronSimError

from penstock.errors import ScheduleError
from penstock.timetable.base import MOMENT, Instants
from penstock.timetable.cron_faults import MACROS, fault_of
from penstock.timetable.zones import zone, zone_name

_DAY = timedelta(days=1)
_LONGEST = 1_000
"""Characters of an expression."""
_SOME_TIME = datetime(2026, 1, 1)  # noqa: DTZ001  (an expression is read by giving it a time; which does not matter)


def next_fire(expression: str, after: datetime, timezone: str | tzinfo = "UTC") -> datetime | None:
    """When a cron expression, or a macro as "@daily", fires first after an instant, as a datetime of that zone; None if
    that is not within 50 years. An instant without a zone is of `timezone`. ScheduleError for what is none."""
    local = zone(zone_name(timezone))
    after = after if after.utcoffset() is not None else after.replace(tzinfo=local)
    at = Cron(expression, zone_name(timezone)).after(after)
    return None if at is None else at.astimezone(local)


class _CronSim(CronSim):
    """cronsim, which would come back to a midnight that clocks show twice, again and again, from the day before: in
    Newfoundland, until 2011, 00:01 became 23:01."""

    def advance_day(self) -> bool:
        before = self.dt
        return super().advance_day() and self._is_later(before)

    def advance_hour(self) -> bool:
        before = self.dt
        return super().advance_hour() and self._is_later(before)

    def _is_later(self, before: datetime) -> bool:
        """Have it go on at the second of two times where it came to the first, from later on."""
        if before.tzinfo is not None and self.dt.astimezone(UTC) < before.astimezone(UTC):
            self.dt = self.dt.replace(fold=1)
        return True


@dataclass(frozen=True)
class Cron(Instants):
    """A cron expression in a time zone: five fields, six with seconds before them, or a macro. Without a zone it is in
    that of its workflow, or else UTC."""

    expression: str
    timezone: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.expression, str):
            raise ScheduleError(f"a cron expression is a text, not {self.expression!r:.60}")
        if self.timezone is not None:
            object.__setattr__(self, "timezone", zone_name(self.timezone))
        _check(self.expression)

    @property
    def text(self) -> str:
        """The expression in words, with the zone."""
        words = CronSim(_fields(self.expression), _SOME_TIME).explain()
        return f"{words[:1].lower()}{words[1:]}, {self.timezone or 'UTC'}"

    def after(self, moment: datetime) -> datetime | None:
        """The first instant strictly after another."""
        return _after(self.expression, self.timezone, moment.astimezone(UTC))  # which tells a fold's hours apart

    def before(self, moment: datetime) -> datetime | None:
        """The last instant strictly before another."""
        found = self._guess_before(moment)
        if found is None:
            return None
        later = self.after(found)
        while later is not None and later < moment:  # backwards, cronsim may miss what is about an hour that is skipped
            found, later = later, self.after(later)
        return found

    def instants(self, after: datetime) -> Iterator[datetime]:
        """All instants strictly after another, in order."""
        last = after
        try:
            for at in _CronSim(_fields(self.expression), after.astimezone(self._zone)):
                found = at.astimezone(UTC)
                if found > last:
                    yield found
                    last = found
        except (OverflowError, ValueError):
            pass

    def count(self, after: datetime, upto: datetime) -> int:
        """How many instants there are strictly after one, and up to and with another: reckoned day by day, and told one
        by one where the clocks change."""
        if upto <= after:
            return 0
        sim = CronSim(_fields(self.expression), _SOME_TIME)
        first, last = after.astimezone(self._zone), upto.astimezone(self._zone)
        days = [first.date() + n * _DAY for n in range(-1, (last.date() - first.date()).days + 3)]
        midnights = [datetime.combine(day, time(), self._zone) for day in days]
        offsets = [midnight.utcoffset() for midnight in midnights]
        counted = 0
        for n in range(1, len(days) - 2):
            if offsets[n - 1] == offsets[n] == offsets[n + 1] == offsets[n + 2]:
                if days[n].month in sim.months and sim.match_day(days[n]):
                    counted += _on_a_day(sim, last.time()) if days[n] == last.date() else _on_a_day(sim, time.max)
                    counted -= _on_a_day(sim, first.time()) if days[n] == first.date() else 0
            else:
                begin, end = midnights[n].astimezone(UTC) - MOMENT, midnights[n + 1].astimezone(UTC) - MOMENT
                within = self.instants(max(after, begin))
                counted += sum(1 for _ in takewhile(min(upto, end).__ge__, within))
        return counted

    def placed(self, timezone: str, start: datetime | None) -> Cron:
        """The same in that zone, if it has none of its own."""
        return self if self.timezone is not None else replace(self, timezone=timezone)

    def _guess_before(self, moment: datetime) -> datetime | None:
        try:
            for at in CronSim(_fields(self.expression), moment.astimezone(self._zone), reverse=True):
                if at.astimezone(UTC) < moment:
                    return at.astimezone(UTC)
        except (OverflowError, ValueError):
            pass
        return None

    @property
    def _zone(self) -> tzinfo:
        return zone(self.timezone or "UTC")


def _on_a_day(sim: CronSim, upto: time) -> int:
    """How many times of a day that is as others an expression names, up to and with one."""
    seconds = sum(second <= upto.second for second in sim.seconds)
    minutes = sum(minute < upto.minute for minute in sim.minutes) * len(sim.seconds)
    minutes += seconds if upto.minute in sim.minutes else 0
    hours = sum(hour < upto.hour for hour in sim.hours) * len(sim.minutes) * len(sim.seconds)
    return hours + (minutes if upto.hour in sim.hours else 0)


@lru_cache(4_096)
def _after(expression: str, timezone: str | None, moment: datetime) -> datetime | None:
    """Kept for a while, since who decides asks again from where it was the last time."""
    return next(Cron(expression, timezone).instants(moment), None)


def _fields(expression: str) -> str:
    return MACROS.get(expression.strip().lower(), expression)


@lru_cache(1_000)
def _check(expression: str) -> None:
    if len(expression) > _LONGEST:
        raise ScheduleError(f"the cron expression '{expression[:40]}...' is longer than {_LONGEST} characters")
    try:
        sim = CronSim(_fields(expression), _SOME_TIME)
        next(sim)
    except (CronSimError, ValueError, TypeError, AssertionError, StopIteration, RecursionError):
        fault = fault_of(expression)
        raise ScheduleError(f"cron expression '{expression}': {fault.message}", span=fault.span) from None
