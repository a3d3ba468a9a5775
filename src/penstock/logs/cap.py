"""How much is kept of each attempt."""

from __future__ import annotations

from penstock.logs.base import DEFAULT_CAP


class Cap:
    """Counts what attempts write and cuts each off at `limit` bytes. The caller holds a lock."""

    def __init__(self, limit: int = DEFAULT_CAP) -> None:
        self._limit = limit
        self._used: dict[tuple[int, int, int], int] = {}
        self._note = f"... log capped at {limit / 1e6:g} MB: the rest was not kept\n".encode()

    def admit(self, attempt: tuple[int, int, int], text: str) -> bytes:
        """What is kept of `text`, as UTF-8: all of it; its beginning and the note; or, after the note, nothing.

        Lone surrogates, as in names of files that are not UTF-8, become escapes such as \\udcff: so any text can be
        kept, and what is kept is always valid UTF-8.
        """
        room = self._limit - self._used.get(attempt, 0)
        if room < 0:
            return b""
        data = text[: room + 1].encode("utf-8", "backslashreplace")  # no character takes less than a byte
        self._used[attempt] = self._limit - room + len(data)
        if len(data) <= room:
            return data
        kept = data[:room].decode("utf-8", "ignore").encode()
        return kept + (b"" if not kept or kept.endswith(b"\n") else b"\n") + self._note

    def forget(self, attempt: tuple[int, int, int]) -> None:
        """The attempt is over."""
        self._used.pop(attempt, None)
