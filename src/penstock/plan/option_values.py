"""Values of options, one kind at a time: each is read, or told of by name and place if it cannot be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from penstock.definition.placeholder import Placeholder
from penstock.errors import DefinitionError, OptionError
from penstock.plan.arguments import is_async, misfit
from penstock.policy import RetryRule

T = TypeVar("T", bound=str)

MORE_THAN_0 = sys.float_info.min


class Owner:
    """Whose options are read: what errors call it, and where it was made."""

    __slots__ = ("name", "where")

    def __init__(self, name: str, where: str) -> None:
        self.name = name
        self.where = where


class OptionValues:
    """Reads values. What is wrong goes to `problem`, and reads as a default."""

    def __init__(self, problem: Callable[[type[DefinitionError], str, str], None]) -> None:
        self._problem = problem
        self._problems = 0

    def _wrong(self, owner: Owner, message: str) -> None:
        self._problems += 1
        self._problem(OptionError, f"{owner.name}: {message}", owner.where)

    def _check_names(self, options: Mapping[str, Any], known: Collection[str], owner: Owner) -> None:
        for name in options:
            if name not in known:
                near = get_close_matches(name, known, 1) if isinstance(name, str) else []
                hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
                self._wrong(owner, f"there is no option '{name}'; {hint}")

    def _flag(self, value: Any, name: str, owner: Owner) -> bool:
        if not isinstance(value, bool):
            self._wrong(owner, f"{name}={value!r} is not True or False")
            return False
        return value

    def _count(self, value: Any, name: str, owner: Owner, least: int = 0) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            self._wrong(owner, f"{name}={value!r} is not a whole number from {least} up")
            return least
        return value

    def _bound(self, value: Any, name: str, owner: Owner) -> int | None:
        """How many there may be at once; None for any number."""
        return None if value is None else self._count(value, name, owner, least=1)

    def _duration(self, value: Any, name: str, owner: Owner, least: float = 0.0) -> float | None:
        if value is None:
            return None
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        return self._number(seconds, name, owner, least=least, unit=" seconds")

    def _number(self, value: Any, name: str, owner: Owner, *, least: float = 0.0, unit: str = "") -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < float("inf"):
            return float(value)
        bound = "more than 0" if least else "0 or more"
        self._wrong(owner, f"{name}={value!r} is not {bound}{unit}")
        return 0.0

    def _choice(self, value: Any, choices: Sequence[T], name: str, owner: Owner) -> T:
        if isinstance(value, str) and value in choices:
            return choices[choices.index(cast(T, value))]
        near = get_close_matches(value, choices, 1) if isinstance(value, str) else []
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(choices)}"
        self._wrong(owner, f"{name}={value!r} does not exist; {hint}")
        return choices[0]

    def _is_callback(self, value: Any, name: str, owner: Owner) -> bool:
        if not self._is_callable(value, name, owner, "a function that takes a Notice"):
            return False
        reason = misfit(value, (None,), None)
        if reason is not None:
            self._wrong(owner, f"{name} must take one argument, a Notice; this does not fit {reason}")
        return True

    def _check_condition(self, value: Any, name: str, owner: Owner) -> None:
        wanted = "a function that says whether"
        if not self._is_callable(value, name, owner, wanted) or misfit(value, (), None) is None:
            return
        reason = misfit(value, (None,), None)
        if reason is not None:
            self._wrong(owner, f"{name} takes nothing, or one argument: what current() is; this does not fit {reason}")

    def _is_callable(self, value: Any, name: str, owner: Owner, wanted: str) -> bool:
        if value is None:
            return False
        if isinstance(value, Placeholder) or not callable(value):
            self._wrong(owner, f"{name}={value!r} cannot be called; give it {wanted}")
            return False
        if is_async(value):
            self._wrong(owner, f"{name} is async, and nobody awaits it; give it a plain function")
        return True

    def _check_exceptions(self, value: Any, name: str, owner: Owner) -> None:
        kinds = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
            self._wrong(owner, f"{name}={value!r} is not an exception class, or a tuple of them")

    def _check_retry_policy(self, value: Any, owner: Owner) -> None:
        if not isinstance(value, (list, tuple)):
            self._wrong(owner, f"retry_policy={value!r} is not a list of rules: write retry_policy=[RetryRule(...)]")
            return
        for rule in value:
            if not isinstance(rule, RetryRule):
                self._wrong(owner, f"{rule!r} in retry_policy is no rule: write RetryRule(ValueError, retry=False)")
                continue
            self._check_exceptions(rule.exception, "the exception of a RetryRule", owner)
            self._flag(rule.retry, "the retry of a RetryRule", owner)
            self._duration(rule.delay, "the delay of a RetryRule", owner)
