"""Values whose types a script defines, between processes that run the script, load it from its file, or do neither."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import enum, sys
from dataclasses import dataclass
from pathlib import Path

from penstock import workflow
from penstock.engine.events import ValueRef
from penstock.results.files import FileResults
from penstock.results.values import load_value, store_value

FACTOR = 2

class Colour(enum.Enum):
    RED = 1

@dataclass
class Order:
    id: int
    colour: Colour

    class Line:
        pass

    def doubled(self):
        return Order(FACTOR * self.id, self.colour)

def double(order):
    return order.doubled()

@workflow
def flow():
    pass

def store(path):
    values = [Order(5, Colour.RED), Colour.RED, double, Order.Line(), Order, lambda: FACTOR]
    ref = store_value(values, FileResults(Path("results")))
    path.write_text(repr(tuple(ref)))

def check(path):
    values = load_value(ValueRef(*eval(path.read_text())), FileResults(Path("results")))
    order, colour, function, line, kind, two = values
    assert isinstance(order, Order) and order == Order(5, Colour.RED)
    assert colour is Colour.RED and order.colour is Colour.RED
    assert function is double and kind is Order and isinstance(line, Order.Line)
    assert two() == 2
    print("as defined here")

if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
"""
LOADED = """
import sys
from pathlib import Path
from penstock.runtime.loader import load

loaded = load("orders.py")
getattr(sys.modules["orders"], sys.argv[1])(Path(sys.argv[2]))
"""
ELSEWHERE = """
import sys
from pathlib import Path
from penstock.engine.events import ValueRef
from penstock.results.files import FileResults
from penstock.results.values import load_value, store_value

class Colour:
    "Another script's, of the same name."

results = FileResults(Path("results"))
values = load_value(ValueRef(*eval(Path(sys.argv[2]).read_text())), results)
ref = store_value(values, results)
again = load_value(ref, results)
Path(sys.argv[2]).write_text(repr(tuple(ref)))
for order, colour, function, line, kind, two in (values, again):
    assert isinstance(order, kind) and isinstance(line, kind.Line) and order.id == 5
    assert order.colour is colour and colour.name == "RED"
    assert function(order) == order.doubled() and order.doubled().id == 10 and two() == 2
assert "orders" not in sys.modules
print("as a copy")
"""


def play(role: str, action: str, folder: Path) -> str:
    """Run the script, load it, or do neither, in a process of its own."""
    (folder / "orders.py").write_text(SCRIPT)
    program = ["orders.py"] if role == "runs" else ["-c", LOADED if role == "loads" else ELSEWHERE]
    command = [sys.executable, *program, action, "ref.txt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("writer", ["runs", "loads"])
@pytest.mark.parametrize("reader", ["runs", "loads"])
def test_a_script_gets_its_values_back_as_its_own_types(tmp_path, writer, reader):
    play(writer, "store", tmp_path)
    assert play(reader, "check", tmp_path) == "as defined here\n"


@pytest.mark.parametrize("writer", ["runs", "loads"])
def test_without_the_script_its_types_come_as_copies(tmp_path, writer):
    """And the script, which may start a run when it is imported, is not. What such a process stores, as workers do, the
    script gets back as its own."""
    play(writer, "store", tmp_path)
    for _ in range(2):
        assert play("does neither", "pass on", tmp_path) == "as a copy\n"
    for reader in ("runs", "loads"):
        assert play(reader, "check", tmp_path) == "as defined here\n"


REDEFINED = """
from penstock.results.memory import MemoryResults
from penstock.results.values import load_value, store_value

class Order:
    version = 1

old = Order()

class Order:
    version = 2

def double(number):
    return 2 * number

inner = double

def double(number):
    return inner(number) + 1

orders = load_value(store_value([old, Order(), Order], MemoryResults()), MemoryResults())
assert [order.version for order in orders] == [1, 2, 2] and type(orders[1]) is Order
functions = load_value(store_value([inner, double], MemoryResults()), MemoryResults())
assert [function(5) for function in functions] == [10, 11]
"""


def test_a_name_that_was_given_away_is_not_mistaken():
    """As names are in notebooks, and by decorators."""
    subprocess.run([sys.executable, "-c", REDEFINED], check=True)


COMPUTING = """
from dataclasses import dataclass
from penstock.results.memory import MemoryResults
from penstock.results.values import load_value, store_value

@dataclass
class Order:
    id: int

refs = [store_value(Order(number), MemoryResults()) for number in range(100)]
assert [load_value(ref, MemoryResults()) for ref in refs] == [Order(number) for number in range(100)]
print(max(ref.size for ref in refs))
"""


def test_values_of_a_program_read_from_stdin_fit_into_the_journal():
    done = subprocess.run([sys.executable], input=COMPUTING, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 4_096
