"""How it is taken what a body does: what it returns, skips, or raises. It travels to wherever the body runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from penstock.errors import CannotTravel, Fail, ParameterError, Skip, ValueUnavailable
from penstock.plan.arguments import misfit
from penstock.plan.choices import ChoiceError, Choices
from penstock.policy import Decides, Done, RetryRule

if TYPE_CHECKING:
    from penstock.executor.current import Current
    from penstock.executor.decisions import Asks

_HOPELESS = (ValueUnavailable, CannotTravel, Fail, ChoiceError, ParameterError)
"""After these no other attempt would end better."""


@dataclass(frozen=True, slots=True)
class Handling:
    """How one task's body is handled."""

    retry_on: Any = Exception
    retry_policy: tuple[RetryRule, ...] = ()
    run_if: Callable[..., Any] | None = None
    skip_if: Callable[..., Any] | None = None
    decides: Decides = ""
    choices: Choices | None = None
    polls: bool = False
    """Whether it is a sensor."""
    asks: Asks | None = None
    """What it asks of a person first, if it is an approval."""
    runs_workflow: bool = False
    """Whether it runs a workflow: then there is no body to send anywhere, since the process that drives does it."""

    @classmethod
    def of(
        cls,
        options: Mapping[str, Any],
        decides: Decides,
        choices: Choices | None,
        *,
        polls: bool,
        asks: Asks | None = None,
        runs_workflow: bool = False,
    ) -> Handling:
        """By the options of a task."""
        return cls(
            options.get("retry_on", Exception),
            tuple(options.get("retry_policy", ())),
            options.get("run_if"),
            options.get("skip_if"),
            decides,
            choices,
            polls,
            asks,
            runs_workflow,
        )

    def check(self, attempt: Current) -> None:
        """Skip, if the body is not to run."""
        if self.run_if is not None and not _ask(self.run_if, attempt):
            raise Skip("run_if says no")
        if self.skip_if is not None and _ask(self.skip_if, attempt):
            raise Skip("skip_if says so")

    def seen(self, value: Any) -> Any:
        """The value of a task whose body has returned this; EARLY if a sensor has not seen what it waits for. Fail for
        what a sensor cannot have meant."""
        if not self.polls or value is True:
            return value
        if value is None or value is False:
            return EARLY
        if isinstance(value, Done):
            return value.value
        raise Fail(
            f"a sensor returned a {type(value).__qualname__}; it returns True or Done(value) when it has seen what it "
            "waits for, and False or None when it has not"
        )

    def chosen(self, value: Any) -> tuple[int, ...] | None:
        """The rows that are followed after the body has returned this; None for all. ChoiceError for what a branch
        cannot have meant."""
        if self.decides == "branch" and self.choices is not None:
            return self.choices.follow(value)
        if self.decides == "short_circuit" and not value:
            return ()
        return None

    def after(self, error: BaseException) -> tuple[bool, float | None]:
        """Whether an error lets another attempt follow, and after how many seconds, if it has a pause of its own."""
        if isinstance(error, _HOPELESS):
            return False, None
        for rule in self.retry_policy:
            if isinstance(error, rule.exception):
                delay = rule.delay
                return rule.retry, delay.total_seconds() if isinstance(delay, timedelta) else delay
        return isinstance(error, self.retry_on), None


PLAIN = Handling()
EARLY = object()
"""What a sensor gives that has to look again."""


def _ask(condition: Callable[..., Any], attempt: Current) -> Any:
    """Call a condition, with the attempt if it takes something."""
    return condition() if misfit(condition, (), None) is None else condition(attempt)
