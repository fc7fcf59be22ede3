"""Masks from landmarks: areas and members in closed form, other ways to the same shape, and real pictures' faces."""

import itertools
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation
from scipy.spatial import ConvexHull

from config.errors import InputError
from config.load import load_config
from config.pseudofake import LAL_KINDS, MTMS_KINDS, Draw
from config.schema import Profile
from preprocessing.faces import Face, FaceCropper
from preprocessing.landmarks import find_predictor
from preprocessing.operators import flip_landmark
from tests.faces import still
from training.errors import PseudoFakeError
from training.pseudofakes.blur import HardMask
from training.pseudofakes.masks import (
    FEATURES,
    NARROWED,
    bbmg_parts,
    hull_mask,
    join_parts,
    lal_mask,
    local_mask,
    mtms_mask,
    random_features,
    random_lal_kind,
    random_mtms_kind,
)

SHAPE = (256, 256)
DRAWS = [
    Draw(line=line, dtype=dtype, value=value)
    for line in ("line_8", "line_aa")
    for dtype in ("uint8", "float32")
    for value in (1, 255)
]
# Which landmarks each of the library's masks is made of.
MEMBERS = {
    "dfl_full": {*range(31), 33, *range(48, 68)},
    "components": set(range(36)),
    "extended": set(range(36)),
    "facehull": set(range(81)),
}
BELOW_BROWS = {18: 36, 19: 37, 20: 38, 21: 39, 22: 42, 23: 43, 24: 44, 25: 45}


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    """(81, 2) landmarks of three pictures, in their crops of 256 pixels."""
    profile = load_config(Profile, "dfb").model_copy(update={"mode": "fast"})
    cropper = FaceCropper(profile, find_predictor(environ={}))
    found = [cropper.crop(still(number)) for number in range(3)]
    return [face.landmarks for face in found if isinstance(face, Face)]


@pytest.fixture
def face(faces) -> np.ndarray:
    return faces[0].copy()


def on_corners(corners, count: int) -> np.ndarray:
    """Landmarks that lie on the corners of a polygon, over and over again."""
    return np.array([corners[index % len(corners)] for index in range(count)])


def every_mask(landmarks: np.ndarray, shape=SHAPE) -> dict[str, HardMask]:
    masks = {f"lal {kind}": lal_mask(kind, landmarks, shape) for kind in LAL_KINDS}
    masks |= {feature: local_mask([feature], landmarks, shape, Draw()) for feature in FEATURES}
    return masks | {f"mtms {kind}": mtms_mask(kind, landmarks, shape, Draw()) for kind in MTMS_KINDS}


def grown(mask: HardMask) -> np.ndarray:
    """The mask and the pixels next to it."""
    return binary_dilation(mask, np.ones((3, 3)))


def same_but_for_edges(first: HardMask, second: HardMask) -> bool:
    return not (first.astype(bool) & ~grown(second)).any() and not (second.astype(bool) & ~grown(first)).any()


@pytest.mark.parametrize("count", [68, 81])
@pytest.mark.parametrize("draw", DRAWS, ids=str)
def test_the_hull_of_a_rectangle_has_its_area(count, draw):
    landmarks = on_corners([(20, 30), (90, 30), (90, 70), (20, 70)], count)
    mask = hull_mask(landmarks, (100, 160), draw)
    assert mask.dtype == draw.dtype
    assert mask.shape == (100, 160)
    assert set(np.unique(mask)) == {0, 1}
    if draw == Draw(line="line_aa", dtype="uint8", value=255):  # its edge is drawn below 255
        assert mask[32:69, 22:89].all()
        assert not mask[:30].any()
    else:
        assert mask.sum() == 71 * 41
        assert mask[30:71, 20:91].all()


def test_landmarks_between_pixels_count_for_the_nearest():
    landmarks = on_corners([(19.6, 30.4), (90.4, 30.3), (89.6, 69.7), (20.2, 70.4)], 68)
    mask = hull_mask(landmarks, (100, 160), Draw())
    assert mask.sum() == 71 * 41
    assert mask[30:71, 20:91].all()


