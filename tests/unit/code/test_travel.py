"""Functions and arguments to bytes and back."""

from __future__ import annotations

import enum
import functools
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import Task, task
from penstock.code.travel import dumps, loads
from penstock.definition.placeholder import Output, ParameterPlaceholder, name_of, task_of
from penstock.errors import CannotTravel
from penstock.plan.naming import LOADED_FROM

lock = threading.Lock()


def elsewhere(data: bytes, program: str) -> str:
    """What a program prints that has what `data` stands for as `value`, in another process, without this module."""
    start = "import sys; from penstock.code.travel import loads; value = loads(sys.stdin.buffer.read())\n"
    done = subprocess.run([sys.executable, "-c", start + program], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def script(source: str, **names: object) -> types.ModuleType:
    """A module that was loaded from a FILE."""
    module = types.ModuleType("orders_script")
    setattr(module, LOADED_FROM, "/somewhere/orders_script.py")
    vars(module).update(names)
    sys.modules["orders_script"] = module
    exec(source, vars(module))
    return module


@pytest.fixture(autouse=True)
def no_script() -> Iterator[None]:
    yield
    sys.modules.pop("orders_script", None)


def local(number):
    return number + 1


@task
def decorated(number):
    return number + 2


class Place:
    def method(self):
        return "method"

    @task
    def decorated(self):
        return "decorated"


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.binary(), st.lists))
def test_plain_values_come_back(value):
    assert loads(dumps(value)) == value


def test_what_can_be_imported_comes_back_as_itself():
    for found in (local, decorated.func, Place.method, Place.decorated.func, len, Place):
        assert loads(dumps(found)) is found
    assert loads(dumps(decorated)).func is decorated.func


def test_what_can_be_imported_goes_by_name():
    assert len(dumps(local)) < 200
    assert len(dumps(decorated.func)) < 300
    assert b"lock" not in dumps(decorated.func)


def test_a_method_of_an_object():
    assert loads(dumps(Place().method))() == "method"
    assert loads(dumps(Place().decorated))() == "decorated"


def test_closures_lambdas_and_partials_go_by_value():
    around = 10
    func = functools.partial(lambda number, more: number + around + more, 5)
    assert elsewhere(dumps(func), "print(value(1))") == "16"


def test_what_a_script_defines_goes_by_value():
    """With all that it uses of the script; and the script is not imported, or run again."""
    module = script("factor = 3\ndef scale(n): return factor * n\ndef work(n): return scale(n) + 1")
    assert elsewhere(dumps(module.work), "print(value(2), 'orders_script' in sys.modules)") == "7 False"


def test_what_a_script_defines_takes_the_place_of_the_empty_module_that_stands_for_it():
    source = """
from dataclasses import dataclass
import enum
class Colour(enum.Enum):
    RED = 1
@dataclass
class Order:
    colour: Colour
    class Line: pass
def make(): return Order(Colour.RED), Order.Line()
"""
    program = """
import types
stand_in = sys.modules["orders_script"] = types.ModuleType("orders_script")
make = loads(data)
order, line = make()
assert stand_in.make is make and stand_in.Order is type(order) and stand_in.Colour.RED is order.colour
assert type(line).__qualname__ == "Order.Line" and not hasattr(stand_in, "Line")
print(order)
"""
    data = dumps(dumps(script(source).make))
    assert elsewhere(data, "data = value\n" + program) == "Order(colour=<Colour.RED: 1>)"


def test_what_is_there_is_not_replaced():
    module = script("def work(): return 1")
    before = module.work
    made = loads(dumps(module.work))
    assert made() == 1
    assert module.work is before


def test_a_name_that_now_means_something_else():
    module = script("def work(): return 1\nold = work\ndef work(): return 2")
    assert loads(dumps(module.old))() == 1
    assert elsewhere(dumps(module.old), "print(value())") == "1"


def test_a_function_that_calls_itself():
    module = script("def count(n): return n and 1 + count(n - 1)")
    assert elsewhere(dumps(module.count), "print(value(4))") == "4"


