"""What the demo makes of its data sets again, and what it leaves as it is."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.demo import prepare
from benchmark.demo.notes import Note, fingerprint
from benchmark.demo.prepare import Prepared, prepare_demo


def prepared(out: Path, **options) -> tuple[Prepared, str]:
    """What was prepared, and what was said of it."""
    said = io.StringIO()
    found = prepare_demo(out, seed=0, landmarks=None, workers=0, console=Console(file=said, width=200), **options)
    return found, said.getvalue()


@pytest.mark.usefixtures("small_demo")
def test_what_is_done_is_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, said = prepared(tmp_path)
    assert said.count("a reproduction") == 2
    assert set(first.rows) == {"DemoFF", "DemoX"}

    with monkeypatch.context() as patched:
        for work in ("build_demo", "check_dataset", "preprocess_dataset"):
            patched.setattr(prepare, work, None)
        again, said = prepared(tmp_path)
    assert said.count("ready in") == 2
    for name, rows in first.rows.items():
        assert again.rows[name].equals(rows)

    clip = next((tmp_path / "media" / "DemoX").rglob("*.mp4"))
    os.utime(clip, ns=(0, 0))
    _, said = prepared(tmp_path)
    assert said.count("a reproduction") == said.count("ready in") == 1
    assert "DemoFF: ready" in said


@pytest.mark.usefixtures("small_demo")
def test_only_what_is_asked_for_is_prepared(tmp_path: Path):
    found, said = prepared(tmp_path, sets=("DemoX",))
    assert set(found.rows) == {"DemoX"}
    assert "DemoFF" not in said
    _, said = prepared(tmp_path, sets=("DemoX",), profile="sbi")
    assert "a reproduction" not in said
    assert "ready" not in said
    assert (tmp_path / "data" / "sbi" / "DemoX.parquet").is_file()


def test_a_note_holds_while_nothing_changes(tmp_path: Path):
    folder, single = tmp_path / "folder" / "deep", tmp_path / "single"
    folder.mkdir(parents=True)
    (folder / "a").write_text("a")
    single.write_text("b")
    note = Note(tmp_path / "note.json", {"seed": 0}, (tmp_path / "folder", single))
    assert not note.holds
    note.write()
    assert note.holds
    assert not Note(note.path, {"seed": 1}, note.files).holds
    (folder / "b").touch()
    assert not note.holds
    (folder / "b").unlink()
    assert note.holds
    single.write_text("longer")
    assert not note.holds
    assert fingerprint([folder]) == fingerprint([folder]) != fingerprint([single])
