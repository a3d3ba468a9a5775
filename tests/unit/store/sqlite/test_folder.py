from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from penstock.errors import StoreError
from penstock.store.sqlite import SQLiteStore
from penstock.store.sqlite.folder import mounts, network_file_system, prepare_folder
from penstock.testing.store_samples import new_run

MOUNTS = r"""
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /home nfs4 rw,vers=4.2 0 0
/dev/vdb /home/local xfs rw 0 0
//server/share /mnt/with\040space cifs rw 0 0
host:/ /mnt/ssh fuse.sshfs rw 0 0
/dev/vdc /mnt/over ext4 rw 0 0
server:/x /mnt/over nfs rw 0 0
/dev/vdd /mnt/far/near ext4 rw 0 0
server:/x /mnt/far nfs rw 0 0
""".strip()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", None),
        ("/srv/project/.penstock", None),
        ("/home/ada/.penstock", "nfs4"),
        ("/home", "nfs4"),
        ("/homes/ada", None),
        ("/home/local/ada", None),
        ("/mnt/with space/a/b", "cifs"),
        ("/mnt/ssh/x", "fuse.sshfs"),
        ("/mnt/over/x", "nfs"),
        ("/mnt/far/near/x", None),
        ("/mnt/far/x", "nfs"),
    ],
)
def test_network_file_systems_are_known_by_name(folder: str, kind: str | None):
    assert network_file_system(Path(folder), MOUNTS) == kind


def test_a_link_into_a_network_file_system_is_followed(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    mounted = f"server:/ {tmp_path}/target nfs rw 0 0\n"
    assert network_file_system(tmp_path / "link" / "store", mounted) == "nfs"


def test_where_nothing_is_known_of_mounts_all_is_local():
    assert network_file_system(Path("/home"), "") is None


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="no /proc/mounts")
def test_mounts_are_read_from_the_system():
    assert " / " in mounts()


def test_a_folder_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("penstock.store.sqlite.folder.mounts", lambda: f"server:/ {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*local disk"):
        SQLiteStore(tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_for_its_owner_alone_and_hidden_from_git(tmp_path: Path):
    folder = tmp_path / "a" / "b" / ".penstock"
    SQLiteStore(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    for name in ("penstock.db", "write.lock", "lease.lock"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path):
    prepare_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_folders_place(tmp_path: Path):
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        SQLiteStore(tmp_path / "store")


@pytest.fixture
def of_another_user(tmp_path: Path) -> Path:
    """A folder that is not of the user who runs the tests."""
    if os.geteuid() != 0:
        return Path("/usr")
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 54_321, 54_321)
    return folder


def test_a_folder_of_another_user_is_refused(of_another_user: Path, tmp_path: Path):
    before = os.listdir(of_another_user)
    (tmp_path / "link").symlink_to(of_another_user)
    for folder in (of_another_user, tmp_path / "link"):
        with pytest.raises(StoreError, match=rf"{folder} belongs to user .*runs as user .*PENSTOCK_HOME"):
            SQLiteStore(folder)
    assert os.listdir(of_another_user) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name", ["penstock.db", "penstock.db-wal", "write.lock", "lease.lock"])
def test_a_file_of_another_user_is_refused(tmp_path: Path, name: str):
    SQLiteStore(tmp_path / "store").close()
    (tmp_path / "store" / name).touch()
    os.chown(tmp_path / "store" / name, 54_321, 54_321)
    with pytest.raises(StoreError, match=rf"file .*{name} belongs to user 54321"):
        SQLiteStore(tmp_path / "store")


def test_a_folder_or_file_that_all_may_write_is_refused_until_that_is_mended(tmp_path: Path):
    folder = tmp_path / "my store"
    SQLiteStore(folder).close()
    for path in (folder, folder / "penstock.db"):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | 0o002)
        with pytest.raises(StoreError, match=r"every user .* may write .*chmod o-w '") as refusal:
            SQLiteStore(folder)
        subprocess.run(str(refusal.value).rpartition("with: ")[2], shell=True, check=True)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        SQLiteStore(folder).close()


@pytest.mark.parametrize("name", ["penstock.db", "penstock.db-wal", "write.lock", "lease.lock"])
def test_a_link_in_the_place_of_a_file_is_refused(tmp_path: Path, name: str):
    SQLiteStore(tmp_path / "store").close()
    (tmp_path / "elsewhere").touch(0o600)
    (tmp_path / "store" / name).unlink(missing_ok=True)
    (tmp_path / "store" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=f"{name} is no regular file"):
        SQLiteStore(tmp_path / "store")
    assert (tmp_path / "elsewhere").read_bytes() == b""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_made(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        SQLiteStore(tmp_path / "store")


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = SQLiteStore(Path(".penstock"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.create_run(new_run(), b"a plan")
    assert store.plan("plan-a") == b"a plan"
    store.close()
    assert (tmp_path / ".penstock" / "penstock.db").exists()
