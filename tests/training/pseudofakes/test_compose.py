"""Pseudo-fakes of every composition that ships: what holds for all, and faces that are hard to make fakes of."""

from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.load import load_config
from config.pseudofake import LAL_KINDS, MTMS_KINDS, Draw, PseudoFakeConfig
from tests.training.pseudofakes.material import (
    ALL_POINTS,
    BLENDED,
    COMPOSITIONS,
    GENERATED,
    ROUNDING,
    SWAPPED,
    UNMOVED,
    Material,
    assert_is_a_blend,
    box_of,
    made_often,
    same,
)
from training.errors import PseudoFakeError
from training.pseudofakes.masks import FEATURES, hull_mask, lal_mask, local_mask


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_every_composition_is_a_blend_that_its_seed_decides(faces, composition):
    config = load_config(PseudoFakeConfig, composition)
    changed = 0
    for seed, face in enumerate(faces):
        before = face.copies()
        made = face.make(config, seed)
        assert_is_a_blend(made, face.image.shape[:2])
        assert made.ratio in config.ratios
        assert same(made, face.make(config, seed))
        assert not np.array_equal(made.mask, face.make(config, seed + 10).mask) or config.mask.kind == "mtms"
        changed += not np.array_equal(made.fake, made.real)
        for value, old in zip((face.image, face.landmarks, face.partner), before, strict=True):
            np.testing.assert_array_equal(value, old)
    assert changed


def test_the_order_of_calls_changes_nothing(face):
    names = ["sbi", "cbi", "adfd", "fia_usa", "fwa", "i2g"]
    there = [face.make(name, seed) for seed, name in enumerate(names)]
    back = [face.make(name, seed) for seed, name in reversed(list(enumerate(names)))][::-1]
    assert all(same(*pair) for pair in zip(there, back, strict=True))


@pytest.mark.parametrize("composition", ["sbi", "adfd", "cbi", "fia_usa"])
def test_other_seeds_give_other_fakes(face, composition):
    fakes = {made.fake.tobytes() for made in made_often(face, composition, 12)}
    assert len(fakes) == 12


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_a_face_that_nothing_happens_to_is_its_own_fake(face, composition):
    config = load_config(PseudoFakeConfig, composition)
    nothing = PseudoFakeConfig.model_validate(
        {
            **config.model_dump(),
            "source": "self",
            "reconstruction": {},
            "face_sizes": None,
            "changes": {"colour": False, "frequency": False},
            "displacement": {"affine": False, "elastic": False},
        }
    )
    made = face.make(nothing, 3)
    np.testing.assert_array_equal(made.fake, face.image)
    np.testing.assert_array_equal(made.real, face.image)
    assert made.mask.any()


@pytest.mark.parametrize("composition", ["sbi", "adfd", "cbi"])
@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75])
def test_the_ratio_scales_the_difference(face, composition, ratio):
    whole, part = (face.make(composition, 5, f"ratios=[{value}]") for value in (1.0, ratio))
    np.testing.assert_array_equal(part.mask, whole.mask)
    np.testing.assert_array_equal(part.real, whole.real)
    difference = whole.fake.astype(float) - whole.real
    assert np.abs(difference).max() > 20
    error = np.abs(part.fake.astype(float) - part.real - ratio * difference)
    assert error.max() <= ROUNDING * (1 + ratio)


def test_ratios_come_as_often_as_they_are_listed(face):
    small, times = face.reduced(64), 600
    drawn = Counter(made.ratio for made in made_often(small, "sbi", times))
    assert set(drawn) == {0.25, 0.5, 0.75, 1.0}
    for ratio, share in ((0.25, 1 / 6), (0.5, 1 / 6), (0.75, 1 / 6), (1.0, 1 / 2)):
        assert drawn[ratio] / times == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / times))
    assert {made.ratio for made in made_often(small, "adfd_table7/alpha", 20)} == {1.0}


def test_what_has_each_attribute(face):
    seen = {name: {made.attributes for made in made_often(face.reduced(48), name, 20)} for name in COMPOSITIONS}
    for name, attributes in seen.items():
        preset = name.partition("/")[0]
        expected = {"cbi": {SWAPPED}, "i2g": {SWAPPED}, "fia_usa": {BLENDED, GENERATED}}
        assert attributes == expected.get(preset, {BLENDED}), name


