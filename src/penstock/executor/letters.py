"""Messages to a run, as the tasks that wait for them get them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.definition.expansion import NOTHING
from penstock.errors import Defer, MessageTimeout, PenstockError
from penstock.executor.invoke import insist
from penstock.policy import DECISIONS, RUN_ENDS

if TYPE_CHECKING:
    from penstock.executor.base import Attempt

RESERVED = (DECISIONS, RUN_ENDS)
"""How the topics begin that Penstock itself uses."""
LONGEST_TOPIC = 200


class Letter(NamedTuple):
    """A message that a task was given."""

    value: Any
    by: str
    """Who sent it."""
    at: float
    """When the driver of the run took it, in seconds since 1970."""


def check_topic(topic: object) -> str:
    """A topic that users may send and wait for. PenstockError for any other."""
    if not isinstance(topic, str) or not topic or not topic.isprintable() or len(topic) > LONGEST_TOPIC:
        raise PenstockError(
            f"a topic is a text of 1 to {LONGEST_TOPIC} characters that can be printed, not {topic!r:.60}"
        )
    if topic.startswith(RESERVED):
        hint = ": decisions are sent by penstock approve" if topic.startswith(DECISIONS) else ""
        raise PenstockError(f"topics that begin with {' or '.join(RESERVED)} are Penstock's own, as {topic!r} is{hint}")
    return topic


def receive(attempt: Attempt, topic: str, timeout: float | timedelta | None, default: Any) -> Any:
    """What `Current.receive` says."""
    check_topic(topic)
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if topic in attempt.received:
        raise PenstockError(
            f"task '{attempt.name}' receives '{topic}' twice, and a task gets one message of a topic: "
            "make a task for each, or send them under several topics"
        )
    letter = insist(attempt, attempt.context.letter, attempt.task, topic)
    if letter is not None:
        attempt.received += (topic,)
        return letter.value
    if seconds is None:
        raise Defer(topic=topic)
    left = left_of(attempt, topic, seconds)
    if left > 0:
        raise Defer(left, topic=topic)
    attempt.received += (topic,)
    if default is NOTHING:
        raise MessageTimeout(f"it waited for {seconds:g} s, and nobody has sent a message '{topic}'")
    return default


def left_of(attempt: Attempt, topic: str, seconds: float) -> float:
    """How many of the seconds are left that a task waits for a message, from when it first did."""
    context = attempt.context
    since = insist(attempt, context.asked_since, attempt.task, topic)
    return seconds if since is None else since + seconds - context.clock.time()
