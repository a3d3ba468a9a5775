"""An error whose exception is still there."""

from __future__ import annotations

from contextlib import suppress
from traceback import clear_frames

from penstock.policy import ErrorText

MOST_CAUGHT = 16
"""How many exceptions of a run are held as the very objects: nobody knows what they hold themselves."""


class CaughtError(ErrorText):
    """An error with the very exception, in the process in which it was raised. It is kept as any other."""

    exception: BaseException

    @classmethod
    def of(cls, text: ErrorText, exception: BaseException) -> CaughtError:
        """The text, and with it the exception, which lets go of what the functions in its traceback had."""
        caught = cls(*text)
        caught.exception = exception
        with suppress(BaseException):  # of an exception, everything is the user's code
            _let_go(exception)
        return caught


def _let_go(error: BaseException) -> None:
    """Clear the frames of an exception and of all that led to it: else the values of a body that has failed would stay
    in memory as long as its run."""
    found: list[BaseException] = [error]
    for one in found:
        clear_frames(one.__traceback__)
        led = [one.__cause__, one.__context__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]
        found += [other for other in led if other is not None and all(other is not seen for seen in found)]
