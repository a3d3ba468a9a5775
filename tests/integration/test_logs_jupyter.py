"""In a notebook, what worker threads print appears in the cell that runs them."""

from __future__ import annotations

import nbformat
from nbclient import NotebookClient

CELL = """
import contextvars, sys, threading
from penstock.executor.capture import AttemptOutput, Capture

running = contextvars.ContextVar("running", default=None)
kept = []
before = sys.stdout, sys.stderr

def body(number):
    output = AttemptOutput(lambda stream, text: kept.append(text))
    running.set(output)
    for line in range(20):
        print("task", number, "line", line)
    print("error", number, file=sys.stderr)
    output.end()

with Capture(running.get):
    threads = [threading.Thread(target=body, args=(number,)) for number in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
assert (sys.stdout, sys.stderr) == before
assert len(kept) == 63
"""


def test_text_of_threads_appears_in_their_cell():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    shown: dict[str, list[str]] = {"stdout": [], "stderr": []}
    for output in notebook.cells[0].outputs:
        shown[output["name"]] += output["text"].splitlines()
    lines = [f"task {number} line {line}" for number in range(3) for line in range(20)]
    assert sorted(shown["stdout"]) == sorted(lines)
    assert sorted(shown["stderr"]) == ["error 0", "error 1", "error 2"]
