"""The tutorial's programme, as it stands but for its import line: from a file, stdin and a notebook, in threads and in
processes; and its file checked, drawn, killed and resumed by the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FUNCTIONS = """
def extract():
    print("extracting")


def transform():
    print("transforming")


def load():
    print("loading")

"""
PROGRAMME = """
manager = WorkflowManager()
manager.add_task(Task("extract", extract))
manager.add_task(Task("transform", transform, dependencies=["extract"]))
manager.add_task(Task("load", load, dependencies=["transform"]))
manager.run()
"""
TUTORIAL = f"from penstock import Task, WorkflowManager\n{FUNCTIONS}{PROGRAMME}"
IN_PROCESSES = TUTORIAL.replace("WorkflowManager()", 'WorkflowManager(executor="processes")')
SHOWN = """Running task: extract
extracting
Running task: transform
transforming
Running task: load
loading
"""


def python(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def penstock(*arguments: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "penstock", *arguments)


@pytest.mark.parametrize("programme", [TUTORIAL, IN_PROCESSES], ids=["threads", "processes"])
def test_from_a_file(tmp_path: Path, programme: str) -> None:
    Path("tutorial.py").write_text(programme)
    done = python("tutorial.py")
    assert (done.stdout, done.stderr, done.returncode) == (SHOWN, "", 0)


@pytest.mark.parametrize("programme", [TUTORIAL, IN_PROCESSES], ids=["threads", "processes"])
def test_from_stdin(programme: str) -> None:
    done = python("-", stdin=programme)
    assert (done.stdout, done.stderr, done.returncode) == (SHOWN, "", 0)


@pytest.mark.parametrize("programme", [TUTORIAL, IN_PROCESSES], ids=["threads", "processes"])
def test_in_a_notebook(programme: str) -> None:
    import nbformat
    from nbclient import NotebookClient

    head, functions, rest = programme.partition(FUNCTIONS)
    cells = [head, functions, rest + "\nmanager.workflow", "manager.get()"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    shown = "".join(output.get("text", "") for output in notebook.cells[2].outputs if output.get("name") == "stdout")
    assert shown == SHOWN
    displays = [cell.outputs[-1]["data"]["text/html"] for cell in notebook.cells[2:]]
    assert "<td>transform</td><td>extract</td>" in displays[0]
    assert "<b>success</b>" in displays[1]


def test_the_file_is_checked_drawn_and_shown_without_running() -> None:
    Path("tutorial.py").write_text(TUTORIAL)
    assert penstock("check", "tutorial.py").returncode == 0
    drawn = penstock("graph", "tutorial.py", "--format", "mermaid")
    assert drawn.returncode == 0
    assert "extract" in drawn.stdout
    assert "extracting" not in drawn.stdout
    assert json.loads(penstock("runs", "--json").stdout or "[]") in ([], {"runs": []})


def test_the_file_is_killed_and_resumed() -> None:
    waiting = FUNCTIONS.replace(
        'print("transforming")',
        "import os, time\n    open('reached', 'w').close()\n"
        "    while not os.path.exists('go'):\n        time.sleep(0.01)\n    print('transforming')",
    )
    Path("tutorial.py").write_text(f"from penstock import Task, WorkflowManager\n{waiting}{PROGRAMME}")
    process = subprocess.Popen([sys.executable, "tutorial.py"], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("reached").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.communicate()[0].startswith("Running task: extract\n")

    interrupted = json.loads(penstock("show", "--json").stdout)
    assert interrupted["state"] == "interrupted"
    Path("go").touch()
    resumed = penstock("resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "extracting" not in resumed.stdout
    assert "Running task: transform" in resumed.stdout
    shown = json.loads(penstock("show", "--json").stdout)
    assert shown["id"] == interrupted["id"]
    assert [(task["id"], task["state"], task["attempts"]) for task in shown["tasks"]] == [
        ("extract", "success", 1),
        ("transform", "success", 2),
        ("load", "success", 1),
    ]


def test_ctrl_c_stops_and_leaves_the_run_to_be_resumed() -> None:
    looping = FUNCTIONS.replace(
        'print("transforming")',
        "import os, time\n    open('reached', 'w').close()\n"
        "    while not os.path.exists('go'):\n        time.sleep(0.01)",
    )
    Path("tutorial.py").write_text(f"from penstock import Task, WorkflowManager\n{looping}{PROGRAMME}")
    environment = {**os.environ, "PENSTOCK_GRACE": "0.1"}
    for number in (signal.SIGINT, signal.SIGTERM):
        Path("reached").unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-m", "penstock", "run", "tutorial.py"], env=environment)
        deadline = time.monotonic() + 60
        while not Path("reached").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(60) == 130
        assert json.loads(penstock("show", "--json").stdout)["state"] == "interrupted"
    Path("go").touch()
    assert penstock("resume").returncode == 0
