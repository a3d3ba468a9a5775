"""Exceptions that are kept: what of them comes back, and what is not kept."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import DefinitionError, RunFailed, ValueUnavailable
from penstock.results.exceptions import LIMIT, as_exception, keep_exception, reference
from penstock.results.memory import MemoryResults
from penstock.results.values import load_value

E = TypeVar("E", bound=BaseException)


def back(error: BaseException) -> BaseException | None:
    """What is left of an exception that was kept; None if it was not."""
    kept = keep_exception(error)
    return as_exception(load_value(reference(kept), MemoryResults())) if kept else None


def same(one: BaseException | None, other: BaseException | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        (type(one), one.args, vars(one), str(one)) == (type(other), other.args, vars(other), str(other))
        and one.__suppress_context__ == other.__suppress_context__
        and same(one.__cause__, other.__cause__)
        and same(one.__context__, other.__context__)
    )


class Custom(Exception):
    def __init__(self, code: int, *, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why


class Refused(OSError):
    def __init__(self, host: str) -> None:
        super().__init__(111, "refused", host)
        self.host = host


class Plain(Exception): ...


class Reduced(Exception):
    def __init__(self, left: int, right: int) -> None:
        super().__init__("sum")
        self.total = left + right

    def __reduce__(self) -> Any:
        return (Reduced, (self.total, 0))


def noted(error: BaseException) -> BaseException:
    error.add_note("while it rained")
    return error


def undecodable() -> BaseException:
    try:
        b"\xff".decode()
    except UnicodeDecodeError as error:
        return error
    raise AssertionError


def unreadable() -> BaseException:
    try:
        json.loads("{")
    except ValueError as error:
        return error
    raise AssertionError


KEPT: dict[str, Callable[[], BaseException]] = {
    "plain": lambda: ValueError("no", 3, (1, "x")),
    "a class of its own": lambda: Plain("x"),
    "an __init__ of its own": lambda: Custom(3, why="no"),
    "an OSError": lambda: FileNotFoundError(2, "gone", "file"),
    "an OSError with an __init__ of its own": lambda: Refused("host"),
    "a __reduce__ of its own": lambda: Reduced(1, 2),
    "UnicodeDecodeError": undecodable,
    "JSONDecodeError": unreadable,
    "CalledProcessError": lambda: subprocess.CalledProcessError(3, ["a"], b"out"),
    "ImportError": lambda: ImportError("no", name="x", path="y"),
    "SystemExit": lambda: SystemExit(3),
    "StopIteration": lambda: StopIteration(3),
    "KeyError": lambda: KeyError("x"),
    "notes": lambda: noted(ValueError("x")),
    "of Penstock": lambda: DefinitionError("wrong", where="file.py:3"),
    "attributes": lambda: RunFailed("no", None),
}


@pytest.mark.parametrize("kind", KEPT)
def test_an_exception_comes_back(kind: str) -> None:
    error = KEPT[kind]()
    again = back(error)
    assert again is not error
    assert same(again, error)
    for name in ("errno", "strerror", "filename", "code", "value", "name", "path", "start", "reason", "lineno", "pos"):
        assert getattr(again, name, None) == getattr(error, name, None)


def raised(error: E, led: BaseException, *, how: str) -> E:
    try:
        try:
            raise led
        except BaseException:
            if how == "cause":
                raise error from led
            if how == "nothing":
                raise error from None
            raise error  # noqa: B904
    except BaseException:
        return error


@given(st.lists(st.tuples(st.sampled_from(sorted(KEPT)), st.sampled_from(["cause", "context", "nothing"])), max_size=5))
def test_what_led_to_an_exception_comes_back(chain: list[tuple[str, str]]) -> None:
    error: BaseException = ValueError("first")
    for kind, how in chain:
        error = raised(KEPT[kind](), error, how=how)
    assert same(back(error), error)


def test_a_group_of_exceptions_comes_back_with_what_led_to_each() -> None:
    inner = raised(Custom(1, why="x"), KeyError("led"), how="cause")
    again = back(ExceptionGroup("both", [inner, ValueError(2)]))
    assert isinstance(again, ExceptionGroup)
    assert same(again.exceptions[0], inner)
    assert same(again.exceptions[1], ValueError(2))


def test_an_exception_that_leads_to_itself_comes_back() -> None:
    error = Plain("x")
    error.me = error  # type: ignore[attr-defined]
    again: Any = back(error)
    assert again.me is again


def test_what_cannot_be_kept_of_what_led_to_it_is_left_out() -> None:
    lock, cause = Plain(threading.Lock()), KeyError("cause")
    error = ValueError("x")
    error.__cause__, error.__context__ = cause, lock
    again = back(error)
    assert again is not None
    assert same(again.__cause__, cause)
    assert again.__context__ is None
    alone = back(raised(ValueError("x"), lock, how="cause"))
    assert alone is not None
    assert (alone.__cause__, alone.__context__) == (None, None)


class Hostile(Exception):
    def __reduce__(self) -> Any:
        raise self.args[0]


class Pretends(Exception):
    def __reduce__(self) -> Any:
        return (SimpleNamespace, ())


NOT_KEPT: dict[str, Callable[[], BaseException]] = {
    "a lock": lambda: Plain(threading.Lock()),
    "an attribute": lambda: RunFailed("no", threading.Lock()),
    "raises": lambda: Hostile(ValueError("no")),
    "leaves": lambda: Hostile(SystemExit(3)),
    "interrupts": lambda: Hostile(KeyboardInterrupt()),
    "too large": lambda: ValueError("x" * LIMIT),
    "much too large": lambda: ValueError(bytes(10_000_000)),
}


@pytest.mark.parametrize("kind", NOT_KEPT)
def test_an_exception_that_cannot_be_kept_is_not(kind: str) -> None:
    assert keep_exception(NOT_KEPT[kind]()) == ""


def test_what_is_kept_is_bounded() -> None:
    assert back(ValueError("x" * (LIMIT // 2))) is not None
    assert len(keep_exception(ValueError("x" * (LIMIT - 300)))) <= LIMIT * 4 / 3 + 4


def test_what_is_no_exception_when_it_is_read_is_refused() -> None:
    with pytest.raises(ValueUnavailable, match="in the place of an exception there is a SimpleNamespace"):
        back(Pretends())


def test_a_class_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep_exception(Plain("x"))
    monkeypatch.delattr(f"{__name__}.Plain")
    with pytest.raises(ValueUnavailable, match=r"Plain.* cannot be unpickled"):
        load_value(reference(kept), MemoryResults())


def test_reading_it_is_reading_a_pickle() -> None:
    """So whoever refuses values that may run code refuses it too."""
    with pytest.raises(ValueUnavailable, match="may run code"):
        load_value(reference(keep_exception(ValueError(1))), MemoryResults(), unpickle=False)
