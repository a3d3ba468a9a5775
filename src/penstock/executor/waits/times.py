"""`wait_for_time`: a task that waits until a time has come."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from penstock.definition.decorators import task
from penstock.errors import Defer, Fail
from penstock.executor.current import running


@task(waits_for="{until}")
def wait_for_time(until: datetime | time | timedelta | float, *, timezone: str | None = None) -> datetime:
    """Wait until a time: a datetime; a time of day, the next after the task was begun; or a pause from then, as
    timedelta or in seconds. The time that it has waited for, in UTC.

    What has no zone of its own is of `timezone` ("Europe/Berlin") or, without that, of this machine's."""
    attempt = running.get()
    if attempt is None:
        raise Fail("wait_for_time is a task: call it while a workflow is built")
    now = attempt.context.clock.time()
    since = attempt.context.asked_since(attempt.task, None)
    moment = _moment(until, _zone(timezone), now if since is None else since)
    try:
        at = datetime.fromtimestamp(moment, UTC)
    except (ValueError, OverflowError, OSError):
        raise _no_time(until) from None
    if now < moment:
        raise Defer(at)
    return at


def _moment(until: datetime | time | timedelta | float, zone: tzinfo | None, since: float) -> float:
    """That time in seconds since 1970, for a task that was begun at `since`."""
    if isinstance(until, timedelta):
        return since + until.total_seconds()
    if isinstance(until, datetime):
        return (until if until.tzinfo is not None or zone is None else until.replace(tzinfo=zone)).timestamp()
    if isinstance(until, time):
        return _next(until, until.tzinfo or zone, since)
    if isinstance(until, (int, float)) and not isinstance(until, bool):
        return since + until
    raise _no_time(until)


def _no_time(until: object) -> Fail:
    return Fail(f"{until!r:.60} is no time to wait for: give a datetime, a time of day, a timedelta or seconds")


def _next(of_day: time, zone: tzinfo | None, since: float) -> float:
    """When it is that time of day for the first time after a moment."""
    day = datetime.fromtimestamp(since, zone).date()
    for later in range(3):
        at = datetime.combine(day + timedelta(days=later), of_day.replace(tzinfo=zone)).timestamp()
        if at >= since:
            return at
    raise AssertionError("a day has no third")


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Fail(f"there is no time zone {name!r:.60}") from None
