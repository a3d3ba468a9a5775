"""Pickling what scripts define: programs that are run, or loaded from their file, and not imported by name.

Pickle names a class or a function by its module, and imports the module to read it. For those of a script neither will
do: it is `__main__` where it is run and another module where it is loaded, worker processes do not have it at all, and
importing it may start a run. So they are written by name and by value: the reader takes the one of the same script
where that is run or loaded in its process, so that `isinstance` and `is` hold, and else the copy.

A script is known by its label, see `penstock.code.identity.module_label`. A copy that travels on keeps its label.
"""

from __future__ import annotations

import pickle
import sys
import zlib
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from penstock.errors import PenstockError
from penstock.plan.naming import LOADED_FROM, module_label

PROTOCOL = 5
"""Of every pickle here: the newest that all supported versions of Python read."""

_copies: WeakKeyDictionary[Any, bytes | None] = WeakKeyDictionary()
"""Classes and functions by value, pickled and compressed once; None where that cannot be done."""
_labels: dict[str, str] = {}
"""Module of copies that were read here -> label of the script they are from."""


def reduce_script_object(found: Any) -> Any:
    """A pickler's `reducer_override` for classes and functions of scripts; NotImplemented for everything else."""
    if not isinstance(found, (type, FunctionType)) or "<" in found.__qualname__:
        return NotImplemented
    module, name = found.__module__, found.__qualname__
    if _lookup(sys.modules.get(module), name) is found:
        if not _is_script(module):
            return NotImplemented
        label = module_label(module)
    elif module in _labels or module not in sys.modules:
        label = _labels.get(module, module)
    elif _is_script(module):
        label = name = ""  # the script has given its name to something else
    else:
        return NotImplemented
    if found not in _copies:
        _copies[found] = _copy(found)
    copy = _copies[found]
    return NotImplemented if copy is None else (script_object, (label, name, copy))


def script_object(label: str, qualname: str, copy: bytes) -> Any:
    """The class or function of this name in the script with this label, or else the copy. Stored pickles name this
    function: it must stay where it is."""
    found = _lookup(_script(label), qualname)
    if isinstance(found, (type, FunctionType)):
        return found
    copied = pickle.loads(zlib.decompress(copy))
    if label:
        _labels[copied.__module__] = label
        copied.__qualname__ = qualname  # cloudpickle forgets in which class a class was defined
    return copied


def _is_script(module: str) -> bool:
    return module == "__main__" or hasattr(sys.modules.get(module), LOADED_FROM)


def _script(label: str) -> ModuleType | None:
    # Run or loaded under its own name, if it can be; the search is for names that were taken.
    for module in ("__main__", label, *sys.modules.copy()):
        if module in sys.modules and _is_script(module) and module_label(module) == label:
            return sys.modules[module]
    return None


def _lookup(place: Any, qualname: str) -> Any:
    for name in qualname.split("."):
        place = getattr(place, name, None)
    return place


def _copy(found: Any) -> bytes | None:
    import cloudpickle

    module = sys.modules.get(found.__module__)
    try:
        if module is not None:
            cloudpickle.register_pickle_by_value(module)
        return zlib.compress(cloudpickle.dumps(found, PROTOCOL))
    except (PenstockError, MemoryError):
        raise
    except Exception:
        return None