def test_cached_functions_and_properties_of_scripts():
    module = script(
        "import functools\n"
        "@functools.lru_cache(maxsize=7)\n"
        "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "class Row:\n"
        "    @functools.cached_property\n"
        "    def total(self): return fib(10)\n"
        "def work():\n"
        "    row = Row()\n"
        "    return row.total, vars(row), fib.cache_info().maxsize\n"
    )
    assert elsewhere(dumps(module.work), "print(value())") == "(55, {'total': 55}, 7)"
    assert elsewhere(dumps(module.fib), "print(value(20), value.cache_info().maxsize)") == "6765 7"


def test_one_class_stays_one():
    """Sent with a function, and sent with the exceptions after which it is tried again."""
    module = script("class Busy(Exception): pass\ndef fail(): raise Busy")
    both = dumps((dumps(module.fail), dumps(module.Busy)))
    program = "fail, busy = map(loads, value)\ntry:\n    fail()\nexcept busy:\n    print('caught')"
    assert elsewhere(both, program) == "caught"


def test_tasks_and_placeholders_arrive_as_names():
    upstream = Task("upstream", lock.acquire, args=(lock,))
    args = loads(dumps(([upstream], {"key": Output(upstream)}, ParameterPlaceholder("day"))))
    assert [type(args[0][0]), args[0][0].name] == [Task, "upstream"]
    assert task_of(args[1]["key"]).name == name_of(args[1]["key"]) == "upstream"
    assert name_of(args[2]) == "day"


# --- What cannot travel


class Holder:
    def __init__(self) -> None:
        self.inner = {"key": [1, lock]}

    def work(self) -> None:
        pass


def uses_lock():
    return lock


def closure_over(value):
    def closure():
        return value

    return closure


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (closure_over(lock), "the variable value around closure_over.<locals>.closure(), a lock"),
        (closure_over(closure_over(lock)), "the variable value around closure_over.<locals>.closure()"),
        (Holder().work, "the object of its method work(): attribute inner: item 'key': item 1, a lock"),
        (functools.partial(local, lock), "its argument 1, a lock"),
        ([1, {"key": lock}], "item 1: item 'key', a lock"),
        ((number for number in range(3)), "it, a generator, cannot"),
        (memoryview(b"bytes"), "it, a memoryview, cannot"),
    ],
)
def test_the_error_names_what_is_in_the_way(value, words):
    with pytest.raises(CannotTravel) as caught:
        dumps(value)
    assert words in str(caught.value)


def test_globals_and_defaults_of_scripts_are_named():
    module = script("def uses(): return lock\ndef has(key=lock): pass", lock=lock)
    with pytest.raises(CannotTravel, match=r"the global lock that uses\(\) uses, a lock"):
        dumps(module.uses)
    with pytest.raises(CannotTravel, match=r"a default of has\(\), a lock"):
        dumps(module.has)
    assert loads(dumps(uses_lock))() is lock


def test_an_open_file_is_not_turned_into_a_copy(tmp_path):
    with (tmp_path / "file").open("w+") as file, pytest.raises(CannotTravel, match="a TextIOWrapper"):
        dumps(closure_over(file))


def test_whatever_a_value_raises():
    class Wild:
        def __reduce__(self):
            raise RuntimeError("wild")

        def __repr__(self):
            raise RuntimeError("wilder")

    for value in (Wild(), [Wild()], functools.partial(local, Wild()), {Wild(): Wild()}):
        with pytest.raises(CannotTravel):
            dumps(value)


def test_what_is_too_deep():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CannotTravel, match="deep recursion"):
        dumps(deep)


def test_what_cannot_be_made_here():
    module = types.ModuleType("never_importable")
    sys.modules["never_importable"] = module
    exec("def work(): pass", vars(module))
    data = dumps(module.work)
    del sys.modules["never_importable"]
    with pytest.raises(CannotTravel, match=r"never_importable.*must be importable there"):
        loads(data)
    with pytest.raises(CannotTravel):
        loads(b"no pickle")


@dataclass
class Row:
    number: int


class Kind(enum.Enum):
    ONE = 1


@given(st.builds(Row, st.integers()), st.sampled_from(Kind))
def test_objects_come_back(row, kind):
    assert loads(dumps((row, kind))) == (row, kind)
