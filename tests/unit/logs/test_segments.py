"""The files themselves: when they come into being, what they survive, and what is not believed."""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import StoreCorrupt
from penstock.logs.base import Position
from penstock.logs.folder import FolderLogs
from penstock.logs.format import ENTRY, HEADER, LONGEST_CHUNK, MAGIC
from penstock.logs.reader import SegmentReader
from penstock.logs.writer import SegmentWriter


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(folder: Path, *texts: str, **options) -> SegmentWriter:
    writer = SegmentWriter(folder, **options)
    for text in texts:
        writer.write(1, 0, 1, "stdout", text, 1.0)
    writer.close()
    return writer


def test_a_silent_run_leaves_nothing(tmp_path):
    writer = SegmentWriter(tmp_path / "logs" / "run")
    writer.write(1, 0, 1, "stdout", "", 1.0)
    writer.end(1, 0, 1)
    writer.flush()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_the_text_can_be_read_with_any_tool(tmp_path):
    write(tmp_path / "run", "héllo\n", "world\n")
    assert (tmp_path / "run" / "0001.log").read_text("utf-8") == "héllo\nworld\n"


def test_only_the_owner_may_read(tmp_path):
    write(tmp_path / "run", "secret\n")
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0


def test_what_is_written_can_be_read_before_the_writer_ends(tmp_path):
    writer = SegmentWriter(tmp_path)
    writer.write(1, 0, 1, "stdout", "now\n", 1.0)
    writer.flush()
    assert SegmentReader(tmp_path).text() == "now\n"
    writer.close()


def test_each_driver_begins_a_segment_and_leaves_the_others_alone(tmp_path):
    write(tmp_path, "first\n")
    before = (tmp_path / "0001.log").read_bytes(), (tmp_path / "0001.idx").read_bytes()
    write(tmp_path, "second\n")
    write(tmp_path)

    assert names(tmp_path) == ["0001.idx", "0001.log", "0002.idx", "0002.log"]
    assert before == ((tmp_path / "0001.log").read_bytes(), (tmp_path / "0001.idx").read_bytes())
    assert SegmentReader(tmp_path).text() == "first\nsecond\n"


def test_two_writers_at_once_have_each_their_segment(tmp_path):
    writers = [SegmentWriter(tmp_path) for _ in range(3)]
    for line in range(3):
        for number, writer in enumerate(writers):
            writer.write(number, 0, 1, "stdout", f"{number}.{line}\n", 1.0)
    for writer in writers:
        writer.close()
    assert [SegmentReader(tmp_path).text(task=number) for number in range(3)] == [
        f"{number}.0\n{number}.1\n{number}.2\n" for number in range(3)
    ]


def test_a_large_segment_is_followed_by_another(tmp_path):
    lines = [f"line {number:03}\n" for number in range(100)]
    writer = SegmentWriter(tmp_path, segment_size=250)
    for line in lines:
        writer.write(1, 0, 1, "stdout", line, 1.0)
        writer.flush()
    writer.close()

    assert len(names(tmp_path)) == 2 * 4
    assert all(path.stat().st_size <= 250 + 9 for path in tmp_path.glob("*.log"))
    reader = SegmentReader(tmp_path)
    assert [chunk.text for chunk in reader.chunks()] == lines
    places = [chunk.position for chunk in reader.chunks()]
    assert places == sorted(places)
    for count, place in enumerate(places, 1):
        assert [chunk.text for chunk in reader.chunks(after=place)] == lines[count:]


def test_a_text_longer_than_an_entry_may_be_is_split_between_characters(tmp_path):
    text = "x" + "日本語\n" * 300_000
    write(tmp_path, text)
    chunks = list(SegmentReader(tmp_path).chunks())
    assert len(chunks) == 3
    assert "".join(chunk.text for chunk in chunks) == text


def test_a_wrong_number_fails_its_writer_only(tmp_path):
    writer = SegmentWriter(tmp_path)
    with pytest.raises(struct.error):
        writer.write(-1, 0, 1, "stdout", "no such task\n", 1.0)
    writer.write(1, 0, 1, "stdout", "fine\n", 1.0)
    writer.close()
    assert SegmentReader(tmp_path).text() == "fine\n"


def test_a_folder_that_cannot_be_made_costs_the_text_and_not_the_task(tmp_path):
    (tmp_path / "logs").write_text("a file stands in the way")
    writer = SegmentWriter(tmp_path / "logs" / "run")
    writer.write(1, 0, 1, "stdout", "one\n", 1.0)
    writer.write(1, 0, 1, "stdout", "two\n", 1.0)
    assert writer.dropped == 2
    (tmp_path / "logs").unlink()
    writer.write(1, 0, 1, "stdout", "three\n", 1.0)
    writer.close()
    assert SegmentReader(tmp_path / "logs" / "run").text() == "three\n"


@pytest.mark.parametrize("run_id", ["", ".", "..", "../x", "a/b", "a\\b", "a\0b"])
def test_a_run_id_cannot_lead_out_of_the_folder(tmp_path, run_id):
    logs = FolderLogs(tmp_path)
    for use in (logs.writer, logs.reader, logs.delete):
        with pytest.raises(StoreCorrupt, match="no run id"):
            use(run_id)


# --- What a reader does not believe


