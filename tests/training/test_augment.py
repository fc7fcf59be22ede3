import numpy as np
import pytest

from config.load import load_config
from config.schema import Augmentation, DetectorConfig
from preprocessing import operators
from preprocessing.samples import Sample
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

    for name in ("flip", "rotate", "gaussian_blur", "gaussian_blur_of", "jpeg"):
        watch(name)
    for name in ("brightness_contrast", "hue_saturation", "fancy_pca"):
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


@pytest.mark.parametrize(("name", "share"), [("resnet34", 0.5), ("resnet34/blur_jpeg_01", 0.1)])
def test_cnnaug_blurs_and_compresses_and_changes_nothing_else(name, share, monkeypatch):
    """Wang et al.: sigma of 0 to 3 pixels and quality of 30 to 100, uniformly; no turn and no colour."""
    calls = record(monkeypatch)
    settings = load_config(DetectorConfig, name).data_aug
    drawn: dict[str, list[float]] = {}
    draws = 3000
    for seed in range(draws):
        calls.clear()
        augment(Sample(np.zeros((8, 8, 3), np.uint8)), settings, np.random.default_rng(seed))
        for operator, (value, *_) in ((operator, given or (0,)) for operator, given in calls):
            drawn.setdefault(operator, []).append(value)
    assert drawn.keys() == {"flip", "gaussian_blur_of", "jpeg"}
    tolerance = 4 * np.sqrt(0.25 / draws)
    assert len(drawn["flip"]) / draws == pytest.approx(0.5, abs=tolerance)
    for operator, low, high in (("gaussian_blur_of", 0, 3), ("jpeg", 30, 100)):
        values = np.array(drawn[operator])
        assert len(values) / draws == pytest.approx(share, abs=tolerance)
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, rel=0.1)


def test_the_variant_dfb_of_cnnaug_is_deepfakebenchs_augmentation():
    given = load_config(DetectorConfig, "resnet34/dfb").data_aug
    assert given == Augmentation() == load_config(DetectorConfig, "efficientnetb4").data_aug


def test_younger_keys_stand_among_the_decisive_ones_if_they_say_anything():
    older = Augmentation(flip_prob=0.25).decisive
    assert older["flip_prob"] == 0.25
    assert not older.keys() & {"blur_sigma", "colour_prob", "jpeg_prob"}
    assert Augmentation(flip_prob=0.25, jpeg_prob=0.1).decisive == older | {"jpeg_prob": 0.1}


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


def test_without_geometry_landmark_and_mask_stay(sample):
    changed = augment(sample, NOTHING.model_copy(update={"colour_prob": 1}), np.random.default_rng(0))
    assert (changed.image != sample.image).any()
    np.testing.assert_array_equal(changed.landmark, sample.landmark)
    np.testing.assert_array_equal(changed.mask, sample.mask)