def test_the_region_says_which_mask_was_drawn(face):
    """Without blur and displacement the mask is that region's, drawn again from its name."""
    shape, plain = face.image.shape[:2], (*UNMOVED, ALL_POINTS, "boundary.kernel=1")
    for made in made_often(face, "adfd_table2/lal_or_local", 20, *plain):
        if made.region in LAL_KINDS:
            expected = lal_mask(made.region, face.landmarks, shape)
        else:
            expected = local_mask(made.region.split(", "), face.landmarks, shape, Draw())
        np.testing.assert_array_equal(made.mask, expected)
    assert {made.region for made in made_often(face, "fia_usa", 60)} == set(MTMS_KINDS)
    assert {made.region for made in made_often(face, "fwa", 3)} == {"hull"}
    for made in made_often(face, "adfd", 10):
        whole, _, features = made.region.partition("; ")
        assert whole in LAL_KINDS
        assert set(features.split(", ")) <= set(FEATURES)


# Changes of source and target (ADFD, Tables 5 and 6)


def test_who_is_changed(face):
    """Without displacement the source shows the image itself where nothing was done to it."""
    changed = {
        applied_to: {
            (
                not np.array_equal(made.source[box_of(made)], face.image[box_of(made)]),
                not np.array_equal(made.real, face.image),
            )
            for made in made_often(face, f"adfd_table6/{applied_to}", 20, *UNMOVED)
        }
        for applied_to in ("source", "target", "both", "either")
    }
    assert changed["source"] == {(True, False)}
    assert changed["target"] == {(False, True)}
    assert changed["both"] == {(True, True)}
    assert changed["either"] == {(True, False), (False, True)}


def test_source_and_mask_move_alike(face):
    """An image that is white where its face is shows where the source has gone; the hull of all, where the mask has."""
    hull = hull_mask(face.landmarks, face.image.shape[:2], Draw())
    white = np.dstack([(hull * 255).astype(np.uint8)] * 3)
    options = ("boundary.kernel=1", "mask.kind=hull", ALL_POINTS, "changes.colour=false", "changes.frequency=false")
    shares = []
    for seed in range(10):
        made = Material(white, face.landmarks, face.partner).make("sbi", seed, "displacement.elastic=false", *options)
        shown, inside, before = made.source[..., 0] > 127, made.mask == 1, hull == 1
        assert (shown & inside).sum() > 0.98 * (shown | inside).sum()
        shares.append((before & inside).sum() / (before | inside).sum())
    assert np.mean(shares) < 0.97


def test_the_elastic_part_moves_the_mask_alone(face):
    hull = hull_mask(face.landmarks, face.image.shape[:2], Draw())
    options = ("boundary.kernel=1", "mask.kind=hull", ALL_POINTS, "changes.applied_to=target")
    made = face.make("sbi", 0, "displacement.affine=false", *options)
    np.testing.assert_array_equal(made.source[box_of(made)], face.image[box_of(made)])
    assert 0.95 < (made.mask * hull).sum() / np.maximum(made.mask, hull).sum() < 1


def test_without_displacement_the_mask_stays_on_the_face(face):
    config = load_config(PseudoFakeConfig, "adfd_table5/no_affine", ["mask.kind=hull", "boundary.kernel=3"])
    hull = hull_mask(face.landmarks, face.image.shape[:2], Draw())
    inner = hull_mask(face.landmarks[:68], face.image.shape[:2], Draw())
    for seed in range(6):
        made = face.make(config, seed)
        inside = made.mask == 1
        assert np.array_equal(inside, hull) or np.array_equal(inside, inner)
        np.testing.assert_array_equal(made.hard, inside)


def test_the_hard_mask_is_what_is_left_without_a_blur(face):
    """Of BBMG the whole face, or in form "glo" what the features leave of it; inverted, all but the mask."""
    unblurred = {"adfd": "adfd", "fia_usa/algorithm_1": "fia_usa/algorithm_1", "adfd_table12/mask1": "adfd"}
    for name, other in unblurred.items():
        made = face.make(name, 3, *UNMOVED, apart=True)
        whole = face.make(other, 3, *UNMOVED, "boundary.kernel=1", apart=True)
        assert (made.hard <= whole.mask).all()
        assert np.array_equal(made.hard, whole.mask) == (name == other)
        assert not np.array_equal(made.hard, made.mask)


