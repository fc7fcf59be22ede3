import numpy as np
import pytest

from config.schema import Augmentation
from preprocessing import operators
from preprocessing.samples import Sample
from training import augment as module
from training.augment import augment, flip, rotate

SIZE = 48
NOTHING = Augmentation(flip_prob=0, rotate_prob=0, blur_prob=0)


@pytest.fixture
def sample() -> Sample:
    rng = np.random.default_rng(3)
    return Sample(
        rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8),
        rng.uniform(10, 38, (81, 2)).astype(np.float32),
        np.where(rng.random((SIZE, SIZE)) < 0.5, np.uint8(255), np.uint8(0)),
    )


def record(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple]]:
    """Every operator that augmentation applies to an image, in order, with its settings."""
    calls = []

    def watch(name):
        original = getattr(operators, name)

        def watched(image, *settings):
            calls.append((name, settings))
            return original(image, *settings)

        monkeypatch.setattr(operators, name, watched)

    for name in ("flip", "rotate", "gaussian_blur", "brightness_contrast", "hue_saturation", "fancy_pca", "jpeg"):
        watch(name)
    return calls


def test_same_generator_same_pixels(sample):
    first, second = (augment(sample, Augmentation(), np.random.default_rng([1, 2, 3])) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.landmark, second.landmark)
    np.testing.assert_array_equal(first.mask, second.mask)
    others = [augment(sample, Augmentation(), np.random.default_rng([1, 2, index])).image for index in range(20)]
    assert len({image.tobytes() for image in others}) > 15


def test_choices_do_not_depend_on_landmark_and_mask(sample):
    for seed in range(20):
        alone = augment(Sample(sample.image), Augmentation(), np.random.default_rng(seed))
        whole = augment(sample, Augmentation(), np.random.default_rng(seed))
        np.testing.assert_array_equal(alone.image, whole.image)
        assert alone.landmark is None
        assert alone.mask is None


def test_order_and_probabilities_are_deepfakebenchs(sample, monkeypatch):
    calls = record(monkeypatch)
    stages = {"flip": 0, "rotate": 1, "gaussian_blur": 2, "jpeg": 4}
    counts: dict[str, int] = {}
    draws = 3000
    bare = Sample(sample.image[:8, :8])
    for seed in range(draws):
        calls.clear()
        augment(bare, Augmentation(), np.random.default_rng(seed))
        order = [stages.get(name, 3) for name, _ in calls]
        assert order == sorted(set(order)), calls
        for name, _ in calls:
            counts[name] = counts.get(name, 0) + 1
    tolerance = 4 * np.sqrt(0.25 / draws)
    for name in ("flip", "rotate", "gaussian_blur", "jpeg"):
        assert counts[name] / draws == pytest.approx(0.5, abs=tolerance)
    for name in ("brightness_contrast", "hue_saturation", "fancy_pca"):
        assert counts[name] / draws == pytest.approx(1 / 6, abs=tolerance)


def test_ranges_are_the_configured_ones(sample, monkeypatch):
    calls = record(monkeypatch)
    ranges = Augmentation(flip_prob=0, quality_lower=60, quality_upper=62, rotate_limit=(-3, 3))
    drawn: dict[str, list[tuple]] = {}
    for seed in range(400):
        calls.clear()
        augment(Sample(sample.image[:8, :8]), ranges, np.random.default_rng(seed))
        for name, settings in calls:
            drawn.setdefault(name, []).append(settings)
    assert "flip" not in drawn
    assert {settings[0] for settings in drawn["jpeg"]} == {60, 61, 62}
    sizes = [settings[0] for settings in drawn["gaussian_blur"]]
    shares = [sizes.count(size) / len(sizes) for size in (3, 5, 7)]
    assert shares == pytest.approx([0.2, 0.4, 0.4], abs=0.12)
    degrees = [settings[0] for settings in drawn["rotate"]]
    assert -3 <= min(degrees) < -2
    assert 2 < max(degrees) <= 3
    changes = np.array(drawn["brightness_contrast"])
    assert np.abs(changes).max() <= 0.1
    shifts = np.abs(np.array(drawn["hue_saturation"])).max(axis=0)
    assert (shifts <= (20, 30, 20)).all()
    assert (shifts > (15, 20, 15)).all()
    alphas = np.array([settings[0] for settings in drawn["fancy_pca"]])
    assert alphas.std() == pytest.approx(0.1, rel=0.2)


def test_image_landmark_and_mask_move_together():
    """A bright dot at each of three landmarks stays there, whatever the geometry."""
    places = np.array([[12, 14], [30, 20], [25, 36]])
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    for x, y in places:
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    landmark = np.tile(places, (27, 1)).astype(np.float32)
    start = Sample(image, landmark, image[..., 0].copy())
    for degrees in (-10, 4.5, 10):
        moved = rotate(flip(start), degrees)
        x, y = np.rint(moved.landmark).astype(int).T
        assert moved.image[y, x].min() > 100
        assert moved.mask[y, x].min() == 255
        assert set(np.unique(moved.mask)) == {0, 255}


def test_input_is_left_alone(sample):
    before = Sample(sample.image.copy(), sample.landmark.copy(), sample.mask.copy())
    for seed in range(10):
        augment(sample, Augmentation(), np.random.default_rng(seed))
    np.testing.assert_array_equal(sample.image, before.image)
    np.testing.assert_array_equal(sample.landmark, before.landmark)
    np.testing.assert_array_equal(sample.mask, before.mask)


def test_without_geometry_landmark_and_mask_stay(sample, monkeypatch):
    monkeypatch.setattr(module, "COLOUR_PROB", 1)
    changed = augment(sample, NOTHING, np.random.default_rng(0))
    assert (changed.image != sample.image).any()
    np.testing.assert_array_equal(changed.landmark, sample.landmark)
    np.testing.assert_array_equal(changed.mask, sample.mask)
