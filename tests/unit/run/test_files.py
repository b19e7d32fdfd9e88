import os
import stat
from pathlib import Path

import pytest

from inverter.run.files import whole_file, whole_folder, write_bytes, write_text


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old é")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text(encoding="utf-8") == "old é"
    write_text(path, "new")
    assert path.read_text() == "new"


def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write_bytes(path, b"newer", sync=False)
    assert path.read_bytes() == b"newer"


@pytest.mark.parametrize(("sync", "said"), [(True, ["3 bytes", "renamed", "folder"]), (False, ["renamed"])])
def test_the_disk_has_the_bytes_before_the_name_and_the_name_at_the_end(tmp_path, monkeypatch, sync, said):
    events, replace = [], Path.replace

    def fsync(descriptor: int) -> None:
        whole = os.fstat(descriptor)
        events.append(f"{whole.st_size} bytes" if stat.S_ISREG(whole.st_mode) else "folder")

    def renamed(self: Path, target: Path) -> Path:
        events.append("renamed")
        return replace(self, target)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    write_bytes(tmp_path / "file", b"new", sync=sync)
    assert events == said


@pytest.mark.parametrize("alone", [False, True])
def test_a_stopped_writer_leaves_nothing_behind(tmp_path, alone):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "file", alone=alone) as stream:
        stream.write(b"new")
        raise KeyboardInterrupt
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_two_writers_of_a_file_do_not_meet(tmp_path, monkeypatch):
    path = tmp_path / "file"
    with whole_file(path) as stream:
        stream.write(b"first")
        monkeypatch.setattr("socket.gethostname", lambda: "another")
        write_bytes(path, b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"


def test_what_a_killed_writer_left_is_written_over(tmp_path):
    (tmp_path / ".file.partial").write_bytes(b"torn")
    with whole_file(tmp_path / "file", alone=True) as stream:
        stream.write(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "a"
    for text in ("old", "new"):
        with whole_folder(folder) as partial:
            (partial / text).write_text(text)
        assert [path.name for path in folder.iterdir()] == [text]
    with pytest.raises(ZeroDivisionError), whole_folder(folder) as partial:
        (partial / "worse").write_text(str(1 / 0))
    assert [path.name for path in folder.iterdir()] == ["new"]
    with whole_folder(folder, keep=True) as partial:
        (partial / "more").write_text("")
    assert sorted(path.name for path in folder.iterdir()) == ["more", "new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_is_a_link_stays_one(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "disk")
    for text in ("old", "new"):
        with whole_folder(tmp_path / "a") as partial:
            (partial / text).write_text("")
    assert (tmp_path / "a").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "disk"]


def test_a_folder_survives_a_kill_between_the_renames(tmp_path):
    (tmp_path / ".a.old").mkdir()
    (tmp_path / ".a.old" / "kept").write_text("")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "a", keep=True) as partial:
        assert (partial / "kept").is_file()
        raise ZeroDivisionError
    assert (tmp_path / "a" / "kept").is_file()
