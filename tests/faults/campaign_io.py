"""Every call that the reference run makes on its files fails, once and for ever; the disk is full, or read-only.

A disk that fails stops a run at most: no task fails for it. When the disk is well again the run is resumed, and comes
out as if undisturbed.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import tempfile
import threading
from collections import Counter
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from penstock.engine.events import AttemptFailed
from penstock.errors import PenstockError, StoreError
from penstock.executor import invoke
from penstock.runtime import journal
from tests.faults.campaign import Campaign, Report
from tests.faults.children import in_child
from tests.faults.driving import Variant, go_on, prepare
from tests.faults.history import History
from tests.faults.lanes import Arguments, Lanes, collect
from tests.faults.medium import SHORT, watch
from tests.faults.mounts import enter_own_namespace, make_read_only, mount_tmpfs, resize
from tests.faults.promise import ENDED, before_resuming, broken_promises
from tests.faults.reference import FAIL_BY_THEMSELVES

VARIANTS = (
    Variant("inline", log_pages=10),
    Variant("threads", log_pages=10),
    Variant("processes", workers=2, volatile=False),
)
FAILURES = ("EIO once", "EIO for ever", "ENOSPC once", "ENOSPC for ever", "short once", "short for ever")
NEEDS_ROOM = frozenset(("create", "write", "mkdir", "rename", "sync"))
"""Calls that a full disk may refuse."""
PATIENCE = 0.15
"""Seconds for which a driver insists here, in place of thirty."""
PAGE = 4096
NOBODY = 65534


class Saboteur:
    """Has one of the calls of a group fail, and if that is to last all later calls that can fail so. They are counted
    in their groups, since the order of calls on different files is as threads make it."""

    def __init__(self, group: str = "", at: int = 0, failure: str = "") -> None:
        self.calls: Counter[str] = Counter()
        """How many calls there were of each group."""
        self._group = group
        self._at = at
        self._what, _, lasting = failure.partition(" ")
        self._lasting = lasting == "for ever"
        self._guard = threading.Lock()
        self.hit: str | None = None

    def __call__(self, kind: str, path: str, *details: Any) -> Any:
        group = f"{kind} {_part(path)}"
        with self._guard:
            self.calls[group] += 1
            is_the_one = group == self._group and self.calls[group] == self._at
        if not is_the_one and not (self._lasting and self.hit):
            return None
        if not concerns(self._what, kind):
            return None
        self.hit = self.hit or f"{kind} {os.path.basename(path)}"
        if self._what == "short":
            return SHORT
        raise OSError(getattr(errno, self._what), os.strerror(getattr(errno, self._what)), path)


def _part(path: str) -> str:
    """Which part of the store a file belongs to: its own name, or that of the folder that it is in."""
    _, _, below = path.partition("/store")
    return below.strip("/").partition("/")[0] or "store"


def concerns(what: str, kind: str) -> bool:
    """Whether a call can fail so."""
    if what == "short":
        return kind == "read"
    return what == "EIO" or kind in NEEDS_ROOM


# --- In a child


def count_calls(folder: str, variant: Variant) -> dict[str, int]:
    """How many calls of each group an undisturbed run makes."""
    saboteur = Saboteur()
    prepare(Path(folder), variant)
    watch(f"{folder}/store", saboteur)
    go_on(Path(folder), variant)
    return saboteur.calls


def drive_on_bad_disk(folder: str, variant: Variant, group: str, at: int, failure: str) -> dict[str, Any]:
    """Drive the run until it ends or the disk stops it."""
    saboteur = Saboteur(group, at, failure)
    prepare(Path(folder), variant)
    watch(f"{folder}/store", saboteur)
    return {**_driven(Path(folder), variant), "hit": saboteur.hit}


def _driven(folder: Path, variant: Variant) -> dict[str, Any]:
    """How the run came out; with what was said to nobody in particular."""
    _be_less_patient()
    said = os.open(folder / "stderr", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 2)
    try:
        outcome: dict[str, Any] = {"state": go_on(folder, variant).state}
    except PenstockError as error:
        clear = isinstance(error, StoreError) and str(error) != ""
        outcome = {"refusal": f"{type(error).__name__}: {error}", "clear": clear}
    return {**outcome, "said": (folder / "stderr").read_text()[-2000:]}


def _be_less_patient() -> None:
    for module in (journal, invoke):
        vars(module)["RETRY_FOR"] = PATIENCE


def finish(folder: str, variant: Variant) -> list[str]:
    """Go on with a disk that is well; what is wrong before and after."""
    place = Path(folder)
    prepare(place, variant)
    with variant.manager(place) as manager:
        found = before_resuming(manager)
        for run in manager.runs():
            found += _failed_for_the_disk(History.read(manager.parts.store, run.id))
    go_on(place, variant)
    return [*found, *broken_promises(place, variant)]


def _failed_for_the_disk(history: History) -> list[str]:
    return [
        f"'{said.task}' failed for the disk: {said.event.error.type}: {said.event.error.message}"
        for said in history.of(AttemptFailed)
        if isinstance(said.event, AttemptFailed) and said.task.partition("[")[0] not in FAIL_BY_THEMSELVES
    ]


# --- In a lane


def calls(folder: str, variant: int) -> dict[str, int]:
    """How many calls of each group an undisturbed run makes."""
    ended = in_child(count_calls, folder, VARIANTS[variant])
    shutil.rmtree(folder, ignore_errors=True)
    if ended.value is None:
        raise RuntimeError(f"the undisturbed run failed: {ended}")
    return dict(ended.value)


def fail_call(folder: str, variant: int, group: str, at: int, failure: str) -> dict[str, Any]:
    """Have a call fail."""
    ended = in_child(drive_on_bad_disk, folder, VARIANTS[variant], group, at, failure)
    hit = (ended.value or {}).get("hit")
    # SQLite takes a page that was read too short for one with zeros at its end: a query may find nothing for it.
    found = _out_of(ended.value, str(ended), clear=not failure.startswith("short"))
    found += _went_on(folder, VARIANTS[variant])
    return {"hit": hit is not None, "violations": [f"({hit}) {line}" for line in found]}


def _out_of(outcome: dict[str, Any] | None, otherwise: str, *, clear: bool = True) -> list[str]:
    """What is wrong with how a driver came out; the error may be any of ours if it need not be `clear`."""
    if outcome is None:
        return [f"the driver came to no good end: {otherwise}"]
    found = []
    if outcome.get("state", "success") not in ENDED:
        found.append(f"run() returned with {outcome['state']}")
    if clear and not outcome.get("clear", True):
        found.append(f"run() refused with {outcome['refusal']}")
    if "Traceback" in outcome["said"]:
        found.append(f"on stderr: {outcome['said']}")
    return found


def _went_on(folder: str, variant: Variant) -> list[str]:
    ended = in_child(finish, folder, variant)
    found = list(ended.value) if ended.value is not None else [f"going on came to no good end: {ended}"]
    if not found:
        shutil.rmtree(folder)
    return found


# --- Real file systems


def full_disk(folder: str, variant: int, size: int, read_only: bool = False) -> dict[str, Any]:
    """Drive the run in a store on a file system that is too small, make room, and go on."""
    Path(folder, "store").mkdir(parents=True)
    ended = in_child(_on_small_disk, folder, variant, size, read_only, timeout=150)
    if ended.value is None:
        return {"violations": [f"the case came to no good end: {ended}"]}
    return dict(ended.value)


def _on_small_disk(folder: str, variant: int, size: int, read_only: bool) -> dict[str, Any]:
    store = Path(folder, "store")
    try:
        enter_own_namespace()
        mount_tmpfs(store, size)
    except OSError as error:
        return {"skipped": str(error), "violations": []}
    if read_only:
        make_read_only(store)
    ended = in_child(_driven_in, folder, VARIANTS[variant], timeout=100)
    resize(store, 64 << 20)
    finished = in_child(finish, folder, VARIANTS[variant])
    found = _out_of(ended.value, str(ended))
    found += list(finished.value) if finished.value is not None else [f"going on came to no good end: {finished}"]
    return {"hit": "refusal" in (ended.value or {}), "violations": found}


def _driven_in(folder: str, variant: Variant) -> dict[str, Any]:
    prepare(Path(folder), variant)
    return _driven(Path(folder), variant)


def foreign_folder(folder: str, variant: int, mode: int) -> dict[str, Any]:
    """Go on with a run as a user who may not write its store, or not even read it."""
    with tempfile.TemporaryDirectory() as somewhere:  # the way to the campaign's own folder may be closed to others
        os.chmod(somewhere, 0o755)
        return _go_on_as_nobody(f"{somewhere}/case", variant, mode)


def _go_on_as_nobody(folder: str, variant: int, mode: int) -> dict[str, Any]:
    place = Path(folder)
    ended = in_child(drive_on_bad_disk, folder, VARIANTS[variant], "write penstock.db-wal", 90, "EIO for ever")
    found = _out_of(ended.value, str(ended))
    if os.geteuid() != 0:
        return {"skipped": "only root can be somebody else", "violations": found}
    os.chmod(place, 0o777)
    for name in ("ledger", "stderr"):
        os.chmod(place / name, 0o666)
    for path in [place / "store", *(place / "store").rglob("*")]:
        os.chmod(path, mode | (0o111 if path.is_dir() and mode & 0o444 else 0))
    refused = in_child(_as_nobody, folder, VARIANTS[variant])
    found += _out_of(refused.value, str(refused))
    if "refusal" not in (refused.value or {}):
        found.append("somebody who may not write the store has driven its run")
    for path in [place / "store", *(place / "store").rglob("*")]:
        os.chmod(path, 0o700)
    return {"hit": True, "violations": found + _went_on(folder, VARIANTS[variant])}


def _as_nobody(folder: str, variant: Variant) -> dict[str, Any]:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    return _driven_in(folder, variant)


# --- The campaign


def run(count: int, seed: int, folder: Path) -> Report:
    """Fail as many calls, which may be all of them, and as large a part of the sizes of a disk that is too small."""
    with Lanes() as lanes:
        return _run(lanes, count, seed, folder)


def _run(lanes: Lanes, count: int, seed: int, folder: Path) -> Report:
    report = Report()
    chance = random.Random(seed)
    every = _every_call(lanes, folder)
    some = every if count >= len(every) else _of_each_group(every, count, chance)
    for number, case in enumerate(some):
        case["folder"] = str(folder / f"call-{number}")
    hit = collect(report, lanes.spread(f"{__name__}:fail_call", some), "fail_call")
    sizes = [{"variant": number % 2, "size": PAGE * pages} for number, pages in enumerate(range(1, 140))]
    sizes += [{"variant": 2, "size": PAGE * pages} for pages in (30, 50, 70)]
    sizes += [{"variant": 1, "size": PAGE * 100, "read_only": True}]
    if count < len(every):
        sizes = chance.sample(sizes[:-4], min(len(sizes), count // 20)) + sizes[-1:]
    full = _tell_skipped(lanes, report, folder, "full_disk", sizes)
    foreign = [{"variant": 1, "mode": mode} for mode in (0o444, 0o000)]
    refused = _tell_skipped(lanes, report, folder, "foreign_folder", foreign)
    report.notes.update(
        {
            "calls": f"{len(some):,} of {len(every):,} failed, of which {hit:,} were made",
            "too small disks": f"{full} of {len(sizes)} stopped the run",
            "folders of others": f"{refused} of {len(foreign)}",
        }
    )
    return report


def _every_call(lanes: Lanes, folder: Path) -> list[Arguments]:
    """Each call of an undisturbed run, with each failure that it can have."""
    found: list[Arguments] = []
    counting = [{"folder": str(folder / f"count-{variant}"), "variant": variant} for variant in (0, 1)]
    for arguments, counted in lanes.spread(f"{__name__}:calls", counting):
        if "raised" in counted:
            raise RuntimeError(counted["raised"])
        found += [
            {"variant": arguments["variant"], "group": group, "at": at, "failure": failure}
            for group, number in counted.items()
            for at in range(1, number + 1)
            for failure in FAILURES
            if concerns(failure.split()[0], group.split()[0])
        ]
    return sorted(found, key=lambda case: (case["variant"], case["group"], case["at"], case["failure"]))


def _of_each_group(every: list[Arguments], count: int, chance: random.Random) -> list[Arguments]:
    """So many calls by chance, as many of each group as can be: what happens seldom is tried as often as the rest."""
    groups: dict[str, list[Arguments]] = {}
    for case in chance.sample(every, len(every)):
        groups.setdefault(case["group"], []).append(case)
    turns = (case for turn in zip_longest(*groups.values()) for case in turn if case is not None)
    return [*islice(turns, count)]


def _tell_skipped(lanes: Lanes, report: Report, folder: Path, kind: str, cases: list[Arguments]) -> int:
    """Run cases, and note why some could not be; how many were as they were meant to be."""
    for number, case in enumerate(cases):
        case["folder"] = str(folder / f"{kind}-{number}")
    skipped: Counter[str] = Counter()

    def seen() -> Any:
        for arguments, given in lanes.spread(f"{__name__}:{kind}", cases):
            if "skipped" in given:
                skipped[given["skipped"]] += 1
            yield arguments, given

    hit = collect(report, seen(), kind)
    report.notes.update({f"{kind} skipped ({why})": str(number) for why, number in skipped.items()})
    return hit


CAMPAIGN = Campaign("io", 20_000, run)
