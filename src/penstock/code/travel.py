"""Functions and arguments on their way to other processes of this run.

What a module defines that the other process can import goes by name. What a script defines goes by value: a script is
`__main__`, or was loaded from a FILE, or was typed at a prompt or in a notebook, and running it again over there might
start its run again.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from penstock.definition.task import Task
from penstock.errors import CannotTravel
from penstock.plan.naming import LOADED_FROM

_PROTOCOL = 5
_CachedFunction = type(functools.cache(len))


def dumps(value: Any) -> bytes:
    """What `loads` makes the value of in another process. A task in it arrives as no more than its name, to stand for
    its value. CannotTravel, which says what is in the way, if that cannot be done."""
    file = io.BytesIO()
    try:
        _pickler()(file, _PROTOCOL).dump(value)
    except Exception as error:  # whatever the value's own methods raise
        raise CannotTravel(f"{_obstacle(value)} ({type(error).__name__}: {error})") from error
    return file.getvalue()


def loads(data: bytes) -> Any:
    """The value that `dumps` was given. CannotTravel if it cannot be made in this process. This may run any code."""
    try:
        return pickle.loads(data)
    except Exception as error:
        hint = "; it must be importable there as it is here" if isinstance(error, (ImportError, AttributeError)) else ""
        raise CannotTravel(f"{type(error).__name__}: {error}{hint}") from error


@functools.cache
def _pickler() -> Any:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """cloudpickle's, but it knows of scripts other than `__main__`, and of names that decorators took over."""

        def reducer_override(self, found: Any) -> Any:
            reduced = _reduce(found)
            if reduced is not NotImplemented:
                return reduced
            if not isinstance(found, (type, FunctionType)) or not _is_script(found.__module__):
                return super().reducer_override(found)
            if found.__module__ != "__main__":  # which cloudpickle knows for a script
                cloudpickle.register_pickle_by_value(sys.modules[found.__module__])
            return _definition(found, super().reducer_override(found))

    return Pickler


def _reduce(found: Any) -> Any:
    """What is written in another way than cloudpickle's; NotImplemented for everything else."""
    if isinstance(found, Task):
        return Task, (found.name, None)
    if isinstance(found, (io.TextIOWrapper, memoryview)):  # cloudpickle would send a copy of what is in it
        raise pickle.PicklingError(f"a {type(found).__name__} belongs to its process")
    if isinstance(found, _CachedFunction) and _is_script(found.__module__):
        return cached_function, (found.__wrapped__, found.cache_parameters())
    if isinstance(found, functools.cached_property):  # before Python 3.12 it has a lock
        return cached_property, (found.func, found.attrname)
    if isinstance(found, (type, FunctionType)) and not _is_script(found.__module__):
        depth = _depth(sys.modules.get(found.__module__), found)
        return (named_function, (found.__module__, found.__qualname__, depth)) if depth else NotImplemented
    return NotImplemented


def _is_script(module: str) -> bool:
    return module == "__main__" or hasattr(sys.modules.get(module), LOADED_FROM)


def cached_function(func: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """A function with `functools.cache` or `lru_cache`, anew."""
    return functools.lru_cache(**parameters)(func)


def cached_property(func: Callable[[Any], Any], name: str) -> functools.cached_property[Any]:
    """A `functools.cached_property`, anew."""
    made = functools.cached_property(func)
    made.attrname = name
    return made


def _definition(found: Any, reduced: Any) -> Any:
    """What a pickler writes for something that a script defines: what it would, with its name in the script."""
    named = _attribute(sys.modules.get(found.__module__), found.__qualname__) is found
    if not named or not isinstance(reduced, tuple) or len(reduced) != 6:
        return reduced
    make, args, state, items, pairs, set_state = reduced
    return make, args, (found.__module__, found.__qualname__, set_state, state), items, pairs, define


def define(made: Any, told: tuple[str, str, Callable[[Any, Any], None], Any]) -> None:
    """Complete a copy of something that a script defines, and put it in its place if an empty module stands for the
    script in this process: what is pickled here is to say where it is from."""
    module, qualname, set_state, state = told
    set_state(made, state)
    made.__qualname__ = qualname  # cloudpickle forgets in which class a class was defined
    script = sys.modules.get(module)
    if script is not None and "." not in qualname and not hasattr(script, qualname):
        setattr(script, qualname, made)


def named_function(module: str, qualname: str, depth: int) -> Any:
    """The function that lies `depth` decorators under a name of a module."""
    __import__(module)
    found = _attribute(sys.modules[module], qualname)
    for _ in range(depth):
        found = found.__wrapped__
    return found


def _depth(module: Any, func: Any) -> int:
    """Under how many decorators a function lies that has its name in its module, as that of an `@task` does; 0 if it is
    not found there so, or is what the name itself means."""
    found = _attribute(module, func.__qualname__)
    for depth in range(100):
        if found is func or found is None:
            return depth if found is func else 0
        found = getattr(found, "__wrapped__", None)
    return 0


def _attribute(module: Any, qualname: str) -> Any:
    found = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


# --- What is in the way


def _obstacle(value: Any) -> str:
    """The smallest part found of a value that cannot travel, in words."""
    words = "it"
    for _ in range(8):
        found = next(((part, name) for name, part in _parts(value) if not _travels(part)), None)
        if found is None:
            break
        value, name = found
        words = f"{words}: {name}" if words != "it" else name
    return f"{words}, a {type(value).__qualname__}, cannot be pickled"


def _travels(value: Any) -> bool:
    try:
        _pickler()(io.BytesIO(), _PROTOCOL).dump(value)
    except Exception:
        return False
    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value is made of, each with its name."""
    if isinstance(value, FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(value, functools.partial):
        yield "its function", value.func
        yield from ((f"its argument {number}", item) for number, item in enumerate(value.args, 1))
        yield from ((f"its argument {name}", item) for name, item in value.keywords.items())
    elif hasattr(value, "__func__"):
        yield f"the object of its method {value.__name__}()", value.__self__
    elif isinstance(value, dict):
        yield from ((f"item {key!r:.40}" if isinstance(key, str) else "an item", item) for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"item {number}", item) for number, item in enumerate(value))
    elif isinstance(getattr(value, "__dict__", None), dict) and not isinstance(value, type):
        yield from ((f"attribute {name}", item) for name, item in vars(value).items())


def _parts_of_function(func: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    import inspect

    used = inspect.getclosurevars(func)
    yield from ((f"the variable {name} around {func.__qualname__}()", item) for name, item in used.nonlocals.items())
    yield from ((f"the global {name} that {func.__qualname__}() uses", item) for name, item in used.globals.items())
    yield from ((f"a default of {func.__qualname__}()", item) for item in func.__defaults__ or ())
