"""Pseudo-fakes: a real face and the fake made of it, beside what nobody can avoid for the two of them."""

from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.perf.samples import stored_files
from benchmark.perf.stage import Measured, Scale, Stage, medians, timed
from config.load import load_config
from config.pseudofake import PseudoFakeConfig, Reconstruction
from config.schema import DetectorConfig
from preprocessing.operators import normalise
from preprocessing.samples import FaceSet
from preprocessing.tensors import CPU, to_network
from training import RECIPE
from training.recipes import Recipe

COMPOSITIONS = ("sbi", "cbi", "i2g", "fwa", "adfd", "fia_usa")
QUALITY = 70  # the middle of what is drawn
FLOOR = "its crop decoded from memory, a JPEG round trip of each image, both normalised"


def measure_fakes(faces: FaceSet, scale: Scale) -> list[Stage]:
    """From stored crops to pairs that a detector can be given, in one process, by each composition.

    Reconstructions, which are made once and read from the store, are left out: their share is the face itself.

    Args:
        faces: stored faces in PNG with landmarks, at the size of a network's input, of several videos.
        scale: how much is measured.
    """
    reals = FaceSet(faces.rows[faces.rows["label"] == 0], with_landmark=True)
    side = len(reals.read(0).image)
    config = load_config(DetectorConfig, "sbi", ["pretrained=null", f"resolution={side}"])
    files = stored_files(reals)
    measured: dict[str, Measured] = {"floor": timed(partial(_unavoidable, files, config), len(files))}
    for name in COMPOSITIONS:
        fake = load_config(PseudoFakeConfig, name).model_copy(update={"reconstruction": Reconstruction()})
        recipe = RECIPE[config.dataset_type](reals, config.model_copy(update={"pseudofake": fake}))
        measured[name] = timed(partial(_pairs, recipe, len(reals)), len(reals))
    found = medians(measured, scale)
    return [
        Stage(f"pseudo-fake {name}", f"{config.resolution} px", "pairs", len(reals), found[name], FLOOR, found["floor"])
        for name in COMPOSITIONS
    ]


def _pairs(recipe: Recipe, number: int, turn: int) -> object:
    samples = [recipe.sample(index, np.random.default_rng([turn, index])) for index in range(number)]
    return to_network(recipe.collate(samples), recipe.config, CPU)


def _unavoidable(files: list[npt.NDArray[np.uint8]], config: DetectorConfig, _: int) -> object:
    images = []
    for file in files:
        image = cv2.imdecode(file, cv2.IMREAD_COLOR)
        images += [_round_trip(image) for _ in range(2)]
    return normalise(np.stack(images), config.mean, config.std)


def _round_trip(image: Any) -> Any:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1], cv2.IMREAD_COLOR)
