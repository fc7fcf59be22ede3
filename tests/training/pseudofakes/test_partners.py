import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import InputError
from training.pseudofakes.partners import Partners, fit_partner, in_own_box, nearest_of_other_videos


@given(seed=st.integers(0, 2**16), videos=st.integers(2, 6), nearest=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_partners_are_the_nearest_of_other_videos(seed, videos, nearest):
    rng = np.random.default_rng(seed)
    video = np.concatenate([np.arange(videos), rng.integers(0, videos, 12), np.arange(videos)])
    landmarks = rng.uniform(0, 256, (len(video), 81, 2)).astype(np.float32)
    found = nearest_of_other_videos(landmarks, video, nearest) if room(video) >= nearest else None
    if found is None:
        return
    for face, partners in enumerate(found):
        apart = np.linalg.norm((landmarks - landmarks[face]).reshape(len(video), -1), axis=1)
        apart[video == video[face]] = np.inf
        np.testing.assert_allclose(apart[partners], np.sort(apart)[:nearest], rtol=1e-4)


def room(video: np.ndarray) -> int:
    return len(video) - np.bincount(video).max()


def test_too_few_faces_of_other_videos_are_refused():
    landmarks = np.zeros((5, 81, 2), np.float32)
    with pytest.raises(InputError, match=r"one of the 3 nearest.*of 5 faces there are 1 of others"):
        nearest_of_other_videos(landmarks, np.array(["a", "a", "a", "a", "b"]), 3)


def test_partners_are_drawn_evenly_by_the_faces_own_numbers():
    faces = np.array([3, 7, 8, 20])
    places = {3: 0, 7: 1, 8: 2, 20: 10}
    partners = Partners(faces, faces, lambda face: np.full((81, 2), places[face], np.float32), 2)
    drawn = [partners.draw(7, np.random.default_rng(seed)) for seed in range(400)]
    assert set(drawn) == {3, 8}
    assert np.mean(np.array(drawn) == 3) == pytest.approx(0.5, abs=0.1)
    assert {partners.draw(20, np.random.default_rng(seed)) for seed in range(40)} == {7, 8}


def test_landmarks_in_their_own_box_know_no_place_and_no_size():
    landmarks = np.random.default_rng(0).uniform(50, 150, (81, 2)).astype(np.float32)
    moved = landmarks * (2, 3) + (40, -30)
    np.testing.assert_allclose(in_own_box(moved.astype(np.float32)), in_own_box(landmarks), atol=1e-5)
    assert in_own_box(landmarks)[:68].min() == 0
    assert in_own_box(landmarks)[:68].max() == pytest.approx(1)


def test_a_partner_is_laid_over_the_face_by_the_landmarks_boxes():
    rng = np.random.default_rng(1)
    theirs = rng.uniform(40, 100, (81, 2)).astype(np.float32)
    ours = (theirs * (1.5, 0.8) + (10, 20)).astype(np.float32)
    y, x = np.mgrid[:160, :150].astype(np.uint8)
    fitted = fit_partner(np.dstack([x, y, y]), theirs, ours, (180, 200))
    assert fitted.shape == (180, 200, 3)
    for (x1, y1), (x2, y2) in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(fitted[round(float(y2)), round(float(x2))][:2], (x1, y1), atol=1.6)
