"""What one look at a file tells, and when unreadable files make a data set invalid."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocessing.clips import EMPTY
from preprocessing.integrity.files import BATCH, Probe, digest_files, find_unreadable, probe_file, probe_files
from preprocessing.integrity.headers import Header
from tests.media import write_video
from tests.preprocessing.integrity.clip_rows import clip


def write_image(path: Path, value: int = 0) -> Path:
    cv2.imwrite(str(path), np.full((32, 48, 3), value, np.uint8))
    return path


@pytest.mark.parametrize(("name", "codec", "letters"), [("a.mp4", "mp4v", "FMP4"), ("a.AVI", "MJPG", "MJPG")])
def test_a_video_says_what_it_was_written_as(tmp_path: Path, name: str, codec: str, letters: str):
    path = write_video(tmp_path / name, np.zeros((5, 48, 64, 3), np.uint8), codec=codec)
    probe = probe_file(path)
    assert probe.header is not None
    assert probe.header.codec in {codec, letters}
    assert (probe.header.width, probe.header.height) == (64, 48)
    assert (probe.header.frame_rate, probe.header.frames) == (25.0, 5)
    assert (probe.size, probe.problem) == (path.stat().st_size, "")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.png", "png"), ("a.jpg", "jpeg"), ("a.bmp", "bmp"), ("a.webp", "webp"), ("a.tif", "tif")]
)
def test_images_of_all_kinds_are_read(tmp_path: Path, name: str, codec: str):
    header = probe_file(write_image(tmp_path / name)).header
    assert header is not None
    assert (header.codec, header.width, header.height, header.frames) == (codec, 48, 32, 1)


def test_a_suffix_may_lie(tmp_path: Path):
    path = write_image(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert probe_file(path).header == Header("png", 48, 32)


def test_damage_is_told_and_not_raised(tmp_path: Path):
    video = write_video(tmp_path / "whole.mp4", range(0, 250, 10)).read_bytes()
    for name, content, problem in (
        ("a.png", b"", "empty file"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "broken header"),
        ("a.webp", b"no image", "not an image"),
        ("b.png", write_image(tmp_path / "c.png").read_bytes()[:-12], "cut off"),
        ("a.mp4", b"no video", "not a video"),
        ("b.mp4", video[:-100], "cut off"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert probe_file(path) == Probe(len(content), problem)
    assert probe_file(tmp_path / "none.png").problem == "No such file or directory"


def test_without_opening_only_empty_files_are_found(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(b"no image")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    assert probe_files(paths, opened=False, workers=1, on_progress=lambda count: None) == [
        Probe(0, "empty file"),
        Probe(8),
    ]


def test_several_processes_say_what_one_says(tmp_path: Path):
    paths = [write_image(tmp_path / f"{number}.png", number % 251) for number in range(2 * BATCH + 3)]
    done: list[int] = []
    probes = probe_files(paths, opened=True, workers=2, on_progress=done.append)
    assert probes == [probe_file(path) for path in paths]
    assert sum(done) == len(paths)


def test_a_digest_is_of_the_whole_file(tmp_path: Path):
    content = np.random.default_rng(0).bytes(50_000)
    for name, middle in {"a": b"x", "b": b"x", "c": b"y"}.items():
        (tmp_path / name).write_bytes(content + middle + content)
    one, same, other, gone = digest_files(
        [tmp_path / name for name in ("a", "b", "c", "none")], workers=1, on_progress=lambda count: None
    )
    assert one == same != other
    assert gone == b""


@pytest.mark.parametrize(("good", "severity"), [(98, "invalid"), (99, "warning")])
def test_a_hundredth_of_a_class_may_be_unreadable(good: int, severity: str):
    clips = [clip("bad"), *[clip(str(number)) for number in range(good)], *[clip("x", "train")] * 500]
    probes = [[Probe(1, "cut off")], *[[Probe(1)] for _ in clips[1:]]]
    (found,) = find_unreadable(clips, clips, probes)
    assert (found.severity, found.examples) == (severity, ("bad (cut off)",))


def test_an_empty_folder_is_unreadable_media():
    empty = clip("walk", files=(), skip=EMPTY)
    (found,) = find_unreadable([clip("a"), empty], [clip("a")], [[Probe(1)]])
    assert (found.severity, found.examples) == ("invalid", ("walk (empty folder)",))
    assert list(find_unreadable([clip("a")], [clip("a")], [[Probe(1)]])) == []
