"""What every kind of logs does, in a folder and in memory."""

from __future__ import annotations

import threading

import pytest

from penstock.logs.base import Logs
from penstock.logs.folder import FolderLogs
from penstock.logs.memory import MemoryLogs

CAP = 1000
NOTE = "... log capped at 0.001 MB: the rest was not kept\n"


@pytest.fixture(params=["folder", "memory"])
def logs(request, tmp_path) -> Logs:
    return FolderLogs(tmp_path / "logs", cap=CAP) if request.param == "folder" else MemoryLogs(cap=CAP)


@pytest.fixture
def writer(logs):
    writer = logs.writer("run", "plan a")
    yield writer
    writer.close()


def test_chunks_come_back_as_written_and_in_order(logs, writer):
    writer.write(7, 0, 1, "stdout", "one\n", 100.5)
    writer.write(7, 0, 2, "stderr", "two\n", 101.5)
    writer.write(3, 2, 1, "log", "three\n", 102.5)
    writer.flush()

    assert [chunk[:7] for chunk in logs.reader("run").chunks()] == [
        (7, 0, 1, "stdout", "one\n", 100.5, "plan a"),
        (7, 0, 2, "stderr", "two\n", 101.5, "plan a"),
        (3, 2, 1, "log", "three\n", 102.5, "plan a"),
    ]


def test_a_reader_narrows(logs, writer):
    for task in (1, 2):
        for generation in (0, 1):
            for attempt in (1, 2):
                writer.write(task, generation, attempt, "stdout", f"{task}{generation}{attempt} ", 1.0)
    writer.flush()
    reader = logs.reader("run")

    assert reader.text(task=2) == "201 202 211 212 "
    assert reader.text(task=2, generation=1) == "211 212 "
    assert reader.text(attempt=2) == "102 112 202 212 "
    assert reader.text(task=1, generation=0, attempt=1) == "101 "
    assert reader.text(task=9) == ""
    assert reader.tasks() == [1, 2]


def test_a_silent_run_reads_as_empty(logs, writer):
    writer.end(1, 0, 1)
    writer.flush()
    for run in ("run", "never heard of"):
        assert list(logs.reader(run).chunks()) == []
        assert logs.reader(run).tasks() == []
        assert logs.reader(run).text() == ""


def test_empty_text_is_not_kept(logs, writer):
    writer.write(1, 0, 1, "stdout", "", 1.0)
    writer.flush()
    assert list(logs.reader("run").chunks()) == []


def test_following_goes_on_after_a_position(logs, writer):
    reader = logs.reader("run")
    seen: list[str] = []
    after = None
    for number in range(5):
        for part in range(number):
            writer.write(1, 0, 1, "stdout", f"{number}.{part}\n", 1.0)
        writer.flush()
        for chunk in reader.chunks(after=after):
            seen.append(chunk.text)
            after = chunk.position
    assert seen == [f"{number}.{part}\n" for number in range(5) for part in range(number)]
    assert list(reader.chunks(after=after)) == []


def test_following_goes_on_with_the_next_driver(logs, writer):
    writer.write(1, 0, 1, "stdout", "before\n", 1.0)
    writer.close()
    reader = logs.reader("run")
    (before,) = reader.chunks()

    second = logs.writer("run", "plan b")
    second.write(1, 0, 2, "stdout", "after\n", 2.0)
    second.close()
    (after,) = reader.chunks(after=before.position)

    assert (after.text, after.plan) == ("after\n", "plan b")
    assert [chunk.text for chunk in reader.chunks()] == ["before\n", "after\n"]
    assert reader.text(plan="plan a") == "before\n"
    assert reader.tasks(plan="plan a") == [1]
    assert reader.tasks(plan="plan c") == []


def test_an_attempt_is_capped_with_one_note_and_others_are_not(logs, writer):
    for _ in range(300):
        writer.write(1, 0, 1, "stdout", "123456789\n", 1.0)
    writer.write(1, 0, 2, "stdout", "another attempt\n", 1.0)
    writer.flush()
    reader = logs.reader("run")

    assert reader.text(attempt=1) == "123456789\n" * 100 + NOTE
    assert reader.text(attempt=2) == "another attempt\n"


def test_exactly_the_cap_is_kept_without_a_note(logs, writer):
    writer.write(1, 0, 1, "stdout", "x" * CAP, 1.0)
    writer.flush()
    assert logs.reader("run").text() == "x" * CAP


@pytest.mark.parametrize(("text", "kept"), [("x" * 5000, "x" * CAP), ("y" + "é" * 5000, "y" + "é" * 499)])
def test_one_long_text_is_cut_between_characters(logs, writer, text, kept):
    writer.write(1, 0, 1, "stdout", text, 1.0)
    writer.write(1, 0, 1, "stdout", text, 1.0)
    writer.flush()
    assert logs.reader("run").text() == kept + "\n" + NOTE


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("naïve 日本語 \N{PARTY POPPER}\n", "naïve 日本語 \N{PARTY POPPER}\n"),
        ("bar\r 50%\r\n", "bar\r 50%\r\n"),
        ("nul \0 bell \a\n", "nul \0 bell \a\n"),
        ("file \udcff \ud800\n", "file \\udcff \\ud800\n"),
    ],
)
def test_any_text_can_be_kept(logs, writer, text, kept):
    writer.write(1, 0, 1, "stdout", text, 1.0)
    writer.flush()
    assert logs.reader("run").text() == kept


def test_attempts_write_at_the_same_time_without_mixing(tmp_path):
    for logs in (FolderLogs(tmp_path), MemoryLogs()):
        writer = logs.writer("run")
        start = threading.Barrier(8)

        def write(task, writer=writer, start=start):
            start.wait()
            for line in range(500):
                writer.write(task, 0, 1, "stdout", f"task {task} line {line} {'é' * (line % 7)}\n", 1.0)
            writer.end(task, 0, 1)

        threads = [threading.Thread(target=write, args=(task,)) for task in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        reader = logs.reader("run")
        assert reader.tasks() == list(range(8))
        for task in range(8):
            expected = "".join(f"task {task} line {line} {'é' * (line % 7)}\n" for line in range(500))
            assert reader.text(task=task) == expected
        writer.close()


def test_what_is_written_after_close_is_ignored(logs, writer):
    writer.write(1, 0, 1, "stdout", "kept\n", 1.0)
    writer.close()
    writer.write(1, 0, 1, "stdout", "late\n", 1.0)
    writer.end(1, 0, 1)
    writer.flush()
    writer.close()
    assert logs.reader("run").text() == "kept\n"


def test_deleted_logs_are_gone_and_others_stay(logs):
    for run in ("gone", "stays"):
        writer = logs.writer(run)
        writer.write(1, 0, 1, "stdout", run, 1.0)
        writer.close()
    logs.delete("gone")
    logs.delete("gone")
    assert logs.reader("gone").text() == ""
    assert logs.reader("stays").text() == "stays"


def test_memory_lets_the_oldest_go():
    logs = MemoryLogs(run_limit=100)
    writer = logs.writer("run")
    for number in range(50):
        writer.write(1, 0, 1, "stdout", f"line {number:04}\n", 1.0)
    assert logs.reader("run").text() == "".join(f"line {number:04}\n" for number in range(40, 50))
    assert writer.dropped == 40
