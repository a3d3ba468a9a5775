"""What is kept for a moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest

from penstock.api.kept import Kept
from penstock.errors import ScheduleNotFound
from penstock.store.memory import MemoryStore


def test_what_has_not_changed_is_read_once() -> None:
    store, asked = MemoryStore(), list[str]()

    def read(name: str) -> str:
        asked.append(name)
        return name.upper()

    kept = Kept(store, read)
    assert [kept("a"), kept("a"), kept("b"), kept("a")] == ["A", "A", "B", "A"]
    assert asked == ["a", "b"]
    store.set_pool("warehouse", 1)
    assert (kept("a"), kept("a")) == ("A", "A")
    assert asked == ["a", "b", "a"]


def test_what_is_fresh_is_given_again_until_somebody_changes_it_himself() -> None:
    store, asked = MemoryStore(), count(1)
    kept = Kept(store, lambda: next(asked), fresh=1e9)
    assert kept() == 1
    store.set_pool("warehouse", 1)
    assert kept() == 1
    kept.forget()
    assert kept() == 2


def test_who_asks_at_once_gets_what_was_read_once() -> None:
    began, asked = Event(), list[int]()

    def read() -> int:
        asked.append(1)
        assert began.wait(30)
        return len(asked)

    kept = Kept(MemoryStore(), read)
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(kept) for _ in range(8)]
        began.set()
        assert {answer.result() for answer in answers} == {1}


def test_an_error_is_not_kept() -> None:
    store = MemoryStore()
    kept = Kept(store, store.schedule)
    for _ in range(2):
        with pytest.raises(ScheduleNotFound):
            kept("nothing")


def test_of_many_questions_the_newest_answers_are_kept() -> None:
    asked: list[int] = []
    kept = Kept(MemoryStore(), asked.append)
    for number in [*range(100), 99, 0]:
        kept(number)
    assert asked == [*range(100), 0]
