"""Which frames are chosen, and how videos, folders and stills give them."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.clips import UnreadableMediaError, choose_frames, natural_key, read_frames
from tests.media import grey_levels, write_video


def test_frames_are_spread_from_first_to_last():
    # numpy.linspace(0, 99, 5) = 0, 24.75, 49.5, 74.25, 99, truncated
    assert choose_frames(100, 5) == [0, 24, 49, 74, 99]


def test_a_short_clip_gives_each_frame_once():
    assert choose_frames(3, 32) == [0, 1, 2]


def test_stride_takes_every_nth():
    assert list(choose_frames(10, 32, stride=4)) == [0, 4, 8]


@given(count=st.integers(1, 5000), wanted=st.integers(1, 300))
def test_chosen_frames_are_distinct_inside_and_as_many_as_can_be(count, wanted):
    chosen = choose_frames(count, wanted)
    assert len(chosen) == min(count, wanted)
    assert chosen == sorted(set(chosen))
    assert chosen[0] == 0
    assert chosen[-1] < count
    if wanted > 1:
        assert chosen[-1] == count - 1


def test_a_video_gives_the_frames_at_the_chosen_indices(tmp_path: Path):
    levels = [10 * index for index in range(20)]
    path = write_video(tmp_path / "clip.mp4", levels)
    read = dict(read_frames((path,), 5))
    assert list(read) == [0, 4, 9, 14, 19]
    assert grey_levels(read.values()) == pytest.approx([levels[index] for index in read], abs=6)


def test_a_video_cut_short_gives_what_is_left_and_none_for_the_rest(tmp_path: Path):
    rng = np.random.default_rng(0)
    path = write_video(tmp_path / "clip.avi", rng.integers(0, 255, (30, 64, 64, 3), dtype=np.uint8), codec="MJPG")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    try:
        frames = [frame for _, frame in read_frames((path,), 10)]
    except UnreadableMediaError:
        return  # without its index the container may not open at all, which is counted as well
    assert any(frame is not None for frame in frames)
    assert None in [None if frame is None else 0 for frame in frames]


@pytest.mark.parametrize("content", [b"", b"hello, I am no video"])
def test_what_is_no_video_says_so(tmp_path: Path, content: bytes):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableMediaError):
        list(read_frames((path,), 4))


def test_a_video_of_zero_frames_says_so(tmp_path: Path):
    path = tmp_path / "nothing.mp4"
    cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 64)).release()
    assert path.stat().st_size > 0
    with pytest.raises(UnreadableMediaError, match="not a video"):
        list(read_frames((path,), 4))


def test_a_folder_of_frames_reads_in_natural_order_and_marks_broken_images(tmp_path: Path):
    for index in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"frame{index}.png"), np.full((8, 8, 3), index, np.uint8))
    (tmp_path / "frame3.png").write_bytes(b"")
    files = tuple(sorted(tmp_path.iterdir(), key=natural_key))
    read = dict(read_frames(files, 32))
    assert [None if frame is None else int(frame[0, 0, 0]) for frame in read.values()] == [1, 2, None, 10]


def test_a_video_whose_header_promises_more_than_there_is(tmp_path: Path, monkeypatch):
    path = write_video(tmp_path / "short.mp4", [0, 50, 100, 150])

    class Promising:
        """An OpenCV object cannot be subclassed safely."""

        def __init__(self, path: str, opened: type = cv2.VideoCapture) -> None:
            self.capture = opened(path)

        def get(self, what: int) -> float:
            return 2.0**31 if what == cv2.CAP_PROP_FRAME_COUNT else self.capture.get(what)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.capture, name)

    monkeypatch.setattr(cv2, "VideoCapture", Promising)
    every_second = list(read_frames((path,), 32, stride=2))
    assert [(index, frame is None) for index, frame in every_second] == [(0, False), (2, False), (4, True)]
    spread = list(read_frames((path,), 3))
    assert [frame is None for _, frame in spread] == [False, True, True]
