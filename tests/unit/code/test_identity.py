"""What a callable is called, and the digest of what it does."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock import task
from penstock.code.identity import Identify

HERE = __name__


def function_of(source: str, name: str = "f") -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": "flows"}
    exec(source, namespace)
    return namespace[name]


def digest(source: str, name: str = "f") -> str:
    return Identify()(function_of(source, name))[1]


BASE = "def f(x):\n    return x + 1"

SAME: dict[str, str] = {
    "comment": "def f(x):\n    # one more\n    return x + 1",
    "moved": "\n\n\n" + BASE,
    "blank lines": "def f(x):\n\n    return x + 1",
    "brackets": "def f(x):\n    return (x + 1)",
    "annotations": "def f(x: int) -> int:\n    return x + 1",
}

OTHER: dict[str, str] = {
    "constant": "def f(x):\n    return x + 2",
    "constant of another type": "def f(x):\n    return x + 1.0",
    "operator": "def f(x):\n    return x - 1",
    "name": "def f(x):\n    return y + 1",
    "attribute": "def f(x):\n    return x.a + 1",
    "inner function": "def f(x):\n    def g(): return 2\n    return x + 1",
    "generator": "def f(x):\n    yield x + 1",
    "async": "async def f(x):\n    return x + 1",
    "more arguments": "def f(x, y=1):\n    return x + 1",
}


@pytest.mark.parametrize("kind", SAME)
def test_what_does_the_same_has_one_digest(kind: str) -> None:
    assert digest(SAME[kind]) == digest(BASE)


@pytest.mark.parametrize("kind", OTHER)
def test_what_does_something_else_has_another_digest(kind: str) -> None:
    assert digest(OTHER[kind]) != digest(BASE)


def test_a_change_in_an_inner_function_is_seen() -> None:
    one = digest("def f():\n    def g():\n        return [x for x in (1, 2)]\n    return g")
    other = digest("def f():\n    def g():\n        return [x for x in (1, 3)]\n    return g")
    assert one != other


def test_a_default_that_changed_is_seen() -> None:
    assert digest("def f(x=1):\n    return x") != digest("def f(x=2):\n    return x")


def test_the_digest_is_the_same_in_every_process(tmp_path: Path) -> None:
    file = tmp_path / "flows.py"
    file.write_text(
        "from penstock.code.identity import Identify\n"
        "def f(x):\n    return x in {'a', 'b', 'c'} or {n for n in 'abc'}\n"
        "print(Identify()(f))\n"
    )
    seen = set()
    for hash_seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, str(file)], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        seen.add(done.stdout)
    assert len(seen) == 1


def plain(x: int) -> int:
    return x


class Source:
    def read(self) -> int:
        return 1

    @classmethod
    def of_class(cls) -> int:
        return 2

    @staticmethod
    def static() -> int:
        return 3

    def __call__(self) -> int:
        return 4


NAMES: list[tuple[Callable[..., Any], str]] = [
    (plain, f"{HERE}:plain"),
    (task(plain), f"{HERE}:plain"),
    (functools.partial(plain, 1), f"{HERE}:plain"),
    (functools.partial(task(plain), 1), f"{HERE}:plain"),
    (Source().read, f"{HERE}:Source.read"),
    (Source.of_class, f"{HERE}:Source.of_class"),
    (Source.static, f"{HERE}:Source.static"),
    (Source(), f"{HERE}:Source"),
    (Source, f"{HERE}:Source"),
    (len, "builtins:len"),
    (str, "builtins:str"),
]


@pytest.mark.parametrize(("func", "name"), NAMES, ids=range(len(NAMES)))
def test_a_callable_goes_by_its_module_and_qualified_name(func: Callable[..., Any], name: str) -> None:
    assert Identify()(func)[0] == name


def test_a_script_is_called_after_its_file_whether_it_is_run_or_loaded(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.py"
    file.write_text(
        "from penstock import Task, WorkflowManager\n"
        "def extract(): return 1\n"
        "manager = WorkflowManager('memory')\n"
        "manager.add_task(Task('extract', extract))\n"
        "if __name__ == '__main__':\n"
        "    print(manager.compile().functions[0])\n"
    )
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout == "pipeline:extract\n"
    from penstock.runtime.loader import load

    flow: Any = load(str(file)).flow
    assert Identify()(flow.tasks[0].func)[0] == "pipeline:extract"


def test_what_has_no_code_in_python_has_no_digest() -> None:
    assert Identify()(len)[1] == ""


def test_methods_objects_and_wrapped_functions_have_the_digest_of_their_code() -> None:
    identify = Identify()
    assert identify(task(plain))[1] == identify(plain)[1] == identify(functools.partial(plain))[1] != ""
    assert identify(functools.partial(plain, 1)) != identify(functools.partial(plain, 2))
    assert identify(Source().read)[1] == identify(Source.read)[1] != ""
    assert identify(Source())[1] == identify(Source.__call__)[1] != ""


def test_a_decorator_that_keeps_its_function_known_does_not_hide_a_change() -> None:
    def logged(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def inner(*args: Any) -> Any:
            return func(*args)

        return inner

    one, other = (logged(function_of(f"def f(x):\n    return x + {n}")) for n in (1, 2))
    assert Identify()(one)[0] == Identify()(other)[0] == "flows:f"
    assert Identify()(one)[1] != Identify()(other)[1]
