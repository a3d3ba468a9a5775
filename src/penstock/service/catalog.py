"""What a service knows of the files in its folder: their versions, their workflows, and what is wrong with them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.service.folder import Stamp, may_have_workflows, version_of
from penstock.service.wire import Message


@dataclass(frozen=True, slots=True)
class Known:
    """A workflow as its code has it."""

    name: str
    file: str
    source: str
    """FILE or FILE:NAME."""
    version: str
    """A digest of the file, and of what it imports of the folder."""
    told: Message
    """What the file has told of it."""

    @property
    def error(self) -> str | None:
        """Why it cannot be run as it is."""
        return self.told["fault"]["text"] if self.told["fault"] else None

    @property
    def plan(self) -> bytes | None:
        """That of a run with the default parameters; None if one has none."""
        return b64decode(self.told["plan"]) if self.told["plan"] else None

    @property
    def schedule(self) -> Mapping[str, Any] | None:
        """When it is due, as data."""
        return None if self.error else self.told["schedule"]


@dataclass(slots=True)
class CodeFile:
    """A file."""

    path: str
    stamp: Stamp
    imported: tuple[str, ...] = ()
    """Files of the folder that it imports, itself among them."""
    version: str = ""
    threads: bool = False
    """Whether importing it started threads, so that nothing can be forked from a process that has."""
    error: Message | None = None
    """Why it cannot be imported."""
    is_loaded: bool = False
    workflows: dict[str, Known] = field(default_factory=dict)


class Catalog:
    """See the module's text. `changed` is called with each name whose workflow is another one now, or gone."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self.files: dict[str, CodeFile] = {}
        """Those that may have workflows, by their paths."""
        self.workflows: dict[str, Known] = {}
        """By name. Of several files with workflows of one name, the one that was first has it."""
        self._owners: dict[str, set[str]] = {}
        """Name -> the files that have a workflow of that name."""
        self._stamps: dict[str, Stamp] = {}
        self._changed = changed

    def see(self, found: Mapping[str, Stamp]) -> list[str]:
        """Take note of the files that there are. Those that are to be imported, again or for the first time."""
        before, self._stamps = self._stamps, dict(found)
        changed = {path for path, stamp in found.items() if before.get(path) != stamp}
        gone = before.keys() - found.keys()
        for path in sorted(gone & self.files.keys()):
            self._drop(path)
        to_load = [path for path in sorted(changed) if self._see_one(path, found[path])]
        if others := changed | gone:
            to_load += [
                path
                for path, file in self.files.items()
                if path not in changed and (file.error is not None or not others.isdisjoint(file.imported))
            ]
        return [path for path in to_load if not self._is_same(path)]

    def _see_one(self, path: str, stamp: Stamp) -> bool:
        if not may_have_workflows(path):
            if path in self.files:
                self._drop(path)
            return False
        if path in self.files:
            self.files[path].stamp = stamp
        else:
            self.files[path] = CodeFile(path, stamp)
        return True

    def _is_same(self, path: str) -> bool:
        """Whether the text of a file, and of what it imports, is as it was."""
        file = self.files[path]
        return file.is_loaded and file.error is None and version_of(file.imported) == file.version

    def loaded(self, path: str, report: Message) -> CodeFile | None:
        """Take note of what a file has told of itself; None if it has gone meanwhile."""
        file = self.files.get(path)
        if file is None:
            return None
        file.is_loaded = True
        file.imported = tuple(dict.fromkeys([path, *report["imported"]]))
        file.version = version_of(file.imported)
        file.threads, file.error = report["threads"], report["error"]
        told = {one["name"]: one for one in report["workflows"]}
        if file.error is not None:  # what it had is still what there is to be said of it
            told = {name: {**known.told, "fault": file.error} for name, known in file.workflows.items()}
        self._put(file, {name: Known(name, path, one["source"], file.version, one) for name, one in told.items()})
        return file

    def _drop(self, path: str) -> None:
        self._put(self.files.pop(path), {})

    def _put(self, file: CodeFile, now: dict[str, Known]) -> None:
        before, file.workflows = file.workflows, now
        for name in [*now, *(name for name in before if name not in now)]:
            owners = self._owners.setdefault(name, set())
            (owners.add if name in now else owners.discard)(file.path)
            self._settle(name, owners)

    def _settle(self, name: str, owners: set[str]) -> None:
        was = self.workflows.pop(name, None)
        if owners:
            owner = was.file if was is not None and was.file in owners else min(owners)
            self.workflows[name] = self.files[owner].workflows[name]
        else:
            del self._owners[name]
        if self.workflows.get(name) != was:
            self._changed(name)

    def claim(self, name: str, path: str | None) -> Known:
        """The workflow of a name: that of this file, if it has one, since it was so before."""
        if path is not None and path in self._owners.get(name, ()):
            self.workflows[name] = self.files[path].workflows[name]
        return self.workflows[name]

    def doubles(self) -> dict[str, list[str]]:
        """The names that several files use, with those files."""
        return {name: sorted(owners) for name, owners in self._owners.items() if len(owners) > 1}
