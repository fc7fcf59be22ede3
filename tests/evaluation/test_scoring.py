"""Running a detector over stored faces: each face its own score, whatever is broken counted and never replaced."""

from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from config.load import load_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.base import AbstractDetector
from evaluation.metrics import evaluate_scores
from evaluation.prediction import predict
from evaluation.scores import read_scores
from evaluation.scoring import BROKEN_VALUE, score, score_faces
from preprocessing.samples import FaceSet
from preprocessing.search import Box
from preprocessing.store import FaceStoreWriter, box_key, encode_box, encode_landmarks, landmarks_key
from tests.inputs import network_input
from tests.preprocessing.test_manifest import row

CPU = torch.device("cpu")
META = {"format": 1, "dataset": "D", "profile": {}, "predictor_sha256": "", "encoder": "png"}
GREYS = {"real": [10, 20, 30, 40], "fake": [200, 210, 220, 230]}


class Brightness(nn.Module):
    """P(fake) is the mean of the image, or of the landmarks' x over the image's side where there are some."""

    def forward(self, data_dict: dict[str, Tensor], inference: bool = False) -> dict[str, Tensor]:
        assert inference
        assert not self.training
        if "landmark" in data_dict:
            return {"prob": data_dict["landmark"][..., 0].mean(1) / data_dict["image"].shape[-1]}
        return {"prob": data_dict["image"].mean((1, 2, 3))}


def config(**keys: object) -> DetectorConfig:
    plain = ["mean=[0,0,0]", "std=[1,1,1]", "resolution=16", "test_batchSize=3", "frame_num.test=32"]
    return load_config(
        DetectorConfig, "efficientnet_lite0", [*plain, *(f"{key}={value}" for key, value in keys.items())]
    )


def detector() -> AbstractDetector:
    return cast(AbstractDetector, Brightness())


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    store = tmp_path_factory.mktemp("data") / "D_lmdb"
    writer = FaceStoreWriter(store, META)
    made = []
    for name, greys in GREYS.items():
        values = {}
        for frame, grey in enumerate(greys):
            entry = row(name, frame, label=int(name == "fake"), class_name=name)
            made.append(entry)
            values[entry["key"]] = cv2.imencode(".png", np.full((32, 32, 3), grey, np.uint8))[1].tobytes()
            values[landmarks_key(entry["key"])] = encode_landmarks(np.full((81, 2), 8))
        writer.add(name, values, [])
    writer.add("broken", {"D/frames/broken/000.png": b"no image"}, [])
    writer.close()
    made += [row("broken", 0), row("real", 4, "no face"), row("gone", -1, "unreadable media: not a video")]
    return pd.DataFrame(made).assign(store_path=str(store))


@pytest.mark.parametrize("workers", [0, 1])
def test_every_face_has_its_own_score_and_every_skip_a_row_without(rows: pd.DataFrame, tmp_path: Path, workers: int):
    counts = score(detector(), rows, tmp_path / "scores.parquet", config(), CPU, workers=workers)
    table = read_scores(tmp_path / "scores.parquet")
    found = {
        (video.split("/")[-1], frame): value
        for video, frame, value in zip(table["video_id"], table["frame"], table["score"], strict=True)
        if not np.isnan(value)
    }
    expected = {(name, frame): grey / 255 for name, greys in GREYS.items() for frame, grey in enumerate(greys)}
    assert found == pytest.approx(expected, abs=1e-6)
    without = table[table["score"].isna()]
    assert (without["face"] == -1).all()
    assert sorted(name.split("/")[-1] for name in without["video_id"]) == ["broken", "gone", "real"]
    assert (counts.videos, counts.frames, counts.faceless_frames) == (4, 10, 2)
    assert counts.skipped == {"no face": 1, "unreadable media: not a video": 1, BROKEN_VALUE: 1}
    metrics = evaluate_scores(table)
    assert metrics.frame_auc == 1.0
    assert metrics.n_faceless_videos == 2
    assert metrics.n_faceless_frames == counts.faceless_frames


def test_frames_of_a_video_are_spread_evenly(rows: pd.DataFrame, tmp_path: Path):
    score(detector(), rows, tmp_path / "scores.parquet", config(**{"frame_num.test": 2}), CPU)
    table = read_scores(tmp_path / "scores.parquet").dropna(subset="score")
    assert sorted(table["frame"]) == [0, 0, 3, 3]


def test_progress_counts_broken_faces_too(rows: pd.DataFrame, tmp_path: Path):
    seen: list[tuple[int, int]] = []
    score(detector(), rows, tmp_path / "s.parquet", config(), CPU, on_progress=lambda *done: seen.append(done))
    assert seen == [(3, 9), (6, 9), (9, 9)]


