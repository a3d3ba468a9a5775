"""Files of a store are damaged: bits flip, pages are lost or change places, files end early or are gone.

What is read then is what was true, or an error. A write-ahead log that was damaged is read as far as it is whole, and
so the store as it was at an earlier commit: that is told apart in the report.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from penstock.cli.group import execute
from penstock.errors import PenstockError
from penstock.store.sqlite import SQLiteStore
from tests.faults.campaign import Campaign, Report
from tests.faults.children import in_child
from tests.faults.driving import Variant, go_on, prepare
from tests.faults.lanes import Arguments, Lanes, collect
from tests.faults.readable import Items, differences, read
from tests.faults.reference import values

VARIANT = Variant("inline", log_pages=30)
STORES = ("ended", "killed")
"""A store whose runs have ended and which was closed; one whose driver was killed, so that its last commits are in the
write-ahead log."""
PAGE = 4096
_WAL_HEADER, _FRAME_HEADER = 32, 24
KILLED_AFTER = 12
"""How many batches the second store's last run has."""
DAMAGED = 1
"""The exit code of commands that find a store damaged."""


# --- The stores, as they are before


def make_store(folder: str, kind: str) -> None:
    """Two runs that have ended, and for the other kind of store a third whose driver is killed."""
    place = Path(folder)
    prepare(place, VARIANT)
    _made(place, size=3, fails=False)
    _made(place, size=4, fails=True)
    if kind == "killed":
        _die_after(KILLED_AFTER)
        _made(place, size=5, fails=False)


def _made(folder: Path, **params: Any) -> None:
    from tests.faults.reference import reference

    with VARIANT.manager(folder) as manager:
        manager.run(reference, volatile=False, raise_on_failure=False, **params)


def _die_after(batches: int) -> None:
    append = SQLiteStore.append
    left = iter(range(batches))

    def fatal(self: SQLiteStore, *args: Any, **how: Any) -> None:
        append(self, *args, **how)
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    SQLiteStore.append = fatal  # type: ignore[method-assign]


def what_is_read(folder: str) -> str:
    """What a store reads; where that is, pickled."""
    kept = Path(folder) / "read"
    kept.write_bytes(pickle.dumps(read(Path(folder), VARIANT)))
    return str(kept)


def make_truths(folder: str, kind: str) -> dict[str, Any]:
    """Make a store, and read what it holds, now and at each commit that is still in its log; where all that is."""
    store, copy = Path(folder, "store"), Path(folder, "copy")
    made = in_child(make_store, folder, kind)
    if made.error or made.was_killed is not (kind == "killed"):
        raise RuntimeError(f"the store was not made: {made}")
    log = (store / "penstock.db-wal").read_bytes() if kind == "killed" else b""
    read_at: list[Items] = []
    for size in [None, *reversed(list(_commits(log)))]:
        _copy(store, copy / "store")
        if size is not None:
            (copy / "store" / "penstock.db-wal").write_bytes(log[:size])
        ended = in_child(what_is_read, str(copy))
        if ended.value is None:
            raise RuntimeError(f"the intact store cannot be read: {ended}")
        read_at.append(pickle.loads(Path(ended.value).read_bytes()))
        shutil.rmtree(copy)
    refusals = [value for value in read_at[0].values() if isinstance(value, list)]
    if refusals:
        raise RuntimeError(f"the intact store does not read: {refusals[:3]}")
    # Where the log was copied into the database already, the database is newer than an earlier end of the log.
    true = [items for items in read_at if not any(isinstance(value, list) for value in items.values())]
    _copy(store, copy / "store")
    if in_child(check, str(copy)).value != 0:
        raise RuntimeError("penstock db check finds fault with an intact store")
    (store.parent / "truths").write_bytes(pickle.dumps(true))
    return {"folder": folder, "truths": len(true)}


