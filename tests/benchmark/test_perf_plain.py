"""The loader that the batch recipe is compared with gives the same batches, so that only the speed is compared."""

import cv2
import numpy as np
import pandas as pd
import pytest

from benchmark.perf.plain import PlainLoader
from config.schema import Augmentation
from preprocessing.samples import FaceSet
from preprocessing.store import FaceStoreWriter
from preprocessing.tensors import CPU, to_network
from tests.faces import still
from tests.inputs import network_input
from tests.training.stand_in import make_config
from training import RECIPE

SIDE, DRAWS = 64, 120
OFF = Augmentation(flip_prob=0, rotate_prob=0, blur_prob=0, colour_prob=0, jpeg_prob=0)
SIGMA = {"blur_prob": 1.0, "blur_sigma": (0.0, 3.0)}
NORMALISATION = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("store")
    crops = {f"D/frames/v/{number:03}.png": cv2.resize(still(number), (SIDE, SIDE)) for number in range(4)}
    writer = FaceStoreWriter(folder, {})
    writer.add("v", {key: cv2.imencode(".png", crop)[1].tobytes() for key, crop in crops.items()}, [])
    writer.close()
    return pd.DataFrame({"key": list(crops), "label": [0, 1, 0, 1], "store_path": str(folder)})


def both(rows: pd.DataFrame, draws: int, **keys: object) -> tuple[dict, dict]:
    """A batch of so many draws by the recipe, and by the plain loader."""
    config = make_config(**NORMALISATION, **keys)
    recipe, plain = RECIPE["frames"](FaceSet(rows), config), PlainLoader(rows, config)

    def samples(way: object) -> list:
        return [way.sample(draw % len(rows), np.random.default_rng(draw)) for draw in range(draws)]

    return to_network(recipe.collate(samples(recipe)), config, CPU), plain.collate(samples(plain))


@pytest.mark.parametrize("resolution", [SIDE, 48])
def test_without_random_steps_it_gives_the_recipes_images(rows, resolution: int):
    for keys in ({"use_data_augmentation": False}, {"data_aug": OFF}):
        ours, plain = both(rows, len(rows), resolution=resolution, **keys)
        bare = [network_input(face.image, resolution, **NORMALISATION) for face in map(FaceSet(rows).read, range(4))]
        np.testing.assert_array_equal(ours["image"], np.stack(bare))
        np.testing.assert_allclose(plain["image"], np.stack(bare), atol=1e-6)
        assert ours["label"].tolist() == plain["label"].tolist() == [0, 1, 0, 1]


def test_with_all_steps_the_same_generator_gives_the_recipes_images(rows):
    """All kinds of steps are among the draws, and nearly all draws change the picture."""
    ours, plain = both(rows, DRAWS, resolution=SIDE)
    np.testing.assert_allclose(ours["image"], plain["image"], atol=1e-6)
    bare, _ = both(rows, DRAWS, resolution=SIDE, use_data_augmentation=False)
    changed = (ours["image"] != bare["image"]).flatten(1).any(dim=1)
    assert 0.9 * DRAWS < changed.sum() < DRAWS


def test_a_blur_by_its_deviation_is_the_recipes(rows):
    """Of 0 to 3 pixels, which its kernel follows: the keys of CNN-Aug."""
    ours, plain = both(rows, DRAWS, resolution=SIDE, data_aug=OFF.model_copy(update=SIGMA))
    np.testing.assert_allclose(ours["image"], plain["image"], atol=1e-6)