def test_the_type_and_not_the_line_changes_float_masks(face):
    smooth, hard = (hull_mask(face, SHAPE, Draw(line=line, dtype="uint8", value=255)) for line in ("line_aa", "line_8"))
    assert smooth.sum() < hard.sum()
    assert not (smooth > hard).any()
    for value in (1, 255):
        first, second = (
            hull_mask(face, SHAPE, Draw(line=line, dtype="float32", value=value)) for line in ("line_aa", "line_8")
        )
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, hard)


@given(seed=st.integers(0, 2**32 - 1), count=st.sampled_from([68, 81]), whole=st.booleans())
def test_a_hull_is_where_the_half_planes_of_its_sides_meet(seed, count, whole):
    rng = np.random.default_rng(seed)
    landmarks = rng.normal(rng.uniform(0, 100, 2), rng.uniform(8, 60, 2), (count, 2))
    landmarks[0] = 50, 40  # some pixel is in the image
    landmarks = landmarks.astype(int) if whole else landmarks
    mask = hull_mask(landmarks, (80, 100), Draw())
    sides = ConvexHull(landmarks).equations
    y, x = np.mgrid[:80, :100]
    beyond = (np.stack([x, y], -1) @ sides[:, :2].T + sides[:, 2]).max(-1)  # pixels outside of the farthest side
    assert mask[beyond < -1].all()
    # a vertex may be rounded by half of a diagonal, and pixels that an edge touches count
    assert not (mask.astype(bool) & ~grown(grown(beyond <= 0))).any()


@pytest.mark.parametrize("kind", LAL_KINDS)
def test_a_lal_mask_reaches_its_landmarks_and_no_others(face, kind):
    reached = set()
    for index in range(81):
        moved = face.copy()
        moved[index] = 4, 250
        if lal_mask(kind, moved, SHAPE)[250, 4]:
            reached.add(index)
    assert reached == MEMBERS[kind]


@pytest.mark.parametrize(
    ("kind", "first", "second", "joined"),
    [
        ("dfl_full", 0, 27, True),
        ("dfl_full", 3, 57, True),
        ("dfl_full", 3, 20, False),
        ("dfl_full", 30, 20, False),
        ("components", 0, 8, True),
        ("components", 0, 27, False),
        ("components", 0, 16, False),
        ("components", 17, 31, True),
        ("components", 17, 26, False),
        ("components", 19, 24, True),
        ("extended", 31, 8, True),
        ("extended", 3, 33, False),
        ("facehull", 3, 80, True),
    ],
)
def test_what_two_landmarks_of_one_part_have_between_them_is_in_the_mask(kind, first, second, joined):
    landmarks = np.full((81, 2), 128)
    landmarks[0] += (1, 0)
    landmarks[first], landmarks[second] = (20, 20), (230, 20)
    assert lal_mask(kind, landmarks, SHAPE)[20, 125] == joined


def test_lal_masks_of_faces_lie_in_one_another(faces):
    assert len(faces) == 3
    for landmarks in faces:
        masks = {kind: lal_mask(kind, landmarks, SHAPE) for kind in LAL_KINDS}
        assert all(mask.dtype == np.float32 for mask in masks.values())
        np.testing.assert_array_equal(masks["dfl_full"], masks["components"])
        assert not (masks["components"] > masks["extended"]).any()
        assert not (masks["components"].astype(bool) & ~grown(masks["facehull"])).any()
        assert masks["components"].sum() < 0.95 * masks["extended"].sum() < masks["facehull"].sum()
        np.testing.assert_array_equal(masks["facehull"], hull_mask(landmarks, SHAPE, Draw()))
        fewer = lal_mask("facehull", landmarks[:68], SHAPE)  # no forehead
        assert fewer.sum() < 0.9 * masks["facehull"].sum()
        for kind in ("dfl_full", "extended", "components"):
            np.testing.assert_array_equal(masks[kind], lal_mask(kind, landmarks[:68], SHAPE))


def test_extended_lifts_brows_by_half_of_their_distance_from_the_eyes(faces):
    for landmarks in faces:
        lifted = min(1.5 * landmarks[brow, 1] - 0.5 * landmarks[eye, 1] for brow, eye in BELOW_BROWS.items())
        top = np.flatnonzero(lal_mask("extended", landmarks, SHAPE).any(axis=1))[0]
        assert abs(top - lifted) <= 0.5
        assert np.flatnonzero(lal_mask("components", landmarks, SHAPE).any(axis=1))[0] == landmarks[17:27, 1].min()


