"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from config.errors import InputError
from config.files import atomic_folder, atomic_path, sweep, write_text


def test_the_file_appears_when_the_block_ends(tmp_path: Path):
    target = tmp_path / "new" / "file"
    with atomic_path(target) as scratch:
        scratch.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_no_scratch(tmp_path: Path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as scratch:
        scratch.write_text(f"half {1 / 0}")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"), atomic_path(tmp_path / "file" / "below") as scratch:
        scratch.write_text("")


def test_an_error_about_another_file_is_not_taken_for_one_about_this(tmp_path: Path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "file") as scratch:
        scratch.write_text((tmp_path / "absent").read_text())


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path: Path):
    with atomic_path(tmp_path / "file") as scratch:
        scratch.write_text("whole")
        left = scratch.name
    names = {"file", ".hidden", "x.1.tmp", ".y.tmp"}
    for name in (*names, left):
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == names
    sweep(tmp_path / "absent")


def test_text_is_written_whole_and_in_utf8(tmp_path: Path):
    write_text(tmp_path / "new" / "file", "é\n")
    assert (tmp_path / "new" / "file").read_bytes() == "é\n".encode()


def test_a_folder_appears_whole_and_what_a_killed_run_left_of_it_goes(tmp_path: Path):
    left, others = tmp_path / ".made.1.tmp", tmp_path / ".madeup.1.tmp"
    for folder in (left, others):
        folder.mkdir()
        (folder / "half").write_text("half")
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "made") as scratch:
        (tmp_path / "absent").rename(scratch / "half")
    assert list(tmp_path.iterdir()) == [others]
    with atomic_folder(tmp_path / "made") as scratch:
        assert not (tmp_path / "made").exists()
        (scratch / "file").write_text("whole")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["file"]
    with pytest.raises(InputError, match="is there already"), atomic_folder(tmp_path / "made"):
        pass
    with pytest.raises(InputError, match="cannot write"), atomic_folder(tmp_path / "made" / "file" / "below"):
        pass
