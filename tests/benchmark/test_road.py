"""The whole road in one small run: media, crops, weights, scores, table; and what happens when it is walked again."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from config.load import load_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.weights import save_weights, weights_sha256
from evaluation.scores import ScoreRecord, read_scores
from preprocessing.clips import Image
from tests.faces import still

SPLITS = {"train": range(6), "val": range(6, 9), "test": range(9, 12)}


def blurred(image: Image) -> Image:
    """A crude forgery that a network learns within a few steps."""
    return cv2.GaussianBlur(image, (0, 0), 4)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    for split, numbers in SPLITS.items():
        for number in numbers:
            for name, image in (("real", still(number)), ("fake", blurred(still(number)))):
                (root / split / name).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / split / name / f"{number}.png"), image)
    cv2.imwrite(str(root / "test" / "real" / "nobody.png"), np.zeros((200, 200, 3), np.uint8))
    return root


def test_from_media_to_table(assay, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert assay("preprocess", "custom", "--root", media, "--workers", 1).code == 0
    train = ["train", "efficientnet_lite0", "--train", "custom", "--set", "workers=0", "--set", "nEpochs=2"]
    train += ["--set", "train_batchSize=6", "--set", "resolution=96"]
    assert assay(*train).code == 0
    run = tmp_path / "results" / "runs" / "efficientnet_lite0"
    assert load_config(DetectorConfig, run / "config.yaml").workers == 0
    epochs = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in epochs if entry["kind"] == "epoch"] == [0, 1]

    again = assay(*train)
    assert again.code == 2
    assert "resume it" in again.err

    evaluate = ["evaluate", run, "--test", "custom", "--workers", 0]
    assert assay(*evaluate, "--threshold-on", "custom").code == 0
    path = run / "eval" / "custom" / "scores.parquet"
    scores, record = read_scores(path), ScoreRecord.read(ScoreRecord.beside(path))
    assert len(scores) == 7
    assert scores["score"].isna().sum() == 1
    assert (record.n_videos, record.n_frames, record.n_faceless_frames) == (7, 7, 1)
    assert record.skipped == {"no face": 1}
    assert "landmarks: assay-compact-81" in record.notes

    assert set(read_scores(run / "eval" / "custom_val" / "scores.parquet")["split"]) == {"val"}
    measured = json.loads(path.with_name("metrics.json").read_text())
    assert measured["thresholds"]["source"] == "custom val"
    assert measured["metrics"]["frame_tpr_at_1pct"] is not None
    assert set(measured["intervals"]) == {name for name in measured["metrics"] if name.startswith(("frame", "video"))}
    rates = ["table", run, "--metric", "video_fpr_at_1pct", "--format", "csv"]
    expected = measured["metrics"]["video_fpr_at_1pct"]
    assert float(assay(*rates, "--threshold-on", "custom").out.splitlines()[1].split(",")[1]) == expected
    assert assay(*rates).out.splitlines()[1] == "efficientnet_lite0,"

    lone = assay("evaluate", run / "best.safetensors", "--test", "custom", "--workers", 0, "--out", tmp_path / "lone")
    assert lone.code == 0
    assert read_scores(tmp_path / "lone" / "custom" / "scores.parquet").equals(scores)
    resolved = load_config(DetectorConfig, tmp_path / "lone" / "custom" / "config.yaml")
    assert resolved == load_config(DetectorConfig, run / "config.yaml")
    assert json.loads((run / "record.json").read_text())["initialisation"].startswith("ImageNet")

    table = assay("table", run, "--format", "csv", "--metric", "video_auc")
    assert table.out.splitlines()[0] == "Detector,video AUC custom"
    assert table.out.splitlines()[1].startswith("efficientnet_lite0,")

    same = assay("compare", run / "eval" / "custom", tmp_path / "lone", "--format", "csv").out.splitlines()
    assert same[0].startswith("Detector,frame AUC,frame AUC low,frame AUC high,")
    assert [float(field) for field in same[3].split(",")[1:5]] == [0, 0, 0, 1]

    one_class = scores[scores["label"] == 0]
    one_class.to_parquet(path)
    assert "holds 4 videos, not 7" in assay("table", run).err
    replace(record, n_videos=len(one_class)).write(ScoreRecord.beside(path))
    assert assay("table", run).out.count("–") >= 1


def test_weights_of_another_network_are_refused_by_name(assay, media: Path, tmp_path: Path):
    data = tmp_path / "data"
    assert assay("preprocess", "custom", "--root", media, "--data", data, "--workers", 1).code == 0
    weights = tmp_path / "weights.safetensors"
    save_weights(build_detector(load_config(DetectorConfig, "efficientnet_lite0"), pretrained=False), weights, {})
    answer = assay("evaluate", weights, "--detector", "xception", "--test", "custom", "--data", data)
    assert answer.code == 2
    assert "efficientnet_lite0" in answer.err


def test_the_epoch_chosen_on_the_test_set_stands_apart(assay, media: Path, tmp_path: Path):
    data, run = tmp_path / "data", tmp_path / "run"
    preprocess = ["preprocess", "custom", "--root", media, "--data", data, "--workers", 1]
    assert assay(*preprocess, "--encoding", "jpeg").code == 0
    train = ["train", "efficientnet_lite0", "--train", "custom", "--data", data, "--out", run, "--keep-epochs"]
    for setting in ("workers=0", "nEpochs=3", "train_batchSize=6", "resolution=96", "metric_scoring=ap"):
        train += ["--set", setting]
    assert assay(*train).code == 0
    (run / "epochs" / "notes.safetensors").write_bytes(b"no epoch")
    evaluate = ["evaluate", run, "--test", "custom", "--data", data, "--workers", 0, "--precision", "fp32"]
    assert assay(*evaluate).code == 0
    assert assay(*evaluate, "--protocol", "dfb_legacy").code == 0

    folder = run / "eval_dfb_legacy" / "custom"
    epochs = [read_scores(folder / f"epoch_{number:03}.parquet") for number in (1, 2, 3)]
    by_epoch = [
        average_precision_score(table["label"], table["score"]) for table in (scores.dropna() for scores in epochs)
    ]
    best = int(np.argmax(by_epoch))
    record = ScoreRecord.read(folder / "scores.json")
    assert record.protocol == "dfb_legacy"
    assert f"epoch {best + 1} of 3, chosen by its frame ap on this test set itself" in record.notes
    assert "crops: jpeg 95 4:4:4, a compression on top of the data set's own" in record.notes
    assert record.weights_sha256 == weights_sha256(run / "epochs" / f"{best + 1:03}.safetensors")
    assert read_scores(folder / "scores.parquet").equals(epochs[best])

    rows = assay("table", run, "--format", "csv").out.splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["efficientnet_lite0 (run)", '"efficientnet_lite0 (run']
    (run / "epochs" / "002.safetensors").rename(tmp_path / "elsewhere.safetensors")
    for path in (run / "epochs").iterdir():
        path.unlink()
    refused = assay(*evaluate, "--protocol", "selected_on_test")
    assert refused.code == 2
    assert "--keep-epochs" in refused.err
    assert assay(*evaluate, "--protocol", "selected_on_tests").code == 2


@pytest.mark.parametrize("val", [(), ("real",)])
def test_without_a_val_split_of_both_classes_the_last_epoch_is_kept(
    assay, media: Path, tmp_path: Path, val: tuple[str, ...]
):
    """DF40 and others have train and test alone, or reals alone in val."""
    sources = [*media.glob("t*/*/*.png"), *(path for kind in val for path in media.glob(f"val/{kind}/*.png"))]
    listing = "".join(
        f"{path.relative_to(media)},{path.parent.name},{path.parent.parent.name}\n" for path in sorted(sources)
    )
    (tmp_path / "noval.csv").write_text("path,label,split\n" + listing)
    data, run = tmp_path / "data", tmp_path / "run"
    assert assay("preprocess", tmp_path / "noval.csv", "--root", media, "--data", data, "--workers", 1).code == 0
    train = ["train", "efficientnet_lite0", "--train", "noval", "--data", data, "--out", run]
    for setting in ("workers=0", "nEpochs=2", "train_batchSize=6", "resolution=96"):
        train += ["--set", setting]
    code, out, err = assay(*train)
    assert code == 0, err
    assert "no val split with real and fake: the last epoch is kept" in out
    record = json.loads((run / "record.json").read_text())
    assert (record["val_sha256"], record["best_epoch"]) == (None, 1)
    assert record["selection"].startswith("last epoch")
    assert weights_sha256(run / "best.safetensors") == weights_sha256(run / "last.safetensors")