@pytest.mark.parametrize(("brow", "corner", "jaw"), [(17, 36, 0), (26, 45, 16)])
def test_the_outer_brows_are_lifted_from_between_eye_and_jaw(face, brow, corner, jaw):
    face[brow, 1] = 60  # the highest point once it is lifted
    below = 0.75 * face[corner] + 0.25 * face[jaw]
    x, y = 1.5 * face[brow] - 0.5 * below
    rows, columns = np.nonzero(lal_mask("extended", face, SHAPE))
    assert abs(rows.min() - y) <= 0.5
    assert np.abs(columns[rows == rows.min()] - x).max() <= 1


def test_lal_kinds_can_be_drawn_in_another_way(face):
    for kind in LAL_KINDS:
        mask = lal_mask(kind, face, SHAPE, Draw(dtype="uint8"))
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, lal_mask(kind, face, SHAPE))


def test_the_four_lal_masks_differ(face):
    face[57] = 128, 250  # a lip below the chin: now dfl_full differs from components
    assert len({lal_mask(kind, face, SHAPE).tobytes() for kind in LAL_KINDS}) == 4


def test_random_lal_kinds_are_drawn_equally():
    rng = np.random.default_rng(5)
    drawn = Counter(random_lal_kind(rng) for _ in range(800))
    assert all(140 < number < 260 for number in drawn.values())  # 200 +- 5 standard deviations
    assert len(drawn) == 4


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_is_its_line_dilated_step_by_step(faces, feature):
    for landmarks in faces:
        eyes = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
        start, end = {
            "left_eye": landmarks[[36, 39]],
            "right_eye": landmarks[[42, 45]],
            "mouth": landmarks[[48, 54]],
            "nose": np.rint([landmarks[33], np.mean(eyes, axis=0)]).astype(int),
        }[feature]
        length = np.hypot(*(end - start))
        steps = {"mouth": length // 3, "nose": np.hypot(*(eyes[1] - eyes[0])) // 4}.get(feature, 4 * (length // 4))
        line = cv2.line(np.zeros(SHAPE, np.uint8), start.tolist(), end.tolist(), 1)
        expected = binary_dilation(line, iterations=int(steps))
        assert same_but_for_edges(local_mask([feature], landmarks, SHAPE, Draw()), expected)


def test_a_local_mask_is_the_union_of_its_features(face):
    alone = {feature: local_mask([feature], face, SHAPE, Draw()) for feature in FEATURES}
    for number in (2, 3, 4):
        for features in itertools.combinations(FEATURES, number):
            union = np.maximum.reduce([alone[feature] for feature in features])
            np.testing.assert_array_equal(local_mask(features, face, SHAPE, Draw()), union)


def test_random_features_are_one_to_four_different_ones():
    rng = np.random.default_rng(6)
    drawn = [random_features(rng) for _ in range(2000)]
    assert all(len(set(features)) == len(features) for features in drawn)
    numbers = Counter(map(len, drawn))
    assert set(numbers) == {1, 2, 3, 4}
    assert all(400 < number < 600 for number in numbers.values())  # 500 +- 5 standard deviations
    # a feature is in 2.5 of 4 draws
    assert all(1140 < sum(feature in features for features in drawn) < 1360 for feature in FEATURES)


def test_mtms_masks_are_hulls_and_a_box(faces):
    for landmarks in faces:
        masks = {kind: mtms_mask(kind, landmarks, SHAPE, Draw()) for kind in MTMS_KINDS}
        np.testing.assert_array_equal(masks["hull"], hull_mask(landmarks, SHAPE, Draw()))
        (left, top), (right, bottom) = landmarks.min(axis=0), landmarks.max(axis=0)
        box = np.zeros(SHAPE)
        box[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = 1
        np.testing.assert_array_equal(masks["rectangle"], box)
        assert not (masks["hull"] > masks["rectangle"]).any()
        np.testing.assert_array_equal(masks["eyes_mouth"], np.maximum(masks["eyes"], masks["mouth"]))
        assert not (masks["eyes"] * masks["mouth"]).any()
        assert cv2.connectedComponents(masks["eyes"].astype(np.uint8))[0] == 3  # background and two eyes
        assert cv2.connectedComponents(masks["mouth"].astype(np.uint8))[0] == 2
        for points, kind in ((range(36, 48), "eyes"), (range(48, 68), "mouth")):
            assert all(masks[kind][y, x] for x, y in landmarks[list(points)])
        assert mtms_mask("eyes", landmarks, SHAPE, Draw(dtype="uint8")).dtype == np.uint8


def test_mtms_kinds_are_equally_likely():
    rng = np.random.default_rng(7)
    drawn = Counter(random_mtms_kind(rng) for _ in range(2000))
    assert set(drawn) == set(MTMS_KINDS)
    assert all(310 < number < 490 for number in drawn.values())  # 400 +- 5 standard deviations


def test_masks_of_a_mirrored_face_are_mirrored(faces):
    for landmarks in faces:
        mirrored = every_mask(flip_landmark(landmarks, SHAPE[1]))
        mirrored["left_eye"], mirrored["right_eye"] = mirrored["right_eye"], mirrored["left_eye"]
        for name, mask in every_mask(landmarks).items():
            assert same_but_for_edges(mirrored[name], mask[:, ::-1]), name


def test_what_lies_outside_of_the_image_is_cut_off(face):
    """A face that is moved, and cut by an edge, has the mask that the whole has there."""
    whole = every_mask(face, (400, 500))
    cut = every_mask(face - (100, 90), (120, 90))
    assert all(same_but_for_edges(cut[name], mask[90:210, 100:190]) for name, mask in whole.items())


@given(seed=st.integers(0, 2**32 - 1), draw=st.sampled_from(DRAWS), count=st.sampled_from([68, 81]))
def test_any_landmarks_give_zeros_and_ones_and_a_seed_the_same_mask(seed, draw, count):
    landmarks = np.random.default_rng(seed).uniform(-40, 140, (count, 2)).astype(np.float32)

    landmarks[[36, 39, 48]] = (30, 20), (55, 25), (70, 60)  # an eye and a corner of the mouth, inside

    def masks() -> list[HardMask]:
        rng = np.random.default_rng([seed, 1])
        return [
            hull_mask(landmarks, (80, 100), draw),
            lal_mask(random_lal_kind(rng), landmarks, (80, 100)),
            lal_mask("facehull", landmarks, (80, 100), draw),
            local_mask((*random_features(rng), "left_eye"), landmarks, (80, 100), draw),
            mtms_mask(random_mtms_kind(rng), landmarks, (80, 100), draw),
        ]

    for first, second in zip(masks(), masks(), strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.shape == (80, 100)
        assert set(np.unique(first)) <= {0, 1}


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_bbmg_takes_a_face_apart(face, dtype):
    draw = Draw(dtype=dtype)
    whole = lal_mask("facehull", face, SHAPE, draw)
    features = local_mask(FEATURES, face, SHAPE, draw)
    features[:9] = 1  # what is outside of the face does not count
    rest, inside = bbmg_parts(whole, features, "full")
    assert rest.dtype == inside.dtype == dtype
    np.testing.assert_array_equal(inside.astype(bool), whole.astype(bool) & features.astype(bool))
    np.testing.assert_array_equal(rest.astype(bool), whole.astype(bool) & ~features.astype(bool))
    np.testing.assert_array_equal(join_parts((rest, inside)), whole)
    (alone,) = bbmg_parts(whole, features, "glo")
    np.testing.assert_array_equal(alone, rest)
    np.testing.assert_array_equal(join_parts((alone,)), rest)


@given(seed=st.integers(0, 2**32 - 1))
def test_bbmg_parts_of_soft_masks_sum_up_to_the_face(seed):
    whole, features = np.random.default_rng(seed).random((2, 20, 30), dtype=np.float32)
    rest, inside = bbmg_parts(whole, features, "full")
    np.testing.assert_allclose(rest + inside, whole, atol=1e-6)
    assert min(rest.min(), inside.min()) >= 0
    joined = join_parts((rest, inside))
    assert joined.max() <= 1
    assert ((joined == rest) | (joined == inside)).all()
    assert (joined >= rest).all()
    assert (joined >= inside).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_narrowed_features_shrink_about_their_centroid(dtype):
    whole, features = np.ones((100, 160), dtype), np.zeros((100, 160), dtype)
    features[20:60, 50:110] = 1
    rest, narrowed = bbmg_parts(whole, features, "narrowed")
    np.testing.assert_array_equal(rest, 1 - features)
    assert narrowed.dtype == dtype
    rows, columns = np.nonzero(narrowed)
    assert narrowed.sum() == len(rows)
    assert abs(np.ptp(rows) + 1 - NARROWED * 40) <= 1
    assert abs(np.ptp(columns) + 1 - NARROWED * 60) <= 1
    assert abs(rows.mean() - 39.5) <= 0.5
    assert abs(columns.mean() - 79.5) <= 0.5
    # a gap is left around them, which full has not
    joined = join_parts((rest, narrowed))
    assert joined.sum() == whole.sum() - features.sum() + narrowed.sum()


def test_features_that_miss_the_face_leave_it_whole():
    whole, features = np.zeros((2, 40, 40), np.float32)
    whole[:20], features[30:] = 1, 1
    for form in ("full", "narrowed"):
        rest, inside = bbmg_parts(whole, features, form)
        np.testing.assert_array_equal(rest, whole)
        assert not inside.any()


def test_blurred_parts_leave_a_seam_inside_the_face(face):
    whole, features = lal_mask("facehull", face, SHAPE), local_mask(["mouth"], face, SHAPE, Draw())
    blurred = [cv2.GaussianBlur(part, (11, 11), 0) for part in bbmg_parts(whole, features, "full")]
    edge = cv2.morphologyEx(features, cv2.MORPH_GRADIENT, np.ones((3, 3))) * (cv2.erode(whole, np.ones((15, 15))))
    assert edge.any()
    assert (cv2.GaussianBlur(whole, (11, 11), 0)[edge > 0] > 1 - 1e-5).all()
    assert (join_parts(blurred)[edge > 0] < 0.95).all()


def every_call(landmarks, shape=SHAPE):
    rng = np.random.default_rng(8)
    return [
        lambda: hull_mask(landmarks, shape, Draw()),
        *(lambda kind=kind: lal_mask(kind, landmarks, shape) for kind in LAL_KINDS),
        lambda: lal_mask(random_lal_kind(rng), landmarks, shape),
        lambda: local_mask(FEATURES, landmarks, shape, Draw()),
        *(lambda kind=kind: mtms_mask(kind, landmarks, shape, Draw()) for kind in MTMS_KINDS),
    ]


@pytest.mark.parametrize(
    ("landmarks", "reason"),
    [
        (np.zeros((5, 2)), r"68 or 81 landmarks of x and y, not an array of shape \(5, 2\)"),
        (np.zeros((81, 3)), r"not an array of shape \(81, 3\)"),
        (np.zeros(68), r"not an array of shape \(68,\)"),
        (np.full((81, 2), np.nan), "not finite"),
        (np.arange(162).reshape(81, 2) * 1e9, "farther than 32767 pixels"),
        (np.full((68, 2), 7.0), "in 3 or more pixels, and these are in 1"),
        (on_corners([(10, 10), (40.2, 30)], 81), "in 3 or more pixels, and these are in 2"),
        (on_corners([(-50, 10), (-20, 30), (-30, 80)], 81), "no pixel of the mask lies in the image of 256 x 256"),
    ],
)
def test_landmarks_of_no_face_are_refused(landmarks, reason):
    for call in every_call(landmarks):
        with pytest.raises(PseudoFakeError, match=reason) as refused:
            call()
        assert isinstance(refused.value, InputError)


def test_a_feature_outside_of_the_image_is_refused_and_the_face_is_not(face):
    face[:, 1] -= face[54, 1] + 60  # the mouth is above the image, the chin may be in it
    face[8] = 128, 20
    assert hull_mask(face, (100, 256), Draw()).any()
    with pytest.raises(PseudoFakeError, match="no pixel of the mask lies in the image of 256 x 100"):
        mtms_mask("mouth", face, (100, 256), Draw())
