"""The folder of a store: made for its owner alone, and refused where files are not local or not his own."""

from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path

from penstock.errors import StoreError

_NETWORK = frozenset(
    (
        *(
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "afs",
            "ncpfs",
            "coda",
            "ceph",
            "glusterfs",
            "lustre",
            "beegfs",
            "gpfs",
        ),
        *("gfs2", "ocfs2", "davfs", "drvfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs"),
        *("fuse.gcsfuse", "fuse.davfs2", "fuse.juicefs", "fuse.mount-s3", "fuse.blobfuse2", "fuse.smbnetfs"),
    )
)
_FILES = ("penstock.db", "penstock.db-wal", "penstock.db-shm", "write.lock", "lease.lock")
_OCTAL = re.compile(r"\\([0-7]{3})")


def prepare_folder(folder: Path) -> None:
    """Make the folder, with what it is in, if it is not there. StoreError where no store can be: on a network, in the
    folder of another user, or where other users may write."""
    kind = network_file_system(folder, mounts())
    if kind is not None:
        raise StoreError(
            f"{folder} is on a network file system ({kind}), where SQLite's locks cannot be relied on: choose a folder "
            "on a local disk, with store='sqlite:///PATH' or the environment's PENSTOCK_HOME"
        )
    try:
        if _make(folder, 0o700):
            (folder / ".gitignore").write_text("*\n", "utf-8")
            return
    except OSError as error:
        raise StoreError(f"the store's folder {folder} cannot be made: {error.strerror}") from error
    try:
        _check_owner(folder, os.stat(folder), "folder")
        for file in map(folder.joinpath, _FILES):
            _check_file(file)
    except OSError as error:
        raise StoreError(f"the store's folder {folder} cannot be read: {error.strerror}") from error


def _check_file(file: Path) -> None:
    try:
        found = os.lstat(file)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(
            f"{file} is no regular file: put the store's own file there, or choose another folder for the store"
        )
    _check_owner(file, found, "file")


def _check_owner(path: Path, found: os.stat_result, kind: str) -> None:
    """Whoever may write here could have this process read what he likes; what root writes here, he could not read."""
    if found.st_uid != os.geteuid():
        owner, me = _user(found.st_uid), _user(os.geteuid())
        raise StoreError(
            f"the store's {kind} {path} belongs to {owner}, and this process runs as {me}: run it as {owner}, or "
            "choose another folder with store='sqlite:///PATH' or the environment's PENSTOCK_HOME"
        )
    if found.st_mode & stat.S_IWOTH:
        raise StoreError(
            f"every user of this machine may write to the store's {kind} {path}: see who has done so, then forbid it "
            f"with: chmod o-w {shlex.quote(str(path))}"
        )


def _user(number: int) -> str:
    import pwd

    try:
        return f"user '{pwd.getpwuid(number).pw_name}'"
    except KeyError:
        return f"user {number}"


def mounts() -> str:
    """What is mounted here, as /proc/mounts has it; nothing where there is no such file."""
    try:
        return Path("/proc/mounts").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def network_file_system(folder: Path, mounts: str) -> str | None:
    """The name of the network file system that a folder is on, or will be; None for a local one."""
    place = Path(os.path.realpath(folder))
    found, depth = "", -1
    for line in mounts.splitlines():
        _, mounted, kind, *_ = line.split(" ")
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), mounted))
        if len(point.parts) >= depth and place.is_relative_to(point):  # the last one mounted on a place hides others
            found, depth = kind, len(point.parts)
    return found if found in _NETWORK else None


def _make(folder: Path, mode: int) -> bool:
    if folder.is_dir():
        return False
    _make(folder.parent, 0o777)
    try:
        folder.mkdir(mode)
    except FileExistsError:
        if folder.is_dir():
            return False
        raise
    parent = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(parent)  # or the folder, with all that is safe in it, may be gone after a power loss
    finally:
        os.close(parent)
    return True