def _copy(store: Path, target: Path) -> None:
    shutil.copytree(store, target, ignore=shutil.ignore_patterns("wake", "*-shm"))  # pipes, and what is in memory


def _commits(log: bytes) -> Iterator[int]:
    """The sizes at which a log ends with a commit, from none at all."""
    if not log:
        return
    yield 0
    salts = log[16:24]
    for end in range(_WAL_HEADER + _FRAME_HEADER + PAGE, len(log) + 1, _FRAME_HEADER + PAGE):
        frame = log[end - _FRAME_HEADER - PAGE :][:_FRAME_HEADER]
        if frame[8:16] != salts:
            return
        if frame[4:8] != bytes(4):
            yield end


# --- Damage


def damage(store: Path, chance: random.Random) -> str:
    """Damage a file of a store; what was done."""
    log = store / "penstock.db-wal"
    value = chance.choice(sorted((store / "results").glob("??/*")))
    path = chance.choice([store / "penstock.db"] * 5 + [log] * (3 if log.exists() else 0) + [value] * 2)
    kinds = ["flip", "flip in text", "flip in text", "flips", "cut short", "zero page", "garbage page", "swapped pages"]
    kind = chance.choice([*kinds, "gone"] if path.suffix != ".db" else kinds)
    data = bytearray(path.read_bytes())
    if not data:
        return "nothing"
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(_DAMAGES[kind](data, chance))
    return f"{kind} in {path.relative_to(store)}"


