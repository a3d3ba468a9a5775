"""Words about runs."""

from __future__ import annotations

import pytest

from penstock.observe.words import attempt_of, count, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0421, "42 ms"),
        (0.0996, "0.10 s"),
        (0.4, "0.40 s"),
        (0.996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (3600 * 25 + 61, "25 h 01 min"),
        (86400 * 3 + 3600 * 4, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


def test_counts():
    assert [count(number, "task") for number in (0, 1, 2, 1000)] == ["0 tasks", "1 task", "2 tasks", "1,000 tasks"]


def test_attempts_are_counted_on_after_a_resume_with_a_fresh_budget():
    assert attempt_of(2, retries=1) == "attempt 2 of 2"
    assert attempt_of(3, retries=1) == "attempt 3"