def test_landmarks_come_in_pixels_of_the_networks_input(rows: pd.DataFrame):
    faces = FaceSet(rows[(rows["skip"] == "") & ~rows["video_id"].str.endswith("broken")], with_landmark=True)
    _, scores = score_faces(detector(), faces, config(with_landmark=True), CPU)
    # 8 of 32 pixels is (8 + 0.5) / 2 - 0.5 = 3.75 of 16
    assert scores == pytest.approx(np.full(8, 3.75 / 16))


def test_the_mode_is_restored_even_if_scoring_is_left_early(rows: pd.DataFrame):
    model = detector().train()
    batches = predict(model, FaceSet(rows[rows["skip"] == ""]), config(), CPU)
    next(batches)
    assert not model.training
    batches.close()
    assert model.training


def test_a_set_of_skips_alone_still_gives_a_table(rows: pd.DataFrame, tmp_path: Path):
    counts = score(detector(), rows[rows["skip"] != ""], tmp_path / "scores.parquet", config(), CPU)
    assert len(read_scores(tmp_path / "scores.parquet")) == 2
    assert (counts.frames, counts.faceless_frames) == (1, 1)


def loose_rows(folder: Path) -> pd.DataFrame:
    """Two faces in the first frame of a video and one, whose box is missing, in the second."""
    writer = FaceStoreWriter(folder / "D_lmdb", META | {"profile": {"crop": "loose"}})
    made, values = [], {}
    for frame, face, grey in ((0, 0, 50), (0, 1, 150), (1, 0, 250)):
        entry = row("v", frame, label=1, class_name="fake") | {"face": face}
        entry["key"] = entry["key"].replace(".png", f"_{face}.png")
        image = np.zeros((300, 300, 3), np.uint8)
        image[87:212, 87:212] = 255  # an eighth on each side of the box
        image[100:200, 100:200] = grey
        values[entry["key"]] = cv2.imencode(".png", image)[1].tobytes()
        if frame == 0:
            values[box_key(entry["key"])] = encode_box(Box(100, 100, 199, 199, 1.0), "dlib")
        made.append(entry)
    writer.add("v", values, made)
    writer.close()
    return pd.DataFrame(made).assign(store_path=str(folder / "D_lmdb"))


def test_of_a_loose_crop_the_box_and_an_eighth_on_each_side_are_scored(tmp_path: Path):
    rows = loose_rows(tmp_path)
    counts = score(detector(), rows, tmp_path / "s.parquet", config(resolution=125), CPU)
    table = read_scores(tmp_path / "s.parquet")
    box = 100**2 / 125**2
    np.testing.assert_allclose(table["score"][:2], np.array([50, 150]) / 255 * box + 1 - box, rtol=1e-6)
    assert np.isnan(table["score"][2])
    assert (counts.videos, counts.frames, counts.faceless_frames) == (1, 2, 1)
    assert counts.skipped == {BROKEN_VALUE: 1}
    assert evaluate_scores(table).n_frames == 1


def test_a_frame_with_one_broken_and_one_whole_face_is_not_faceless(tmp_path: Path):
    rows = loose_rows(tmp_path)
    rows["frame"] = 0
    rows["face"] = [0, 1, 2]
    counts = score(detector(), rows, tmp_path / "s.parquet", config(), CPU)
    assert (counts.frames, counts.faceless_frames) == (1, 0)
    metrics = evaluate_scores(read_scores(tmp_path / "s.parquet"))
    assert (metrics.n_frames, metrics.n_faceless_frames) == (1, 0)


def test_scores_are_bit_for_bit_those_of_images_normalised_one_by_one(rows: pd.DataFrame):
    """On their way images stay uint8; what the network is given must be what one crop by itself would give."""
    settings = config(mean="[0.485,0.456,0.406]", std="[0.229,0.224,0.225]", resolution=32)
    torch.manual_seed(0)
    network = build_detector(settings, pretrained=False).to(memory_format=torch.channels_last).eval()
    faces = FaceSet(rows[(rows["skip"] == "") & ~rows["video_id"].str.endswith("broken")])
    expected = []
    for start in range(0, len(faces), 3):
        crops = [faces.read(index).image for index in range(start, min(start + 3, len(faces)))]
        inputs = [network_input(crop, 32, settings.mean, settings.std) for crop in crops]
        images = torch.from_numpy(np.stack(inputs)).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            expected.append(network({"image": images}, inference=True)["prob"].double().numpy())
    assert np.array_equal(score_faces(network, faces, settings, CPU)[1], np.concatenate(expected))
