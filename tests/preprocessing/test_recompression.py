"""H.264 in memory: as many frames in the same order, worse with the rate factor, the same each time."""

import cv2
import numpy as np
import pytest

from preprocessing.clips import UnreadableMediaError
from preprocessing.recompression import codec_version, recompress
from tests.faces import still


def clip(height: int = 96, width: int = 120, frames: int = 12) -> list[np.ndarray]:
    image = cv2.cvtColor(cv2.resize(still(), (width, height)), cv2.COLOR_BGR2RGB)
    return [np.roll(image, 3 * step, axis=1) for step in range(frames)]


def distance(made, frames) -> float:
    return float(np.abs(np.array(made).astype(int) - np.array(frames)).mean())


def test_frames_come_back_in_their_order_and_grow_worse_with_the_rate_factor():
    frames = clip()
    errors = []
    for crf in (10, 25, 40):
        made = list(recompress(frames, crf))
        assert [frame.shape for frame in made] == [frame.shape for frame in frames]
        nearest = [int(np.argmin([distance(one, other) for other in frames])) for one in made]
        assert nearest == list(range(len(frames)))
        errors.append(distance(made, frames))
    assert 0 < errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_grey_clip_keeps_its_level(level):
    frames = [np.full((64, 64, 3), level, np.uint8)] * 5
    assert max(np.abs(frame.astype(int) - level).max() for frame in recompress(frames, 23)) <= 1


@pytest.mark.parametrize(("height", "width"), [(65, 96), (64, 97), (33, 31)])
def test_odd_sides_are_kept(height, width):
    frames = clip(height, width, 3)
    made = list(recompress(frames, 15))
    assert [frame.shape for frame in made] == [(height, width, 3)] * 3
    assert distance(made, frames) < 10
    assert distance([frame[-1] for frame in made], [frame[-1] for frame in frames]) < 14


def test_the_same_frames_give_the_same_pixels():
    first, second = (list(recompress(clip(), 30)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_frames_are_taken_as_they_are_wanted():
    taken = []

    def endless():
        image = clip(64, 64, 1)[0]
        while True:
            taken.append(1)
            yield image

    made = recompress(endless(), 30)
    for _ in range(3):
        next(made)
    assert len(taken) < 150


def test_no_frame_gives_none_and_other_sizes_are_refused():
    assert list(recompress([], 23)) == []
    with pytest.raises(UnreadableMediaError, match="different sizes"):
        list(recompress([clip()[0], clip(64, 64)[0]], 23))


def test_the_codec_names_its_builds():
    assert "libavcodec " in codec_version()
    assert "unknown" not in codec_version()
