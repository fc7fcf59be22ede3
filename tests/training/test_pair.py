"""Batches of pairs: reals and as many fakes, each fake with the number of its method."""

from multiprocessing.reduction import ForkingPickler

import numpy as np
import pandas as pd
import pytest

from config.errors import InputError
from detectors.base import FitContext
from preprocessing.samples import FaceSet
from tests.training.stand_in import ArrayFaces, make_config, make_detector
from training import RECIPE
from training.data import EpochSampler, TrainingSet
from training.trainer import fit

# Not in the order of their names, and one of them a real's of another data set.
METHODS = ["real", "NeuralTextures", "real", "Deepfakes", "Face2Face", "youtube", "FaceSwap", "Deepfakes", "FaceSwap"]


class MethodFaces(ArrayFaces):
    """Faces with their methods."""

    @property
    def rows(self) -> pd.DataFrame:
        return pd.DataFrame({"method": pd.Categorical(METHODS), "label": self.labels})


@pytest.fixture
def faces() -> MethodFaces:
    return MethodFaces(np.array([method not in ("real", "youtube") for method in METHODS], np.int64))


def test_methods_are_numbered_by_name_from_1_and_reals_are_0(faces):
    recipe = RECIPE["pair"](faces, make_config(train_batchSize=2))
    assert recipe.methods == ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    samples = [recipe.sample(index, np.random.default_rng(0)) for index in range(len(METHODS))]
    assert [int(sample["label_spe"]) for sample in samples] == [0, 4, 0, 1, 2, 0, 3, 1, 3]
    assert [int(sample["label"]) for sample in samples] == faces.labels.tolist()


def test_each_fake_stands_half_a_batch_behind_a_real(faces):
    recipe = RECIPE["pair"](faces, make_config(train_batchSize=4))
    made = recipe.batches(np.random.default_rng(0))
    assert [faces.labels[batch].tolist() for batch in made] == [[0, 0, 1, 1]] * 3
    batch = recipe.collate([recipe.sample(index, np.random.default_rng(0)) for index in made[0]])
    assert ((batch["label_spe"] > 0) == (batch["label"] == 1)).all()


def test_what_a_loading_process_is_sent_does_not_grow_with_the_faces():
    sizes = []
    for number in (64, 20_000):
        labels = np.arange(number) % 2
        keys = [f"{label:09}.png" for label in labels]
        rows = pd.DataFrame({"label": labels, "method": "some", "key": keys, "store_path": "none"})
        sampler = EpochSampler(RECIPE["pair"](FaceSet(rows), make_config(train_batchSize=8)), 0)
        next(iter(sampler))
        sizes.append(len(ForkingPickler.dumps(TrainingSet(sampler.recipe, 0))))
    assert abs(sizes[1] - sizes[0]) < 20


def test_a_detector_is_told_the_methods_before_training(faces, tmp_path, monkeypatch):
    config = make_config(train_batchSize=4, dataset_type="pair", nEpochs=1)
    detector = make_detector(config)

    def refuse(context: FitContext) -> None:
        raise InputError(", ".join(context.methods))

    monkeypatch.setattr(detector, "on_fit_start", refuse)
    with pytest.raises(InputError, match=r"^Deepfakes, Face2Face, FaceSwap, NeuralTextures$"):
        fit(detector, faces, config, tmp_path / "run")
