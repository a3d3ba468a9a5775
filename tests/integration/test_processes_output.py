"""What bodies in worker processes print is shown as it comes, and kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from penstock import Workflow, WorkflowManager, current, task
from penstock.executor.capture import Capture
from tests.integration.waiting import wait_until


def run(flow, *, workers=2, **options):
    manager = WorkflowManager("memory", executor="processes", workers=workers, observers=[], **options)
    return manager.run(flow, raise_on_failure=False)


def test_it_is_shown_and_kept(capsys):
    @task
    def talk():
        print("one", 2)
        print("three", file=sys.stderr)
        sys.stdout.write("no line end")

    with Workflow("flow") as flow:
        talk()
    done = run(flow)
    assert capsys.readouterr() == ("one 2\nno line end", "three\n")
    assert done.task("talk").log == "one 2\nthree\nno line end"


def test_it_is_shown_above_a_live_table():
    """As text of threads is: through the echo, where there is one."""
    shown: list[tuple[str, str]] = []

    @task
    def talk():
        print("to stdout")
        current().logger.info("to the log")

    with Workflow("flow") as flow:
        talk()
    with Capture(lambda: None, echo=lambda stream, text: shown.append((stream, text))):
        run(flow)
    assert [stream for stream, _ in shown] == ["stdout", "stderr"]
    assert [text.split()[-1] for _, text in shown] == ["stdout", "log"]


def test_it_is_shown_while_the_body_runs(tmp_path):
    """The body goes on only when what it printed has been seen."""
    program = """
import sys
from pathlib import Path
from penstock import Task, WorkflowManager

def talk():
    import time
    for number in range(3):
        print("line", number)
        while not Path(str(number)).exists():
            time.sleep(0.005)

manager = WorkflowManager("memory", executor="processes", observers=[])
manager.add_task(Task("talk", talk))
manager.run()
"""
    command = [sys.executable, "-u", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        for number in range(3):
            assert process.stdout.readline() == f"line {number}\n"
            (tmp_path / str(number)).touch()
    assert process.returncode == 0


def test_it_is_kept_with_its_own_task(capsys):
    @task
    def talk(number):
        for line in range(200):
            print(number, line)

    with Workflow("flow") as flow:
        for number in range(6):
            talk(number)
    done = run(flow)
    for number, row in enumerate(done.tasks):
        assert row.log == "".join(f"{number} {line}\n" for line in range(200))
    assert sorted(capsys.readouterr().out) == sorted("".join(row.log for row in done.tasks))


def test_a_lot_of_text_in_both_directions(capsys):
    """More than the pipes hold: nobody may wait for the other."""

    @task
    def echo(text):
        for _ in range(3):
            print(text)
        print(text, file=sys.stderr)
        return text

    with Workflow("flow") as flow:
        for number in range(4):
            echo(echo(str(number) * 300_000))
    done = run(flow)
    for row in done.tasks:
        assert len(row.result) == 300_000
        assert len(row.log) == 4 * 300_001
    capsys.readouterr()


def test_threads_of_a_body_are_part_of_it(capsys):
    @task
    def talk():
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()

    with Workflow("flow") as flow:
        talk()
    assert run(flow).task("talk").log == "from a thread\n"


def test_a_finalizer_that_prints_in_the_middle_of_a_print(capsys):
    @task
    def talk():
        class Noisy:
            def __del__(self):
                print("x" * 1000)

        for _ in range(20):
            cycle: list[object] = [Noisy()]
            cycle.append(cycle)
            print("y" * 200_000)

    with Workflow("flow") as flow:
        talk()
    row = run(flow).task("talk")
    capsys.readouterr()
    assert row.state == "success"
    assert row.log.count("y") == 4_000_000


def test_the_logger_of_the_attempt(capsys):
    @task
    def talk():
        print("before")
        current().logger.info("row %d", 7)
        current().logger.debug("not at this level")
        print("after")

    with Workflow("flow") as flow:
        talk()
    lines = run(flow).task("talk").log.splitlines()
    assert [lines[0], lines[2]] == ["before", "after"]
    assert lines[1].endswith("INFO row 7")
    shown = capsys.readouterr()
    assert shown.out == "before\nafter\n"
    assert shown.err.endswith("INFO row 7\n")


def test_what_was_printed_before_a_process_died_is_kept(capsys):
    @task
    def die():
        print("last words")
        os._exit(1)

    with Workflow("flow") as flow:
        die()
    assert run(flow).task("die").log == "last words\n" * 3


def test_what_a_module_prints_when_it_is_imported(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(tmp_path)
    Path("talking_module.py").write_text("print('imported')\ndef work(): print('working')\n")
    import talking_module  # type: ignore[import-not-found]

    from penstock import Task

    try:
        capsys.readouterr()
        with Workflow("flow") as flow:
            flow.add_task(Task("work", talking_module.work))
        assert run(flow).task("work").log == "imported\nworking\n"
    finally:
        del sys.modules["talking_module"]


def test_standard_input_is_empty():
    @task
    def ask():
        return sys.stdin.read(), input()

    with Workflow("flow") as flow:
        ask()
    assert run(flow).task("ask").error == "EOFError: EOF when reading a line"


def test_a_silent_task_keeps_nothing(capfd):
    @task
    def silent():
        subprocess.run(["echo", "past Python"], check=True)

    with Workflow("flow") as flow:
        silent()
    assert run(flow).task("silent").log == ""
    assert capfd.readouterr().out == "past Python\n"


def test_a_thread_that_was_left_behind_is_shown_and_not_kept(tmp_path, capfd):
    @task
    def leave():
        def late():
            time.sleep(0)
            from tests.integration.waiting import wait_until

            wait_until((tmp_path / "go").exists, "the next task runs")
            print("late", flush=True)
            (tmp_path / "gone").touch()

        threading.Thread(target=late).start()

    @task
    def follow():
        (tmp_path / "go").touch()
        wait_until((tmp_path / "gone").exists, "the thread has printed")

    with Workflow("flow") as flow:
        leave() >> follow()
    done = run(flow, workers=1)
    assert done.task("leave").log == ""