def test_apart_steps_that_differ_leave_the_others_alike(face):
    """BBMG draws features and a second blur more than SBI, a boundary of one kernel draws nothing at all."""
    names = ["sbi", "adfd", "adfd_figure5/kernel_7", "adfd_table3/line_8_float32_1"]
    in_one = {(made.ratio, made.real.tobytes()) for made in (face.make(name, 4) for name in names)}
    assert len(in_one) > 1
    for seed in range(4, 10):
        made = [face.make(name, seed, apart=True) for name in names]
        assert len({(one.ratio, one.real.tobytes()) for one in made}) == 1
        np.testing.assert_array_equal(made[0].hard, made[1].hard)
        np.testing.assert_array_equal(made[0].hard, made[2].hard)
        assert same(made[0], face.make("sbi", seed, apart=True))
    assert len({face.make("sbi", seed, apart=True).fake.tobytes() for seed in range(6)}) == 6


def test_lal_or_local_is_either_half_of_the_time(face):
    """The landmark library's masks have the chin; features are too far from it."""
    x, y = face.landmarks[8]
    times, options = 200, (*UNMOVED, "boundary.kernel=1")
    chins = [made.mask[y, x] for made in made_often(face, "adfd_table2/lal_or_local", times, *options)]
    assert set(chins) == {0, 1}
    assert np.mean(chins) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / times))


# Faces that are hard to make fakes of

EVERY_METHOD = ["sbi", "cbi", "i2g", "fwa", "adfd", "fia_usa", "fia_usa/algorithm_1", "adfd_table3/line_8_uint8_1"]


@pytest.mark.parametrize("composition", EVERY_METHOD)
def test_68_landmarks_are_enough(face, composition):
    made = Material(face.image, face.landmarks[:68], face.partner).make(composition)
    assert_is_a_blend(made, face.image.shape[:2])


@pytest.mark.parametrize("composition", EVERY_METHOD)
@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(24, 150), st.integers(24, 150)),
    share=st.floats(0.05, 2.5),
    centre=st.tuples(st.floats(-0.6, 1.6), st.floats(-0.6, 1.6)),
)
def test_any_place_and_size_of_a_face_is_a_blend_or_a_reason(faces, composition, seed, shape, share, centre):
    """Tiny, cut by the border, larger than the image, or outside of it, in images of all proportions."""
    height, width = shape
    image, partner = (cv2.resize(one, (width, height)) for one in (faces[0].image, faces[0].partner))
    points = faces[0].landmarks - faces[0].landmarks.mean(axis=0)
    points = points / np.ptp(points) * share * min(shape) + np.array(centre) * (width, height)
    try:
        made = Material(image, points, partner).make(composition, seed)
    except PseudoFakeError:
        outside = (points < 0).any(axis=1) | (points > (width - 1, height - 1)).any(axis=1)
        assert outside.any() or np.ptp(points) < 25
    else:
        assert_is_a_blend(made, shape)


def test_a_mask_outside_of_the_image_is_drawn_again(face):
    """The mouth lies below the image, so that of two kinds of mask only the eyes are left."""
    lowered = face.landmarks + np.array([0, 275 - face.landmarks[48:68, 1].min()])
    assert (lowered[36:48, 1] < 256).all()
    for seed in range(20):
        made = Material(face.image, lowered, face.partner).make("fia_usa", seed, "mask.mtms=[mouth,eyes]")
        assert_is_a_blend(made, (256, 256))
        assert made.mask.any()
    with pytest.raises(PseudoFakeError, match="no pixel of the mask"):
        Material(face.image, lowered, face.partner).make("fia_usa", 0, "mask.mtms=[mouth]")


@pytest.mark.parametrize("composition", EVERY_METHOD)
def test_a_tiny_face_has_a_fake(face, composition):
    small = face.reduced(64)
    middle = small.landmarks.mean(axis=0)
    tiny = Material(small.image, (small.landmarks - middle) * 8 / np.ptp(small.landmarks[:, 0]) + 32, small.partner)
    for seed in range(10):
        assert_is_a_blend(tiny.make(composition, seed), (64, 64))


@pytest.mark.parametrize("composition", EVERY_METHOD)
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda points: points + 1000, "image of 256 x 256"),
        (lambda points: np.full_like(points, 90), "3 or more pixels"),
        (lambda points: np.where(np.arange(81)[:, None] == 40, np.nan, points), "not finite"),
        (lambda points: points[:5], "not an array of shape"),
    ],
    ids=["outside", "all equal", "NaN", "five points"],
)
def test_landmarks_of_no_face_are_refused_with_a_reason(face, composition, broken, reason):
    with pytest.raises(PseudoFakeError, match=reason):
        Material(face.image, broken(face.landmarks.astype(float)), face.partner).make(composition)
