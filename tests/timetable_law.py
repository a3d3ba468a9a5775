"""Random cron expressions, zones and times, where `next_fire` and cronsim must agree:
`python -m tests.timetable_law --count 1000000`, or `make timetables`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from penstock.errors import ScheduleError
from penstock.timetable.cron import next_fire

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 7, _DAYS))
_FIRST_YEAR, _LAST_YEAR = 2012, 2037
"""Before, clocks in Newfoundland went back from 00:01, where cronsim may look for ever."""


def disagreements(seed: int, count: int) -> Iterator[str]:
    """What is found among so many cases, told with all that it takes to look at one again."""
    random = Random(seed)
    for _ in range(count):
        expression, zone = draw_expression(random), random.choice(zones())
        after = draw_time(random, zone)
        expected = by_cronsim(expression, zone, after)
        try:
            found: object = _instant(next_fire(expression, after, zone), zone)
        except ScheduleError as error:
            found = "refused"
            if expected == "refused" and not _is_told(expression, error):
                yield f"{expression!r} is refused without its fault: {error}"
        if found != expected:
            yield f"next_fire({expression!r}, {after!r}, {zone!r}) is {found}, and cronsim says {expected}"


def _is_told(expression: str, error: ScheduleError) -> bool:
    """Whether the place of the fault is named, or it lies in the days of months together and in no field alone."""
    if "names no day that there is" not in str(error):
        return error.span is not None
    fields = expression.split()
    fields[-3:] = ["*", "*", fields[-1]]
    return isinstance(by_cronsim(" ".join(fields), "UTC", datetime(2026, 1, 1, tzinfo=UTC)), datetime)


def by_cronsim(expression: str, zone: str, after: datetime) -> object:
    """What cronsim says, in UTC: the first of its times that is strictly after the given one. In an hour that clocks
    show twice it begins with those of the first time, which are over the second time."""
    local = UTC if zone == "UTC" else ZoneInfo(zone)
    try:
        times = (at.astimezone(UTC) for at in CronSim(expression, after.astimezone(local)))
        return next((at for at in times if at > after), "refused")
    except CronSimError:
        return "refused"


def _instant(at: datetime | None, zone: str) -> object:
    """A time in UTC, if it is one that the clocks of that zone show."""
    if at is None or at.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != at.replace(tzinfo=None):
        return f"{at}, which clocks do not show"
    return at.astimezone(UTC)


def draw_expression(random: Random) -> str:
    """An expression, which may be wrong now and then."""
    fields = [_draw_field(random, *field) for field in _FIELDS]
    if random.random() < 0.1:
        fields.insert(0, _draw_field(random, 0, 59, ()))
    if random.random() < 0.1:
        fields[-3] = random.choice(("L", "LW", "L,15", "*/L"))
    if random.random() < 0.1:
        fields[-1] = random.choice(("MON#1", "5#3", "5L", "0L,WED#2", "TUE#5"))
    if random.random() < 0.03:
        fields[random.randrange(len(fields))] = random.choice(("", "60", "5-1", "?", "MO", "*/0", "1,,2", "L"))
    return " ".join(fields)


def draw_time(random: Random, zone: str) -> datetime:
    """An instant, often about a change of the clocks."""
    changes = changes_of(zone)
    if changes and random.random() < 0.5:
        at = random.choice(changes) + timedelta(hours=random.randint(-50, 3))
    else:
        years = timedelta(days=365 * (_LAST_YEAR - _FIRST_YEAR))
        at = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC) + random.random() * years
    at = at.replace(
        minute=random.choice((0, 30, random.randrange(60))), second=random.choice((0, random.randrange(60)))
    )
    return at.replace(microsecond=random.choice((0, random.randrange(1_000_000))))


@cache
def zones() -> list[str]:
    """All zones that have a name of their own."""
    return sorted(name for name in available_timezones() if name not in ("localtime", "Factory", "build/etc/localtime"))


@cache
def changes_of(zone: str) -> list[datetime]:
    """The days on which the clocks of a zone change."""
    local, found = ZoneInfo(zone), []
    day = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)
    before = day.astimezone(local).utcoffset()
    while day.year <= _LAST_YEAR:
        day += timedelta(days=7)
        offset = day.astimezone(local).utcoffset()
        if offset != before:
            found.append(_exactly(local, day - timedelta(days=7), day))
        before = offset
    return found


def _exactly(local: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The hour of a change between two times."""
    before = low.astimezone(local).utcoffset()
    while high - low > timedelta(hours=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(local).utcoffset() == before else (low, middle)
    return high


def _draw_field(random: Random, first: int, last: int, names: tuple[str, ...]) -> str:
    kind = random.random()
    if kind < 0.35:
        return "*"
    if kind < 0.45:
        return f"*/{random.randint(1, last)}"
    if kind < 0.6:
        low = random.randint(first, last)
        step = f"/{random.randint(1, 9)}" if random.random() < 0.3 else ""
        return f"{low}-{random.randint(low, last)}{step}"
    if names and kind < 0.75:
        return random.choice(names)
    return ",".join(str(random.randint(first, last)) for _ in range(random.choice((1, 1, 1, 2, 4))))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.timetable_law", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="how many cases")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    found = list(disagreements(options.seed, options.count))
    print(*found[:20], sep="\n", end="\n" if found else "")
    print(f"{options.count:,} cases in {time.monotonic() - began:.0f} s, {len(found):,} disagreements")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
