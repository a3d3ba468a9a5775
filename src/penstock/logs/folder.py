"""The logs of all runs in one folder of the file system, a folder for each run that was not silent."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from penstock.errors import StoreCorrupt
from penstock.logs.base import DEFAULT_CAP
from penstock.logs.reader import SegmentReader
from penstock.logs.writer import SegmentWriter


class FolderLogs:
    """See Logs. `root` need not be there."""

    def __init__(self, root: Path, *, cap: int = DEFAULT_CAP) -> None:
        self._root = root
        self._cap = cap

    def writer(self, run_id: str, plan: str = "") -> SegmentWriter:
        return SegmentWriter(self._folder(run_id), plan=plan, cap=self._cap)

    def reader(self, run_id: str) -> SegmentReader:
        return SegmentReader(self._folder(run_id))

    def runs(self) -> list[str]:
        try:
            folders = [entry.name for entry in os.scandir(self._root) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        return sorted(name for name in folders if "\\" not in name)  # which no run has

    def delete(self, run_id: str) -> None:
        with suppress(FileNotFoundError):  # also in the middle, where somebody else deletes it as well
            import shutil

            shutil.rmtree(self._folder(run_id))

    def _folder(self, run_id: str) -> Path:
        if run_id in ("", ".", "..") or "/" in run_id or "\\" in run_id or "\0" in run_id:
            raise StoreCorrupt(f"{run_id!r} is no run id: it cannot name a folder of logs")
        return self._root / run_id
