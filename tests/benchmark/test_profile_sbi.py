"""The protocol of SBI and ADFD from media to video AUC: loose crops, training with SAM, all faces of test frames."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from config.load import load_config
from config.schema import DetectorConfig
from detectors.weights import read_weights
from evaluation.metrics import evaluate_scores
from evaluation.scores import ScoreRecord, read_scores
from preprocessing.clips import Image
from tests.faces import still
from tests.media import write_video

SMALL = ("backbone_name=efficientnet_lite0", "pretrained=null", "resolution=64", "workers=0", "train_batchSize=4")


def people(*numbers: int) -> Image:
    """Faces beside each other, the first one larger."""
    frame = np.full((400, 400 + 280 * (len(numbers) - 1), 3), 90, np.uint8)
    frame[:, :400] = still(numbers[0])
    for place, number in enumerate(numbers[1:]):
        left = 410 + 280 * place
        frame[80:340, left : left + 260] = cv2.resize(still(number), (260, 260))
    return frame


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people to train on; a real video of two, a fake one of one and a fake one of nobody to test on."""
    root = tmp_path_factory.mktemp("media")
    for number in range(4):
        write_video(root / "train" / "real" / f"{number}.mp4", [people(number)] * 2)
    write_video(root / "test" / "real" / "two.mp4", [people(4, 5), people(6, 7)])
    write_video(root / "test" / "fake" / "one.mp4", [cv2.GaussianBlur(people(8), (0, 0), 4)])
    write_video(root / "test" / "fake" / "nobody.mp4", [np.zeros((100, 100, 3), np.uint8)] * 2)
    return root


def test_from_media_to_video_auc(assay, media: Path, tmp_path: Path):
    data, run = tmp_path / "data", tmp_path / "run"
    profile = ["--data", data, "--profile", "sbi"]
    assert assay("preprocess", "custom", "--root", media, *profile, "--workers", 1).code == 0
    settings = [word for setting in (*SMALL, "nEpochs=3") for word in ("--set", setting)]
    options = ["--set", "options={start: 0.6, filter: random, memory: 6, centres: 2}"]
    trained = assay("train", "adfd", "--train", "custom", *profile, "--out", run, *settings, *options)
    assert trained.code == 0, trained.err
    assert "train adfd on 8 faces" in trained.out
    epochs = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert ["train/noise" in line for line in epochs if line["kind"] == "epoch"] == [False, True, True]

    weights = run / "last.safetensors"
    evaluated = assay("evaluate", weights, "--test", "custom", *profile, "--workers", 0, "--out", tmp_path / "eval")
    assert evaluated.code == 0, evaluated.err
    path = tmp_path / "eval" / "custom" / "scores.parquet"
    scores, record = read_scores(path), ScoreRecord.read(ScoreRecord.beside(path))
    faces = scores[scores["face"] >= 0].groupby(["video_id", "frame"], observed=True)["score"]
    assert sorted(faces.size().tolist()) == [1, 2, 2]
    video = faces.max().groupby("video_id").mean()
    one, two = (next(score for name, score in video.items() if word in name) for word in ("one", "two"))
    # Pairs of a fake and a real video: the one with a face, and the one without, which counts 0.5.
    expected = np.mean([(one > two) + 0.5 * (one == two), (two < 0.5) + 0.5 * (two == 0.5)])
    found = evaluate_scores(record.with_rule(scores))
    assert found.video_auc == pytest.approx(expected)
    assert json.loads(path.with_name("metrics.json").read_text())["metrics"]["video_auc"] == pytest.approx(expected)
    assert "1 video without a face scored 0.5" in found.note
    assert not [name for name in read_weights(weights)[0] if name.startswith("memory")]


@pytest.mark.parametrize("name", ["sbi", "adfd"])
def test_the_settings_are_the_papers(name: str):
    config = load_config(DetectorConfig, name)
    assert (config.frame_num.train, config.frame_num.test) == (8, 32)
    assert (config.margins.train, config.margins.test) == ((0.04, 0.2), 0.125)
    assert (config.resolution, config.train_batchSize, config.nEpochs) == (380, 32, 100)
    sam = config.optimizer.sam
    assert (config.optimizer.type, sam.lr, sam.momentum, sam.rho, sam.weight_decay) == ("sam", 0.001, 0.9, 0.05, 0)
    assert (config.lr_scheduler, config.accumulate, config.compression) == ("linear", 1, "raw")
    assert (config.mean, config.std) == ((0, 0, 0), (1, 1, 1))
    assert (config.dataset_type, config.backbone_name) == ("real_with_pseudofake", "efficientnetb4_standard")
