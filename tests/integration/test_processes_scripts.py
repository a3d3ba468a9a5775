"""Programs that run their workflow in worker processes, however they are started: they run once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

SCRIPT = """
import enum, os
from dataclasses import dataclass
from penstock import Task, WorkflowManager, task, workflow

print("the program runs")
FACTOR = 3
RATES = {}

class Colour(enum.Enum):
    RED = 1

@dataclass
class Order:
    id: int
    colour: Colour

class Busy(Exception):
    pass

def scaled(number):
    return FACTOR * number

@task
def extract(count):
    RATES["here"] = os.getpid()
    return [Order(scaled(number), Colour.RED) for number in range(count)]

@task(retries=1, retry_on=Busy)
def transform(orders):
    from penstock import current
    if current().attempt == 1:
        raise Busy("once")
    assert all(isinstance(order, Order) and order.colour is Colour.RED for order in orders)
    return {"ids": [order.id for order in orders], "last": orders[-1], "kind": Order}

@task
def load(rows, *, worker=None):
    assert isinstance(rows["last"], rows["kind"]) and rows["kind"] is Order
    print("loaded", rows["ids"], "elsewhere" if os.getpid() != int(os.environ["DRIVER"]) else "here")
    return rows["last"]

@workflow
def flow(count: int = 3):
    load(transform(extract(count)))

os.environ["DRIVER"] = str(os.getpid())
manager = WorkflowManager("sqlite", executor="processes", workers=2, observers=[])
run = manager.run(flow)
last = run.task("load").result
assert isinstance(last, Order) and last == Order(6, Colour.RED) and last.colour is Colour.RED
assert RATES == {}
print(run.state, run.task("transform").attempts)
"""
OUTPUT = "the program runs\nloaded [0, 3, 6] elsewhere\nsuccess 2\n"


def play(*command: str, program: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *command], input=program, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_script_without_a_guard():
    Path("orders.py").write_text(SCRIPT)
    assert play("orders.py") == OUTPUT


def test_a_program_from_standard_input():
    assert play("-", program=SCRIPT) == OUTPUT


def test_a_program_in_an_argument():
    assert play("-c", SCRIPT) == OUTPUT


def test_a_package_with_a_main():
    Path("orders").mkdir()
    Path("orders/__init__.py").touch()
    Path("orders/__main__.py").write_text(SCRIPT)
    assert play("-m", "orders") == OUTPUT


def test_a_script_with_modules_beside_it():
    Path("programs").mkdir()
    Path("programs/beside.py").write_text("TABLE = {}\ndef add(a, b): return a + b + len(TABLE)\n")
    Path("programs/script.py").write_text(
        "import beside\n"
        "from penstock import Task, WorkflowManager\n"
        "manager = WorkflowManager('memory', executor='processes', observers=[])\n"
        "manager.add_task(Task('add', beside.add, args=(1, 2)))\n"
        "manager.add_task(Task('again', lambda: beside.add(3, 4)))\n"
        "run = manager.run()\n"
        "print([task.result for task in run.tasks])\n"
    )
    assert play("programs/script.py") == "[3, 7]\n"


def test_a_file_that_is_loaded():
    """And not run: what it prints, it prints once, in the process that loads it."""
    Path("orders.py").write_text(SCRIPT)
    program = (
        "import os; os.environ['DRIVER'] = str(os.getpid())\n"
        "from penstock import WorkflowManager\n"
        "manager = WorkflowManager('sqlite', executor='processes', observers=[])\n"
        "run = manager.run_file('orders.py')\n"
        "import orders\n"
        "assert run.task('load').result == orders.Order(6, orders.Colour.RED)\n"
        "print(run.state, run.task('transform').attempts)\n"
    )
    assert play("-c", program) == OUTPUT


def test_a_run_that_a_script_began_is_resumed_from_its_file():
    """The values that workers made are the script's own types there too."""
    script = SCRIPT.replace('print("loaded"', 'os.environ["BROKEN"]; print("loaded"')
    script = script.replace("run = manager.run(flow)", "manager.run(flow, raise_on_failure=False); exit()")
    Path("orders.py").write_text(script)
    assert play("orders.py") == "the program runs\n"
    program = (
        "import os; os.environ['DRIVER'] = str(os.getpid()); os.environ['BROKEN'] = 'no more'\n"
        "from penstock import WorkflowManager\n"
        "run = WorkflowManager('sqlite', executor='processes', observers=[]).resume()\n"
        "print(run.state, run.task('transform').attempts)\n"
    )
    assert play("-c", program) == OUTPUT


@pytest.mark.parametrize("option", [[], ["-O"], ["-X", "utf8=0"]])
def test_workers_are_interpreters_like_the_drivers(option):
    program = (
        "import sys\n"
        "from penstock import Task, WorkflowManager\n"
        "manager = WorkflowManager('memory', executor='processes', observers=[])\n"
        "look = lambda: (tuple(sys.flags), sys.argv, sys.path, sys.prefix, sys._xoptions)\n"
        "manager.add_task(Task('look', look))\n"
        "print(manager.run().task('look').result == look())\n"
    )
    assert play(*option, "-c", program, "an argument") == "True\n"


def test_a_body_may_use_multiprocessing():
    Path("script.py").write_text(
        "import multiprocessing\n"
        "from penstock import Task, WorkflowManager\n"
        "print('the program runs')\n"
        "def double(number):\n"
        "    return 2 * number\n"
        "def work(method):\n"
        "    with multiprocessing.get_context(method).Pool(2) as pool:\n"
        "        return pool.map(double if method == 'fork' else abs, [1, 2])\n"
        "manager = WorkflowManager('memory', executor='processes', observers=[])\n"
        "for method in ('fork', 'spawn', 'forkserver'):\n"
        "    manager.add_task(Task(method, work, args=(method,)))\n"
        "print([task.result for task in manager.run().tasks])\n"
    )
    assert play("script.py") == "the program runs\n[[2, 4], [1, 2], [1, 2]]\n"


def test_a_notebook():
    cells = SCRIPT.split("\n\n")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", timeout=100).execute()
    shown = "".join(output["text"] for cell in notebook.cells for output in cell.outputs)
    assert shown == OUTPUT