def entry(offset=0, at=1.0, task=1, generation=0, attempt=1, length=5, stream=0) -> bytes:
    return ENTRY.pack(offset, at, task, generation, attempt, length, stream)


def forge(folder: Path, *entries: bytes, text: bytes = b"text\n", header: bytes | None = None) -> SegmentReader:
    (folder / "0001.log").write_bytes(text)
    (folder / "0001.idx").write_bytes((header or HEADER.pack(MAGIC, b"plan")) + b"".join(entries))
    return SegmentReader(folder)


@pytest.mark.parametrize(
    "bad",
    [
        entry(offset=1),
        entry(offset=2**64 - 1),
        entry(offset=2**64 - 5),
        entry(length=0),
        entry(length=6),
        entry(length=2**32 - 1),
        entry(attempt=0),
        entry(stream=3),
        entry(stream=255),
        entry(at=float("nan")),
        entry(at=float("inf")),
        entry(at=-1.0),
        entry(at=1e300),
        bytes(ENTRY.size),
        b"\xff" * ENTRY.size,
    ],
    ids=bytes.hex,
)
def test_an_unsound_entry_is_passed_over(tmp_path, bad):
    reader = forge(tmp_path, entry(), bad, entry(task=2))
    assert [(chunk.task, chunk.text) for chunk in reader.chunks()] == [(1, "text\n"), (2, "text\n")]
    assert [chunk.task for chunk in reader.chunks(after=Position(1, 1))] == [2]


def test_a_large_claim_is_not_believed_even_if_the_file_is_as_large(tmp_path):
    reader = forge(tmp_path, entry(length=2**32 - 1), entry(length=LONGEST_CHUNK + 1), entry())
    os.truncate(tmp_path / "0001.log", 2**33)  # with holes: it takes no room
    assert [chunk.text for chunk in reader.chunks()] == ["text\n"]


def test_text_that_is_not_utf8_is_shown_as_far_as_it_goes(tmp_path):
    assert forge(tmp_path, entry(), text=b"a\xff\xfeb\n").text() == "a��b\n"


@pytest.mark.parametrize("header", [b"penstock logs 2\n" + bytes(64), b"\0" * HEADER.size, b"short"])
def test_an_index_of_another_kind_is_passed_over(tmp_path, header):
    assert list(forge(tmp_path, entry(), header=header).chunks()) == []


def test_half_a_segment_is_passed_over(tmp_path):
    write(tmp_path, "one\n")
    write(tmp_path, "two\n")
    write(tmp_path, "three\n")
    (tmp_path / "0001.log").unlink()
    (tmp_path / "0002.idx").unlink()
    assert SegmentReader(tmp_path).text() == "three\n"


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "secret").write_text("text\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "0001.log").symlink_to(tmp_path / "secret")
    (tmp_path / "run" / "0001.idx").write_bytes(HEADER.pack(MAGIC, b"") + entry())
    os.mkfifo(tmp_path / "run" / "0002.idx")
    (tmp_path / "run" / "0003.idx").mkdir()
    (tmp_path / "run" / "0004.idx").write_bytes(HEADER.pack(MAGIC, b"") + entry())
    os.mkfifo(tmp_path / "run" / "0004.log")
    (tmp_path / "run" / "notes.idx").write_text("not ours")
    assert list(SegmentReader(tmp_path / "run").chunks()) == []
    write(tmp_path / "run", "ours\n")
    assert SegmentReader(tmp_path / "run").text() == "ours\n"


@given(index=st.binary(max_size=400), text=st.binary(max_size=50), sound_header=st.booleans())
def test_random_bytes_never_raise(index, text, sound_header):
    with tempfile.TemporaryDirectory() as name:
        reader = forge(Path(name), index, text=text, header=HEADER.pack(MAGIC, b"") if sound_header else b"?")
        for chunk in reader.chunks():
            assert len(chunk.text) <= len(text)
        reader.tasks()


numbers = st.integers(0, 2**32 - 1)
entries = st.builds(
    entry,
    offset=st.one_of(st.integers(0, 60), st.integers(0, 2**64 - 1)),
    at=st.floats(width=64),
    task=numbers,
    generation=numbers,
    attempt=numbers,
    length=st.one_of(st.integers(0, 60), numbers),
    stream=st.integers(0, 255),
)


@given(forged=st.lists(entries, max_size=10), text=st.binary(max_size=50))
def test_random_entries_never_raise_and_show_only_what_is_there(forged, text):
    with tempfile.TemporaryDirectory() as name:
        for chunk in forge(Path(name), *forged, text=text).chunks():
            assert chunk.text in {
                text[start:end].decode("utf-8", "replace") for start in range(50) for end in range(start + 1, 51)
            }


@given(data=st.data())
def test_files_cut_off_anywhere_read_as_a_beginning(data):
    texts = data.draw(st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=8))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, *texts)
        whole = [chunk.text for chunk in SegmentReader(folder).chunks()]
        for file in ("0001.idx", "0001.log"):
            os.truncate(folder / file, data.draw(st.integers(0, (folder / file).stat().st_size)))
        assert whole == texts
        torn = [chunk.text for chunk in SegmentReader(folder).chunks()]
        assert torn == whole[: len(torn)]
        write(folder, "the next driver's\n")
        assert [chunk.text for chunk in SegmentReader(folder).chunks()] == [*torn, "the next driver's\n"]
