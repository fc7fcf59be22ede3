import os

import numpy as np
import pytest
import torch

from config.processes import Group
from preprocessing.samples import BrokenSampleError
from preprocessing.tensors import to_network
from tests.inputs import network_input
from tests.training.stand_in import SIDE, ArrayFaces, make_config, make_faces
from training import RECIPE
from training.augment import augment
from training.data import EpochSampler, Loader, sample_rng
from training.errors import TrainingError


def make_loader(workers: int = 0, recipe: str = "frames", faces: ArrayFaces | None = None, seed: int = 3) -> Loader:
    return Loader(RECIPE[recipe](faces or make_faces(), make_config(train_batchSize=8)), seed, workers)


def images(loader: Loader, epoch: int, position: int = 0) -> list[torch.Tensor]:
    return [batch["image"] for batch in loader.epoch(epoch, position)]


def assert_same(first: list[torch.Tensor], second: list[torch.Tensor]) -> None:
    assert len(first) == len(second)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_batches_are_the_same_in_any_number_of_workers_and_in_later_epochs():
    here, workers = make_loader(), make_loader(workers=2)
    for epoch in (0, 1, 5):
        assert_same(images(here, epoch), images(workers, epoch))


def test_an_epoch_can_be_entered_in_the_middle():
    loader = make_loader()
    whole = images(loader, 2)
    assert_same(images(loader, 2, position=1), whole[1:])
    assert len(loader) == len(whole) - 1
    assert images(loader, 2, position=len(whole)) == []


def test_processes_take_the_faces_of_one_process_with_the_same_pixels():
    """Also of a face that an epoch shows several times, to different processes."""
    faces = make_faces(3, 24)
    recipe = RECIPE["balanced"](faces, make_config(train_batchSize=8))
    whole = [image for batch in Loader(recipe, 3).epoch(1, 2) for image in batch["image"]]
    shared = [
        [batch["image"] for batch in Loader(recipe, 3, group=Group(rank, 2)).epoch(1, 2, everything)]
        for rank, everything in ((0, False), (1, False), (0, True), (1, True))
    ]
    assert [len(batches) for batches in shared] == [4, 4, 8, 8]
    pixels = [sorted(image.sum().item() for image in torch.cat(batches)) for batches in shared]
    expected = sorted(image.sum().item() for image in whole)
    assert sorted(pixels[0] + pixels[1]) == expected
    assert pixels[2] == pixels[3] == expected


def test_epochs_and_seeds_have_their_own_order():
    recipe = RECIPE["frames"](make_faces(), make_config())
    orders = set()
    for seed in (0, 1):
        sampler = EpochSampler(recipe, seed)
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            orders.add(tuple(index for batch in sampler for _, index, _ in batch))
    assert len(orders) == 4


def test_epochs_and_seeds_have_their_own_pixels():
    first = images(make_loader(), 0)
    assert not torch.equal(first[0], images(make_loader(), 1)[0])
    assert not torch.equal(first[0], images(make_loader(seed=4), 0)[0])


def test_a_face_shown_twice_in_an_epoch_is_augmented_in_two_ways():
    recipe = RECIPE["balanced"](make_faces(1, 12), make_config())
    draws = [draw for batch in EpochSampler(recipe, 3) for draw in batch if draw[1] == 0]
    assert [repeat for _, _, repeat in draws] == list(range(12))
    assert len({sample_rng(3, draw).random() for draw in draws}) == 12


def test_sample_generator_depends_on_seed_epoch_and_index():
    assert sample_rng(1, (2, 3, 0)).random() == np.random.default_rng([1, 2, 3]).random()
    drawn = {sample_rng(seed, (epoch, index, 0)).random() for seed in (0, 1) for epoch in (0, 1) for index in (0, 1)}
    assert len(drawn) == 8


@pytest.mark.parametrize("resolution", [SIDE, 20])
@pytest.mark.parametrize("workers", [0, 1])
def test_images_are_the_augmented_faces_as_evaluation_would_see_them(resolution: int, workers: int):
    """Bit for bit, whatever way they take from a loading process to the network."""
    config = make_config(resolution=resolution, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    faces = make_faces()
    loader = Loader(RECIPE["frames"](faces, config), 3, workers)
    batches = list(loader.epoch(4))
    for draws, batch in zip(loader.sampler, batches, strict=True):
        changed = [augment(faces.read(draw[1]), config.data_aug, np.random.default_rng([3, *draw])) for draw in draws]
        expected = [network_input(face.image, resolution, config.mean, config.std) for face in changed]
        np.testing.assert_array_equal(batch["image"].numpy(), np.stack(expected))
        assert batch["image"].is_contiguous(memory_format=torch.channels_last)


def test_what_a_recipe_has_normalised_itself_stays():
    batch = {"image": torch.rand(2, 3, 8, 8), "label": torch.tensor([0, 1]), "mask": torch.rand(2, 1, 8, 8)}
    ready = to_network(batch, make_config(), torch.device("cpu"))
    assert all(torch.equal(ready[key], value) for key, value in batch.items())


def test_types_and_shapes_are_the_contracts():
    batch = next(make_loader().epoch(0))
    assert batch["image"].shape == (8, 3, 24, 24)
    assert batch["image"].dtype == torch.float32
    assert batch["label"].shape == (8,)
    assert batch["label"].dtype == torch.int64


def test_loading_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    list(make_loader().epoch(0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_face_stops_with_a_sentence_that_names_it(workers):
    loader = make_loader(workers, faces=make_faces(broken={7}))
    with pytest.raises(TrainingError, match=r"^training face 7 cannot be used: ValueError: the value is not an image$"):
        list(loader.epoch(0))


class Lacking(ArrayFaces):
    def read(self, index):
        raise BrokenSampleError("the_lmdb: no value under 'x.png'")


def test_a_face_that_a_store_lacks_stops_with_the_stores_sentence():
    lacking = Lacking(make_faces().labels)
    with pytest.raises(TrainingError, match=r"^training face \d+ cannot be used: the_lmdb: no value under 'x\.png'$"):
        list(make_loader(faces=lacking).epoch(0))


class Deadly(ArrayFaces):
    def read(self, index):
        os._exit(1)


def test_a_dead_worker_stops_with_a_sentence():
    loader = make_loader(1, faces=Deadly(make_faces().labels))
    with pytest.raises(TrainingError, match=r"worker process that makes batches died.*fewer `workers`"):
        list(loader.epoch(0))
