import subprocess
import sys
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from config.processes import Group
from config.schema import Margins
from preprocessing.margins import tight_crop
from preprocessing.operators import to_network_size
from preprocessing.samples import FaceSet, Sample
from preprocessing.search import Box
from tests.training.stand_in import SIDE, make_config, make_faces
from training import RECIPE
from training.data import EpochSampler, TrainingSet
from training.recipes import network_sample


def batches(recipe: str, seed: int = 0, **keys: int) -> tuple[list[np.ndarray], np.ndarray]:
    faces = make_faces(**keys)
    return RECIPE[recipe](faces, make_config(train_batchSize=8)).batches(np.random.default_rng(seed)), faces.labels


def test_frames_shows_each_face_at_most_once_in_full_batches():
    made, _ = batches("frames", real=10, fake=17)
    assert [len(batch) for batch in made] == [8, 8, 8]
    assert len(set(np.concatenate(made))) == 24


def test_frames_leaves_out_other_faces_in_each_epoch():
    left_out = [set(range(27)) - set(np.concatenate(batches("frames", seed, real=10, fake=17)[0])) for seed in range(9)]
    assert len({frozenset(faces) for faces in left_out}) > 5


def test_a_set_smaller_than_a_batch_is_one_batch():
    made, _ = batches("frames", real=2, fake=3)
    assert [sorted(batch) for batch in made] == [[0, 1, 2, 3, 4]]


def test_balanced_batches_hold_as_many_reals_as_fakes_reals_first():
    made, labels = batches("balanced", real=6, fake=24)
    assert [labels[batch].tolist() for batch in made] == [[0] * 4 + [1] * 4] * 6


def test_balanced_goes_once_through_the_larger_class_and_evenly_through_the_smaller():
    made, labels = batches("balanced", real=6, fake=24)
    shown = np.bincount(np.concatenate(made), minlength=30)
    assert (shown[labels == 1] == 1).all()
    assert (shown[labels == 0] == 4).all()


@pytest.mark.parametrize(
    ("recipe", "batch_size", "real", "fake", "sentence"),
    [
        ("balanced", 7, 4, 4, "train_batchSize.*even number, not 7"),
        ("balanced", 8, 0, 4, "no training face is real"),
        ("balanced", 8, 4, 0, "no training face is fake"),
        ("pair", 7, 4, 4, "train_batchSize: batch recipe 'pair' needs an even number, not 7"),
        ("pair", 8, 4, 0, "batch recipe 'pair' needs both classes, but no training face is fake"),
        ("frames", 8, 0, 0, "no face to train on"),
        ("two_views", 7, 4, 4, "train_batchSize: batch recipe 'two_views' needs an even number, not 7"),
        ("balansed", 8, 4, 4, "batch recipe.*did you mean 'balanced'"),
    ],
)
def test_what_cannot_be_batched_is_refused(recipe, batch_size, real, fake, sentence):
    with pytest.raises(InputError, match=sentence):
        RECIPE[recipe](make_faces(real, fake), make_config(train_batchSize=batch_size, dataset_type=recipe))


def test_two_views_are_two_draws_of_the_same_face_one_behind_all_others():
    config = make_config(train_batchSize=8, dataset_type="two_views", with_landmark=True)
    faces = make_faces(5, 6)
    recipe = RECIPE["two_views"](faces, config)
    batches = recipe.batches(np.random.default_rng(0))
    assert [len(batch) for batch in batches] == [4, 4]
    samples = [recipe.sample(index, np.random.default_rng([1, index])) for index in batches[0]]
    batch = recipe.collate(samples)
    assert batch["image"].shape == (8, SIDE, SIDE, 3)
    assert batch["landmark"].shape == (8, 81, 2)
    assert batch["label"].tolist() == 2 * faces.labels[batches[0]].tolist()
    once = RECIPE["frames"](faces, config)
    for number, index in enumerate(batches[0]):
        rng = np.random.default_rng([1, index])
        for place in (number, number + 4):
            np.testing.assert_array_equal(batch["image"][place], once.sample(index, rng)["image"])
    assert all((batch["image"][number] != batch["image"][number + 4]).any() for number in range(4))


def test_two_views_without_augmentation_are_equal():
    config = make_config(dataset_type="two_views", use_data_augmentation=False)
    first, second = RECIPE["two_views"](make_faces(), config).sample(3, np.random.default_rng(0))["image"]
    np.testing.assert_array_equal(first, second)


def test_sample_holds_what_the_configuration_asks_for():
    config = make_config(resolution=2 * SIDE, with_landmark=True, with_mask=True, use_data_augmentation=False)
    faces = make_faces(1, 1)
    sample = RECIPE["frames"](faces, config).sample(1, np.random.default_rng(0))
    face = faces.read(1)
    np.testing.assert_array_equal(sample["image"], to_network_size(face.image, 2 * SIDE))
    assert sample["label"] == 1
    np.testing.assert_allclose(sample["landmark"], 2 * face.landmark + 0.5, rtol=1e-5)
    assert sample["mask"].shape == (1, 2 * SIDE, 2 * SIDE)
    assert set(RECIPE["frames"](faces, make_config()).sample(1, np.random.default_rng(0))) == {"image", "label"}


