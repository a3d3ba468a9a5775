"""What the settings say of a notifier, read by name and checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from penstock.errors import PenstockError

T = TypeVar("T")


class Options:
    """The settings of one notifier. Each that is asked for is checked; `finish` refuses what nobody asked for.

    Secrets are never among them: they stand in the environment, and the settings name the variable."""

    def __init__(self, name: str, values: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.name = name
        self._values = values
        self._environ = environ
        self._asked: list[str] = []

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        return self._get(key, default, lambda value: isinstance(value, str) and bool(value), "a text")

    def flag(self, key: str) -> bool:
        """True or, by default, false."""
        return self._get(key, False, lambda value: isinstance(value, bool), "true or false")

    def number(self, key: str, default: float) -> float:
        """A number above 0."""
        return float(self._get(key, default, lambda value: _is_number(value) and 0 < value < 1e9, "a number above 0"))

    def count(self, key: str, default: int) -> int:
        """A whole number from 1."""
        return self._get(
            key, default, lambda value: type(value) is int and 0 < value < 10**6, "a whole number from 1 up"
        )

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of these."""
        return self._get(key, default, lambda value: value in choices, f"one of {', '.join(choices)}")

    def texts(self, key: str, choices: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of texts, or of some of these choices; empty if nothing is said."""
        found: list[str] = self._get(key, [], lambda value: _is_list_of_texts(value) and bool(value), "a list of texts")
        for one in found:
            if choices and one not in choices:
                near = get_close_matches(one, choices, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(choices)}"
                raise self.wrong(f"{key} has '{one}', which does not exist; {hint}")
        return tuple(found)

    def secret(self, key: str) -> str:
        """What the environment variable holds that the setting `key`, which ends in _env, names; "" if none is."""
        bare = key.removesuffix("_env")
        if bare in self._values and bare not in self._asked:
            raise self.wrong(
                f"{bare} is a secret, and does not belong into a file: put it into an environment variable, "
                f'and its name here: {key} = "VARIABLE"'
            )
        variable = self.text(key)
        if variable and not self._environ.get(variable):
            raise self.wrong(f"{key} names the environment variable {variable}, which is not set")
        return self._environ.get(variable, "") if variable else ""

    def needed(self, *keys: str) -> None:
        """Refuse settings that have none of these."""
        if not any(key in self._values for key in keys):
            raise self.wrong(f"{' or '.join(keys)} is missing")

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                near = get_close_matches(key, self._asked, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(self._asked)}"
                raise self.wrong(f"there is no setting '{key}'; {hint}")

    def rest(self) -> dict[str, Any]:
        """What nobody has asked for yet."""
        return {key: value for key, value in self._values.items() if key not in self._asked}

    def wrong(self, message: str) -> PenstockError:
        """What is wrong with the notifier, as an error."""
        return PenstockError(f"notifier '{self.name}': {message}")

    def _get(self, key: str, default: T, is_right: Callable[[Any], bool], wanted: str) -> T:
        self._asked.append(key)
        if key not in self._values:
            return default
        value = self._values[key]
        if not is_right(value):
            raise self.wrong(f"{key} is not {wanted}")  # the value is not shown: it may be a secret in a wrong place
        return value  # type: ignore[no-any-return]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)
