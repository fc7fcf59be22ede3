"""The aligned crop: constants, the transform, and what dlib and the predictor make of real pictures."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_config
from config.schema import Profile
from preprocessing.faces import ALIGNMENT_POINTS, Face, FaceCropper, Skip, similarity_transform, target_points
from preprocessing.landmarks import find_predictor
from tests.faces import still

PROFILE = load_config(Profile, "dfb")


@pytest.fixture(scope="module", params=["exact", "fast"])
def cropper(request) -> FaceCropper:
    return FaceCropper(PROFILE.model_copy(update={"mode": request.param}), find_predictor(environ={}))


def test_target_points_are_those_of_deepfakebench():
    # computed by DeepfakeBench's public code at 256 pixels and scale 1.3
    expected = [(96.870, 120.433), (158.825, 120.090), (128.044, 155.669), (102.592, 191.939), (153.899, 191.656)]
    np.testing.assert_allclose(target_points(256, 1.3), expected, atol=5e-4)


@given(
    angle=st.floats(-3, 3),
    scale=st.floats(0.1, 10),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_an_exact_similarity_is_recovered(angle, scale, shift):
    source = target_points(256, 1.3)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = similarity_transform(source, source @ rotation.T + shift)
    np.testing.assert_allclose(matrix, np.column_stack([rotation, shift]), atol=1e-6)


def test_the_transform_is_the_least_squares_one():
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    # rows of [x, -y, 1, 0] and [y, x, 0, 1] times (a, b, tx, ty) give the mapped x and y
    design = np.zeros((10, 4))
    design[0::2] = np.column_stack([source[:, 0], -source[:, 1], np.ones(5), np.zeros(5)])
    design[1::2] = np.column_stack([source[:, 1], source[:, 0], np.zeros(5), np.ones(5)])
    a, b, tx, ty = np.linalg.lstsq(design, target.reshape(-1), rcond=None)[0]
    np.testing.assert_allclose(similarity_transform(source, target), [[a, -b, tx], [b, a, ty]], atol=1e-12)


def test_a_face_is_aligned_to_the_template(cropper):
    face = cropper.crop(still())
    assert isinstance(face, Face)
    assert face.crop.shape == (256, 256, 3)
    assert face.landmarks.shape == (81, 2)
    found = face.landmarks[list(ALIGNMENT_POINTS)]
    # five points cannot all meet their targets by a similarity, least of all the mouth's
    distances = np.linalg.norm(found - target_points(256, 1.3), axis=1)
    assert distances[:3].max() < 8
    assert distances.mean() < 10


def test_the_largest_face_is_taken(cropper):
    large, small = still(0), cv2.resize(still(1), None, fx=0.5, fy=0.5)
    frame = np.zeros((400, 600, 3), np.uint8)
    frame[:, :400] = cv2.resize(large, (400, 400))
    frame[100 : 100 + small.shape[0], 400 : 400 + small.shape[1]] = small
    alone, among = cropper.crop(cv2.resize(large, (400, 400))), cropper.crop(frame)
    assert isinstance(alone, Face)
    assert isinstance(among, Face)
    assert np.abs(alone.crop.astype(int) - among.crop).mean() < 8


def test_the_mask_follows_the_crop_and_is_binary(cropper):
    frame = still()
    mask = np.zeros(frame.shape[:2], np.uint8)
    mask[: frame.shape[0] // 2] = 2  # above the threshold of 1
    face = cropper.crop(frame, mask)
    assert isinstance(face, Face)
    assert set(np.unique(face.mask)) == {0, 255}
    middle = face.mask[:, 112:144]
    assert middle[64:80].min() == 255
    assert middle[-32:].max() == 0


def test_no_face_is_an_answer(cropper):
    assert cropper.crop(np.full((200, 200, 3), 127, np.uint8)) is Skip.NO_FACE


def test_all_faces_of_a_frame_come_largest_first(cropper):
    frame = np.zeros((400, 700, 3), np.uint8)
    frame[:300, 300:600] = cv2.resize(still(0), (300, 300))
    frame[50:250, 50:250] = cv2.resize(still(1), (200, 200))
    large, small = cropper.crop_all(frame)
    assert large.box.width > small.box.width
    assert large.box.centre.real > 300 > small.box.centre.real
    assert cropper.crop_all(np.zeros_like(frame)) == []


def two_people() -> np.ndarray:
    """The larger one on the right, from pixel 300 on."""
    frame = np.zeros((400, 700, 3), np.uint8)
    frame[:300, 300:600] = cv2.resize(still(0), (300, 300))
    frame[50:250, 50:250] = cv2.resize(still(1), (200, 200))
    return frame


def test_the_mask_chooses_the_face(cropper):
    frame = two_people()
    forged = np.zeros(frame.shape[:2], np.uint8)
    forged[100:200, 100:200] = 255  # in the face of the smaller one
    large, small = cropper.crop_all(frame)
    for last in (None, large.box, small.box):
        face = cropper.crop(frame, forged, last)
        assert isinstance(face, Face)
        assert face.box.centre.real < 300
        assert face.mask is not None
        assert face.mask.any()
    assert [face.box for face in cropper.crop_all(frame, forged)] == [small.box, large.box]
    assert cropper.crop(frame, np.zeros_like(forged)).box.centre.real > 300
    assert cropper.crop(frame).box.centre.real > 300


def test_a_forged_face_too_small_for_the_cheap_searches_is_taken(cropper):
    frame = np.full((1080, 1440, 3), 90, np.uint8)
    frame[100:700, 100:700] = cv2.resize(still(0), (600, 600))
    frame[400:520, 1000:1120] = cv2.resize(still(1), (120, 120), interpolation=cv2.INTER_AREA)
    forged = np.zeros(frame.shape[:2], np.uint8)
    forged[430:500, 1030:1090] = 255
    face = cropper.crop(frame, forged)
    assert isinstance(face, Face)
    assert face.box.centre.real > 1000


def test_of_faces_that_share_a_mask_the_one_that_has_more_of_it_is_taken(cropper):
    frame = two_people()
    forged = np.zeros(frame.shape[:2], np.uint8)
    forged[140:150, 100:200] = 255
    forged[140:142, 400:500] = 255
    face = cropper.crop(frame, forged)
    assert isinstance(face, Face)
    assert face.box.centre.real < 300


def test_a_profile_keeps_one_face_or_all(cropper):
    frame = two_people()
    one = cropper.faces(frame)
    every = FaceCropper(cropper.profile.model_copy(update={"faces": "all"}), find_predictor(environ={})).faces(frame)
    assert [len(one), len(every)] == [1, 2]
    assert cropper.faces(np.zeros_like(frame)) is Skip.NO_FACE