@pytest.mark.parametrize("recipe", ["frames", "balanced"])
def test_what_a_loading_process_is_sent_does_not_grow_with_the_faces(recipe: str):
    sizes = []
    for number in (64, 20_000):
        labels = np.arange(number) % 2
        rows = pd.DataFrame({"label": labels, "key": [f"{label:09}.png" for label in labels], "store_path": "none"})
        sampler = EpochSampler(RECIPE[recipe](FaceSet(rows), make_config(train_batchSize=8)), 0)
        next(iter(sampler))
        sizes.append(len(ForkingPickler.dumps(TrainingSet(sampler.recipe, 0))))
    assert abs(sizes[1] - sizes[0]) < 20


@pytest.mark.parametrize("key", ["with_landmark", "with_mask"])
def test_a_face_without_what_is_asked_for_is_refused(key):
    with pytest.raises(InputError, match=key):
        network_sample(Sample(np.zeros((SIDE, SIDE, 3), np.uint8)), 1, make_config(**{key: True}))


def test_listing_recipes_does_not_import_torch():
    code = "import sys, training; assert training.RECIPE.names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(recipe=st.sampled_from(["frames", "balanced"]), shares=st.integers(1, 4), processes=st.integers(1, 5))
def test_shares_are_the_batch_equally_large_and_of_the_same_classes(recipe: str, shares: int, processes: int):
    faces = make_faces(30, 50)
    size = 2 * shares * processes
    made = RECIPE[recipe](faces, make_config(train_batchSize=size, dataset_type=recipe))
    batch = made.batches(np.random.default_rng(0))[0].tolist()
    parts = [made.share(batch, rank, processes) for rank in range(processes)]
    assert sorted(index for part in parts for index in part) == sorted(batch)
    assert {len(part) for part in parts} == {2 * shares}
    if recipe == "balanced":
        assert all(faces.labels[part].tolist() == [0] * shares + [1] * shares for part in parts)


@pytest.mark.parametrize(("recipe", "size", "needed"), [("frames", 9, 4), ("balanced", 12, 8)])
def test_a_batch_that_cannot_be_shared_evenly_is_refused(recipe: str, size: int, needed: int):
    config = make_config(train_batchSize=size, dataset_type=recipe)
    sentence = f"'{recipe}' on 4 processes needs a multiple of {needed}, and a batch has {size} faces"
    with pytest.raises(InputError, match=sentence):
        EpochSampler(RECIPE[recipe](make_faces(), config), 0, Group(0, 4))


class LooseFaces:
    """One face whose box is the middle of a picture of x and y."""

    labels = np.array([1])
    sha256 = "loose"

    def __len__(self) -> int:
        return 1

    def read(self, index: int) -> Sample:
        y, x = np.mgrid[:200, :200].astype(np.uint8)
        landmark = np.full((81, 2), 100, np.float32)
        return Sample(np.dstack([x, y, y]), landmark, x, Box(50, 50, 149, 149, 1.0))


def test_a_loose_crop_is_cut_with_margins_of_its_own_for_each_side_and_each_draw():
    config = make_config(resolution=128, use_data_augmentation=False, with_landmark=True, with_mask=True)
    recipe = RECIPE["frames"](LooseFaces(), config)
    windows = []
    for seed in range(60):
        sample = recipe.sample(0, np.random.default_rng(seed))
        assert sample["image"].shape == (128, 128, 3)
        left, right = sample["image"][64, [0, -1], 0].astype(int)
        top, bottom = sample["image"][[0, -1], 64, 1].astype(int)
        middle = sample["image"][*sample["landmark"][0, ::-1].round().astype(int), :2]
        np.testing.assert_allclose(middle, 100, atol=1.5)  # the landmark is at the pixel whose colour says (100, 100)
        windows.append([50 - left, 50 - top, right - 149, bottom - 149])
    low, high = 100 * np.array(config.margins.train)
    assert (low, high) == (4, 20)
    margins = np.array(windows)
    assert (margins.min() > low - 2, margins.max() < high + 2) == (True, True)
    assert (margins.max(axis=0) - margins.min(axis=0) > 12).all()
    assert np.abs(np.corrcoef(margins.T) - np.eye(4)).max() < 0.5
    again = recipe.sample(0, np.random.default_rng(59))
    np.testing.assert_array_equal(again["image"], sample["image"])


def test_margins_may_be_those_of_the_code_of_sbi():
    config = make_config(margins=Margins(train=(0.2, 0.2)), resolution=140, use_data_augmentation=False)
    recipe = RECIPE["frames"](LooseFaces(), config)
    image = recipe.sample(0, np.random.default_rng(0))["image"]
    expected = tight_crop(LooseFaces().read(0), [0.2] * 4).image
    np.testing.assert_array_equal(image, to_network_size(expected, 140))


@pytest.mark.parametrize("margins", [{"train": [0.2, 0.1]}, {"train": [-0.1, 0.1]}, {"test": 2}])
def test_margins_that_make_no_sense_are_refused(margins):
    with pytest.raises(ValueError, match=next(iter(margins))):
        make_config(margins=margins)
