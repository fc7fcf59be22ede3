"""ProDet's batches from videos on: real, SBI, CBI and deepfake of the same video and frame, in this order."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from config.load import load_config
from config.schema import DatasetConfig, DetectorConfig, Profile
from preprocessing.landmarks import find_predictor
from preprocessing.operators import to_network_mask
from preprocessing.pipeline import preprocess
from preprocessing.samples import FaceSet, Sample, open_faces
from tests.faces import still
from tests.media import write_video
from training import RECIPE
from training.data import Loader

PAIRS = [["000", "001"], ["002", "003"]]
METHODS = ("LandmarkSwap", "ExpressionWarp")
FRAMES, SIDE, TUPLES, RESOLUTION = 3, 320, 6, 128
NO_FINAL = "pseudofake.final={rgb: 0, hsv: 0, light: 0, jpeg: 0}"
ATTRIBUTES = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]


class WatchedFaces(FaceSet):
    """Notes which faces are read."""

    def read(self, index: int) -> Sample:
        self.__dict__.setdefault("were_read", []).append(index)
        return super().read(index)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    """Four people who drift through their frames, and two crude fakes of each, with masks."""
    root, data = tmp_path_factory.mktemp("media"), tmp_path_factory.mktemp("data")
    for split in ("train", "val", "test"):
        (root / f"{split}.json").write_text(json.dumps(PAIRS if split == "train" else []))
    hard_mask = np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8)
    hard_mask[:, SIDE // 2 :, SIDE // 4 : 3 * SIDE // 4] = 255
    for target, source in [order for pair in PAIRS for order in (pair, pair[::-1])]:
        picture = cv2.resize(still(int(target)), (SIDE, SIDE))
        frames = np.stack([np.roll(picture, 4 * number, axis=1) for number in range(FRAMES)])
        write_video(root / f"original_sequences/demo/c23/videos/{target}.mp4", frames)
        for method, deviation in zip(METHODS, (3, 6), strict=True):
            blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), deviation) for frame in frames])
            folder, name = root / "manipulated_sequences" / method, f"{target}_{source}.mp4"
            write_video(folder / "c23/videos" / name, np.where(hard_mask > 0, blurred, frames))
            write_video(folder / "masks/videos" / name, hard_mask)
    profile = load_config(Profile, "dfb").model_copy(update={"mode": "fast", "resolution": RESOLUTION})
    preprocess(load_config(DatasetConfig, "DemoFF"), root, data, profile, find_predictor(environ={}))
    return open_faces(data, ["DemoFF"], "train", with_landmark=True, with_mask=True)


@pytest.mark.parametrize(
    "settings",
    [
        (NO_FINAL, "pseudofake.changes.applied_to=source"),
        (NO_FINAL, "pseudofake.changes.applied_to=target"),
        ("pseudofake.final={rgb: 1, hsv: 0, light: 1, jpeg: 0}",),
    ],
    ids=["the source is changed", "the target is changed", "all are changed after the blend"],
)
def test_row_by_row_the_quarters_of_a_batch_are_of_one_video_and_frame(faces: FaceSet, settings: tuple[str, ...]):
    """Outside of their masks SBI and CBI are the real face of their row, which is itself the target of the SBI."""
    sizes = (f"train_batchSize={4 * TUPLES}", f"resolution={RESOLUTION}", "pretrained=null")
    keys = (*sizes, "with_mask=true", "with_landmark=true", "mean=[0, 0, 0]", "std=[1, 1, 1]")
    config = load_config(DetectorConfig, "vht", (*keys, *settings))
    watched = WatchedFaces(faces.rows, with_landmark=True, with_mask=True)
    shown = []
    for batch in Loader(RECIPE[config.dataset_type](watched, config), seed=1).epoch(0):
        images = np.rint(255 * batch["image"].numpy()).astype(np.uint8).transpose(0, 2, 3, 1)
        quarters = [
            each.reshape(4, TUPLES, *each.shape[1:])
            for each in (images, *(batch[key].numpy() for key in ("mask", "landmark", "label", "attributes")))
        ]
        was_read = np.reshape(watched.__dict__.pop("were_read"), (TUPLES, 3))
        for row, (real, partner, deepfake) in enumerate(was_read.tolist()):
            assert_aligned(faces.rows.iloc[[real, partner, deepfake]])
            assert_quadruplet(
                [each[:, row] for each in quarters], faces.read(real), faces.read(deepfake), NO_FINAL in settings
            )
            jittered = (quarters[0][0, row] != faces.read(real).image).any()
            assert jittered == ("pseudofake.changes.applied_to=source" not in settings)
            shown.append(deepfake)
    assert sorted(shown) == np.flatnonzero(faces.labels).tolist()


def assert_aligned(rows) -> None:
    """The deepfake is of the real face's video and frame, the partner is a real face of another video."""
    assert rows["label"].tolist() == [0, 0, 1]
    real, partner, deepfake = rows.to_dict("records")
    name = Path(deepfake["video_id"]).name
    assert (Path(real["video_id"]).name, real["frame"]) == (name.partition("_")[0], deepfake["frame"])
    assert partner["video_id"] != real["video_id"]


def assert_quadruplet(row: list[np.ndarray], real: Sample, deepfake: Sample, is_stored: bool) -> None:
    """Images, masks, landmarks, labels and attributes (4, ...) of one row."""
    images, masks, landmarks, labels, attributes = row
    assert labels.tolist() == [0, 1, 1, 1]
    assert attributes.tolist() == ATTRIBUTES
    for found, face in zip(landmarks, (real, real, real, deepfake), strict=True):
        np.testing.assert_array_equal(found, face.landmark)
    np.testing.assert_array_equal(masks[3], to_network_mask(deepfake.mask, RESOLUTION))
    assert not masks[0].any()
    for fake, mask in zip(images[1:3], masks[1:3, 0], strict=True):
        outside = mask == 0
        assert 0.2 < outside.mean() < 1
        np.testing.assert_array_equal(fake[outside], images[0][outside])
        assert (fake != images[0]).any()
    assert (images[1] != images[2]).any()
    if is_stored:
        np.testing.assert_array_equal(images[3], deepfake.image)