def _flip(data: bytearray, chance: random.Random) -> bytearray:
    bit = chance.randrange(len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    return data


def _flip_in_text(data: bytearray, chance: random.Random) -> bytearray:
    """A flip that leaves a letter or a figure one: in names, numbers and values, which then can still be read."""
    for _ in range(1000):
        place = chance.randrange(len(data))
        other = data[place] ^ 1 << chance.randrange(4)
        if all(0x30 <= letter < 0x7F for letter in data[place : place + 8]) and chr(other).isalnum():
            data[place] = other
            return data
    return _flip(data, chance)


def _flips(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randrange(2, 40)):
        _flip(data, chance)
    return data


def _cut_short(data: bytearray, chance: random.Random) -> bytearray:
    size = chance.randrange(len(data))
    return data[: size // PAGE * PAGE if chance.random() < 0.5 else size]


def _page(data: bytearray, chance: random.Random) -> slice:
    start = chance.randrange((len(data) + PAGE - 1) // PAGE) * PAGE
    return slice(start, min(start + PAGE, len(data)))


def _zero_page(data: bytearray, chance: random.Random) -> bytearray:
    page = _page(data, chance)
    data[page] = bytes(len(data[page]))
    return data


def _garbage_page(data: bytearray, chance: random.Random) -> bytearray:
    page = _page(data, chance)
    data[page] = chance.randbytes(len(data[page]))
    return data


def _swapped_pages(data: bytearray, chance: random.Random) -> bytearray:
    one, other = _page(data, chance), _page(data, chance)
    if len(data[one]) == len(data[other]):
        data[one], data[other] = data[other], data[one]
    return data


_DAMAGES: dict[str, Callable[[bytearray, random.Random], bytearray]] = {
    "flip": _flip,
    "flip in text": _flip_in_text,
    "flips": _flips,
    "cut short": _cut_short,
    "zero page": _zero_page,
    "garbage page": _garbage_page,
    "swapped pages": _swapped_pages,
}


# --- What becomes of it, in children


def compare(folder: str, truths: str) -> tuple[str, list[str]]:
    """Read the damaged store; which truth it tells, and what is not true."""
    found = read(Path(folder), VARIANT)
    true = _truths(truths)
    wrong = [differences(found, truth) for truth in true]
    refusals = sum(isinstance(value, list) for value in found.values())
    if not wrong[0]:
        return "detected" if refusals else "harmless", []
    if not all(wrong):
        return "as at an earlier commit", []
    return "wrong", min(wrong, key=len)[:5]


@lru_cache(maxsize=2)
def _truths(path: str) -> list[Items]:
    made: list[Items] = pickle.loads(Path(path).read_bytes())
    return made


def command_line(folder: str) -> dict[str, Any]:
    """What the commands say to the damaged store, and whether one of them finds the damage."""
    found: list[str] = []
    code = 0
    for command in ("runs", "show", "logs", "db info", "db check"):
        code, said = _say(folder, command)
        if "should not happen" in said:
            found.append(f"penstock {command} says {said[-600:]}")
    return {"violations": found, "check finds it": code == DAMAGED}


def check(folder: str) -> int:
    """The exit code of `penstock db check`."""
    return _say(folder, "db check")[0]


def _say(folder: str, command: str) -> tuple[int, str]:
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = execute([*command.split(), "--store", f"sqlite:///{folder}/store"])
    return code, out.getvalue() + error.getvalue()


def resume(folder: str) -> list[str]:
    """Go on with the run that was killed; what is wrong with its values, if it gets to its end."""
    prepare(Path(folder), VARIANT)
    try:
        run = go_on(Path(folder), VARIANT)
    except PenstockError:
        return []
    size = run.params.get("size")
    expected = values(size, volatile=run.params.get("volatile") is True) if isinstance(size, int) else {}
    found = []
    for task in run.tasks:
        with contextlib.suppress(PenstockError):
            if task.state == "success" and task.result != expected.get(task.name):
                found.append(f"after resuming, '{task.name}' gave {task.result!r:.100}")
    return found


def corrupt(folder: str, source: str, seed: int) -> dict[str, Any]:
    """Damage a copy of a store, read it, perhaps ask the command line, and perhaps go on with its last run."""
    chance = random.Random(seed)
    place = Path(folder)
    _copy(Path(source) / "store", place / "store")
    done = damage(place / "store", chance)
    shown, wrong = compare(folder, f"{source}/truths")
    found: list[str] = []
    if wrong or chance.random() < 0.1:
        said = command_line(folder)
        found += said["violations"]
        if wrong and said["check finds it"]:
            shown, wrong = "seen by check alone", []
    found += wrong
    if chance.random() < 0.1:
        found += resume(folder)
    if not found:
        shutil.rmtree(place)
    return {"hit": shown != "harmless", "shown": shown, "violations": [f"({done}) {line}" for line in found]}


# --- In a lane


def truths(folder: str, kind: str) -> dict[str, Any]:
    """Make a store in a lane of its own."""
    Path(folder).mkdir(parents=True)
    return make_truths(folder, kind)


# --- The campaign


def run(count: int, seed: int, folder: Path) -> Report:
    """Damage `count` copies of two stores."""
    with Lanes() as lanes:
        return _run(lanes, count, seed, folder)


def _run(lanes: Lanes, count: int, seed: int, folder: Path) -> Report:
    report = Report()
    chance = random.Random(seed)
    made = []
    for arguments, given in lanes.spread(
        f"{__name__}:truths", [{"folder": str(folder / kind), "kind": kind} for kind in STORES]
    ):
        if "raised" in given:
            raise RuntimeError(given["raised"])
        made.append(arguments["folder"])
    made.sort()
    cases = (
        {
            "folder": str(folder / f"case-{number}"),
            "source": made[number % len(made)],
            "seed": chance.randrange(1 << 32),
        }
        for number in range(count)
    )
    shown: Counter[str] = Counter()

    def seen() -> Iterator[tuple[Arguments, Any]]:
        for arguments, given in lanes.spread(f"{__name__}:corrupt", cases, together=10):
            shown[given.get("shown", "no good end")] += 1
            yield arguments, given

    collect(report, seen(), "corrupt")
    report.notes = {what: f"{number:,}" for what, number in shown.most_common()}
    return report


CAMPAIGN = Campaign("corruption", 20_000, run)
