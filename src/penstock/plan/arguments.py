"""What a function takes: whether it can be called as it will be, without calling it, and what it does without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect import Parameter, Signature


def misfit(
    func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None, *, partly: bool = False
) -> str | None:
    """Why the arguments do not fit; None if they do, or if the function does not tell what it takes. `partly`: these
    are not all of them."""
    if not kwargs and not partly and surely_fits(func, args):
        return None
    wanted = _signature(func)
    if wanted is None:
        return None
    bind = wanted.bind_partial if partly else wanted.bind
    try:
        bind(*args, **(kwargs or {}))
    except TypeError as error:
        return f"{getattr(func, '__name__', 'the function')}{wanted}: {error}"
    return None


def is_async(func: Callable[..., Any]) -> bool:
    """Whether a call gives a coroutine, which does nothing until somebody awaits it."""
    from inspect import iscoroutinefunction

    func = getattr(func, "__wrapped__", func)
    return iscoroutinefunction(func) or iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004


def indispensable(func: Callable[..., Any], places: Iterable[int | str]) -> list[str]:
    """Those of the parameters at these places (a position, or a name) that the function cannot do without: they have no
    default. `*args` and `**kwargs` are like a list and a dict, in which None stands for what is missing."""
    wanted = _signature(func)
    if wanted is None:
        return []
    found = [_parameter_at(wanted, place) for place in places]
    return [parameter.name for parameter in found if parameter is not None and parameter.default is parameter.empty]


def fill_gaps(
    func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], is_gap: Callable[[Any], bool]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with the parameters' defaults in the place of gaps; None where there is no default."""
    if not any(map(is_gap, args)) and not any(map(is_gap, kwargs.values())):
        return tuple(args), dict(kwargs)
    wanted = _signature(func)

    def filled(place: int | str, value: Any) -> Any:
        if not is_gap(value):
            return value
        parameter = None if wanted is None else _parameter_at(wanted, place)
        return None if parameter is None or parameter.default is parameter.empty else parameter.default

    return (
        tuple(filled(place, value) for place, value in enumerate(args)),
        {name: filled(name, value) for name, value in kwargs.items()},
    )


def parameter_names(func: Callable[..., Any]) -> list[str] | None:
    """The parameters that can be given by name; None if it takes any, or does not tell."""
    wanted = _signature(func)
    if wanted is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in wanted.parameters.values()):
        return None
    kinds = ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")
    return [parameter.name for parameter in wanted.parameters.values() if parameter.kind.name in kinds]


def by_name(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by the names of their parameters, defaults included, as far as the function tells."""
    wanted = _signature(func)
    if wanted is None:
        return dict(kwargs)
    bound = wanted.bind_partial(*args, **kwargs)
    bound.apply_defaults()
    return {**bound.arguments, **kwargs}


def _signature(func: Callable[..., Any]) -> Signature | None:
    from inspect import signature

    try:
        return signature(func)
    except (ValueError, TypeError):
        return None


def _parameter_at(wanted: Signature, place: int | str) -> Parameter | None:
    """The parameter of its own that an argument has; `*args` and `**kwargs` are none."""
    if isinstance(place, str):
        named = wanted.parameters.get(place)
        return named if named is not None and named.kind in (named.POSITIONAL_OR_KEYWORD, named.KEYWORD_ONLY) else None
    parameters = wanted.parameters.values()
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return positional[place] if place < len(positional) else None


def surely_fits(func: Any, args: Any) -> bool:
    """Whether it is plain that a function takes these, and nothing by name: the common case, a hundred times faster
    than a signature."""
    if type(func) is not FunctionType or type(args) not in (tuple, list):
        return False
    code, given = func.__code__, len(args)
    most = code.co_argcount
    if given > most or code.co_kwonlyargcount or hasattr(func, "__wrapped__"):
        return False
    return given == most or given + len(func.__defaults__ or ()) >= most
