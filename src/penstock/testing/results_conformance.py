"""What every result store must do, as tests: for Penstock's own stores and for those of others.

    class TestMyResults(ResultsConformance):
        def open(self, folder: Path) -> ResultStore:
            return MyResults(folder)

Needs pytest.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.errors import ValueUnavailable
from penstock.results.base import ResultStore

HOSTILE_DIGESTS = [
    "",
    "a" * 63,
    "a" * 65,
    "A" * 64,
    "g" * 64,
    "a" * 64 + "\n",
    "a" * 63 + "\x00",
    "../../../etc/passwd",
    "/etc/passwd",
    "aa/../" + "a" * 58,
    ".." + "/" * 62,
    "٣" * 64,
]


class ResultsConformance:
    """Subclass it under a name that pytest collects, and say how to open the store."""

    durable = True
    """Whether values outlive the object that `open` returned."""

    def open(self, folder: Path) -> ResultStore:
        """A store in this folder. Calling it twice opens the same store twice."""
        raise NotImplementedError

    @pytest.fixture
    def results(self, tmp_path: Path) -> ResultStore:
        """A new, empty store."""
        return self.open(tmp_path / "new" / "results")

    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 100_000], ids=["empty", "small", "large"])
    def test_a_committed_value_is_read_back(self, results: ResultStore, content: bytes) -> None:
        digest = put(results, content)
        assert digest == hashlib.sha256(content).hexdigest()
        assert get(results, digest) == content
        assert results.digests() == [digest]

    def test_commit_gives_digest_and_size_and_may_be_repeated(self, results: ResultStore) -> None:
        writer = results.writer()
        writer.file.write(b"abc")
        assert writer.commit() == (hashlib.sha256(b"abc").hexdigest(), 3)
        assert writer.commit() == (hashlib.sha256(b"abc").hexdigest(), 3)

    def test_a_value_may_be_written_in_any_order(self, results: ResultStore) -> None:
        writer = results.writer()
        writer.file.write(b"____ world")
        writer.file.seek(0)
        writer.file.write(b"good")
        assert (writer.file.tell(), writer.file.read()) == (4, b" world")
        digest, size = writer.commit()
        assert (get(results, digest), size) == (b"good world", 10)

    def test_a_value_ends_where_it_was_truncated(self, results: ResultStore) -> None:
        writer = results.writer()
        writer.file.write(b"abcdef")
        writer.file.seek(2)
        writer.file.truncate()
        assert get(results, writer.commit()[0]) == b"ab"

    def test_nothing_is_readable_before_commit(self, results: ResultStore) -> None:
        writer = results.writer()
        writer.file.write(b"abc")
        writer.file.flush()
        assert results.digests() == []
        with pytest.raises(ValueUnavailable):
            results.open(hashlib.sha256(b"abc").hexdigest())
        writer.abort()

    def test_an_aborted_value_leaves_nothing(self, results: ResultStore) -> None:
        writer = results.writer()
        writer.file.write(b"abc")
        writer.abort()
        writer.abort()
        assert results.digests() == []
        assert results.sweep(older_than=0) == 0

    def test_abort_after_commit_is_harmless(self, results: ResultStore) -> None:
        writer = results.writer()
        writer.file.write(b"abc")
        digest, _ = writer.commit()
        writer.abort()
        assert get(results, digest) == b"abc"

    def test_equal_values_are_kept_once(self, results: ResultStore) -> None:
        assert put(results, b"abc") == put(results, b"abc")
        assert len(results.digests()) == 1

    def test_readers_do_not_disturb_each_other(self, results: ResultStore) -> None:
        digest = put(results, b"abcdef")
        with results.open(digest) as first, results.open(digest) as second:
            assert (first.read(3), second.read(2), first.read()) == (b"abc", b"ab", b"def")

    def test_readers_can_seek(self, results: ResultStore) -> None:
        with results.open(put(results, b"abcdef")) as file:
            assert file.seek(-2, os.SEEK_END) == 4
            assert file.read() == b"ef"

    def test_a_path_is_the_value_itself(self, results: ResultStore) -> None:
        path = results.path(put(results, b"abc"))
        assert path is None or path.read_bytes() == b"abc"

    def test_a_deleted_value_is_gone(self, results: ResultStore) -> None:
        digest, other = put(results, b"abc"), put(results, b"def")
        results.delete(digest)
        results.delete(digest)
        assert results.digests() == [other]
        assert results.path(digest) is None
        with pytest.raises(ValueUnavailable):
            results.open(digest)

    def test_who_has_a_value_open_can_read_it_to_the_end(self, results: ResultStore) -> None:
        digest = put(results, b"abc" * 100_000)
        with results.open(digest) as file:
            results.delete(digest)
            assert file.read() == b"abc" * 100_000

    def test_a_deleted_value_can_be_written_again(self, results: ResultStore) -> None:
        results.delete(put(results, b"abc"))
        assert get(results, put(results, b"abc")) == b"abc"

    def test_unknown_values_are_unavailable(self, results: ResultStore) -> None:
        with pytest.raises(ValueUnavailable):
            results.open("0" * 64)
        assert results.path("0" * 64) is None
        assert results.digests() == []

    @pytest.mark.parametrize("digest", HOSTILE_DIGESTS)
    def test_what_is_no_digest_is_refused(self, results: ResultStore, digest: str) -> None:
        known = put(results, b"abc")
        with pytest.raises(ValueUnavailable):
            results.open(digest)
        with contextlib.suppress(ValueUnavailable):
            assert results.path(digest) is None
        results.delete(digest)
        assert results.digests() == [known]

    def test_values_can_be_told_by_their_age(self, results: ResultStore) -> None:
        digest = put(results, b"abc")
        assert results.digests(older_than=0) == [digest]
        assert results.digests(older_than=3_600) == []

    def test_a_value_that_is_too_new_is_not_deleted(self, results: ResultStore) -> None:
        digest = put(results, b"abc")
        assert results.delete(digest, older_than=3_600) is None
        assert get(results, digest) == b"abc"
        assert results.delete(digest) == 3
        assert results.delete(digest) is None

    def test_sweeping_spares_values_and_those_being_written(self, results: ResultStore) -> None:
        digest = put(results, b"abc")
        writer = results.writer()
        writer.file.write(b"def")
        assert results.sweep(older_than=3_600) == 0
        assert sorted([digest, writer.commit()[0]]) == results.digests()

    def test_many_threads_write_equal_and_different_values(self, results: ResultStore) -> None:
        contents = [bytes([number % 5]) * 50_000 for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            digests = list(pool.map(lambda content: put(results, content), contents))
        assert [get(results, digest) for digest in digests] == contents
        assert results.digests() == sorted(set(digests))
        assert len(results.digests()) == 5

    def test_values_outlive_their_store_object(self, tmp_path: Path) -> None:
        if not self.durable:
            pytest.skip("this store keeps nothing")
        digest = put(self.open(tmp_path), b"abc")
        assert get(self.open(tmp_path), digest) == b"abc"


def put(results: ResultStore, content: bytes) -> str:
    """Keep these bytes; their digest."""
    writer = results.writer()
    writer.file.write(content)
    return writer.commit()[0]


def get(results: ResultStore, digest: str) -> bytes:
    """What is kept under a digest."""
    with results.open(digest) as file:
        return file.read()
