"""The documentation is true: its examples run as shown, pass mypy, and name what there is."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import click
import pytest

import penstock
from penstock import Run, Task, TaskRun, Workflow, WorkflowManager, chain, errors
from penstock.cli.group import COMMANDS, root
from penstock.definition.task import TaskOptions
from penstock.executor.current import Current
from penstock.runtime.home import Settings
from tests.acceptance import law_table
from tests.acceptance.pages import DOCS, README, ROOT, blocks
from tests.acceptance.state_diagram import draw
from tests.acceptance.terminals import Player


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_examples_run_and_show_what_the_page_says(page: Path, tmp_path: Path) -> None:
    problems = Player(page, tmp_path).play()
    assert not problems, problems[0]


def test_examples_pass_mypy_in_strict_mode(tmp_path: Path) -> None:
    for name, text in modules().items():
        (tmp_path / name).write_text(text, "utf-8")
    mypy = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml", tmp_path],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": f"{tmp_path}:src"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert mypy.returncode == 0, mypy.stdout + mypy.stderr


def modules() -> dict[str, str]:
    """The Python of all pages as files: one for what is typed at a page's prompt, one for each file that the reader
    writes. Another file of the same name gets a number."""
    files: dict[str, str] = {}
    for page in [README, *DOCS]:
        prompt = "".join(block.text for block in blocks(page) if block.kind == "python" and not block.title)
        files["prompt_" + re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix(""))) + ".py"] = prompt
        for block in blocks(page):
            if block.kind == "python" and block.title:
                versions = (block.title, *(block.title.replace(".py", f"_{number}.py") for number in range(2, 99)))
                files[next(name for name in versions if files.get(name, block.text) == block.text)] = block.text
    return files


def test_the_picture_of_task_states_is_that_of_the_engines_table() -> None:
    picture = ROOT / "docs" / "images" / "task-states.svg"
    assert picture.read_text("utf-8") == draw(), "python -m tests.acceptance.state_diagram makes it anew"


def test_the_picture_of_a_graph_is_the_one_that_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = REFERENCE / "command-line.md"
    (code,) = [block.text for block in blocks(page) if block.title == "regions.py"]
    (tmp_path / "regions.py").write_text(code, "utf-8")
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-m", "penstock", "graph", "regions.py", "--output", "regions.svg"], check=True)
    picture = ROOT / "docs" / "images" / "regions.svg"
    assert (tmp_path / "regions.svg").read_text("utf-8") == picture.read_text("utf-8"), "penstock graph makes it anew"


def test_the_table_of_trigger_rules_is_the_engines_law() -> None:
    page = (ROOT / "docs" / "concepts" / "the-law.md").read_text("utf-8")
    tables = re.findall(r"^\| rule \|.*\n(?:\|.*\n)+", page, re.MULTILINE)
    assert tables == [law_table.draw()], "python -m tests.acceptance.law_table prints it anew"


REFERENCE = ROOT / "docs" / "reference"


def test_the_python_reference_names_every_public_name_error_option_and_attribute() -> None:
    text = (REFERENCE / "python.md").read_text("utf-8")
    public = [*penstock.__all__, *TaskOptions.__annotations__]
    public += [name for name, error in vars(errors).items() if getattr(error, "__module__", "") == errors.__name__]
    for kind in (WorkflowManager, Run, TaskRun, Current):
        names = [*vars(kind), *inspect.signature(kind).parameters] if kind is WorkflowManager else vars(kind)
        public += [name for name in names if not name.startswith("_")]
    assert [name for name in public if not re.search(rf"`@?\.?{name}\b[^`]*`", text)] == []


@pytest.mark.parametrize("func", [Task, Workflow, WorkflowManager, chain], ids=lambda func: func.__name__)
def test_signatures_are_those_of_the_code(func: Callable[..., object]) -> None:
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(func).parameters.values()]
    shown = str(inspect.Signature(parameters)).replace("'", '"')
    assert f"### `{func.__name__}{shown}`" in (REFERENCE / "python.md").read_text("utf-8")


@pytest.mark.parametrize(
    "method",
    [method for name, method in vars(WorkflowManager).items() if inspect.isfunction(method) and name[0] != "_"],
    ids=lambda method: method.__name__,
)
def test_methods_of_the_manager_are_shown_as_they_are(method: Callable[..., object]) -> None:
    parameters = list(inspect.signature(method).parameters.values())[1:]
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    shown = str(inspect.Signature(bare)).replace("'", '"')
    assert f"| `{method.__name__}{shown}` |" in (REFERENCE / "python.md").read_text("utf-8")


def test_the_command_line_reference_names_every_command_and_option() -> None:
    sections = re.split(r"^## ", (REFERENCE / "command-line.md").read_text("utf-8"), flags=re.MULTILINE)
    for name in COMMANDS:
        [section] = [section for section in sections if section.startswith(f"`penstock {name} ")]
        command = root.get_command(click.Context(root), name)
        assert command is not None
        commands = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
        parameters = [parameter for each in commands for parameter in each.params]
        options = {option for p in parameters if isinstance(p, click.Option) for option in p.opts}
        assert options - set(re.findall(r"`(--?[a-z-]+)", section)) == {"--debug", "--server"}


def test_the_settings_pages_name_every_setting_with_its_variable_and_default() -> None:
    for page in (REFERENCE / "settings.md", ROOT / "docs" / "how-to" / "settings.md"):
        for setting in [setting for setting in fields(Settings) if setting.name not in ("notifier_options", "pools")]:
            default = {"workers": "(cores|by executor)", "grace": "5", "results": "(by store|that of the store)"}.get(
                setting.name, setting.default
            )
            row = rf"\| `{setting.name}` \| `PENSTOCK_{setting.name.upper()}` \|.*{default}"
            assert re.search(row, page.read_text("utf-8")), setting.name


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "zensical.toml").read_text("utf-8")
    assert [page for page in DOCS if f'"{page.relative_to(ROOT / "docs")}"' not in navigation] == []
