"""`assay evaluate --perturb` and its tables: what is written, that it stands alone, and what does not compare."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from benchmark.places import features_path, perturbed_path
from benchmark.robustness import evaluate_perturbed
from benchmark.robustness_tables import levels_tables, read_robustness, robustness_table, robustness_tables
from benchmark.scoring import ScoringOptions
from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.weights import save_weights
from evaluation.features import FeatureWriter, read_features
from evaluation.metrics import evaluate_scores
from evaluation.perturbed_distance import perturbed_distances
from evaluation.scores import ScoreRecord, ScoreWriter, SuiteRecord, read_scores
from evaluation.scoring import BROKEN_VALUE
from evaluation.tables import Deviation
from preprocessing.manifest import write_manifest
from preprocessing.pipeline import manifest_path
from preprocessing.store import FaceStoreWriter
from preprocessing.views import load_suite
from tests.evaluation.test_scores import RECORD
from tests.evaluation.test_scoring import META
from tests.perturbed import store_views
from tests.preprocessing.test_manifest import row
from tests.score_rows import score_rows

SUITE = "draws: 2\nperturbations:\n  gaussian_noise: [{variance: 900}]\n  jpeg: [{quality: 60}, {quality: 5}]\n"
OVERRIDES = ("resolution=32", "workers=0", "test_batchSize=8")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six faces of six videos, and a frame without a face."""
    folder = tmp_path_factory.mktemp("data")
    path = manifest_path(folder, "dfb", "D")
    writer, rng, rows = FaceStoreWriter(path.with_name("D_lmdb"), META), np.random.default_rng(0), []
    for split in ("val", "test"):
        for number in range(6):
            rows.append(row(f"{split}{number}", 0, label=number % 2, split=split))
            image = rng.integers(0, 256, (32, 32, 3), np.uint8)
            writer.add(f"{split}{number}", {rows[-1]["key"]: cv2.imencode(".png", image)[1].tobytes()}, [])
        rows.append(row(f"{split}none", 0, "no face", split=split))
    writer.close()
    write_manifest(path, rows, {**META, "predictor": "none", "faceless_score": 0.5})
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lite.safetensors"
    torch.manual_seed(0)
    save_weights(build_detector(load_config(DetectorConfig, "efficientnet_lite0"), pretrained=False), path, {})
    return path


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "mine.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def evaluate(assay, data: Path, weights: Path, tmp_path: Path):
    """`assay evaluate` into a folder; its answer."""

    def call(folder: str, *options: object):
        fixed = ["--detector", "efficientnet_lite0", "--precision", "fp32", "--device", "cpu", "--data", data]
        fixed += [word for override in OVERRIDES for word in ("--set", override)]
        return assay("evaluate", weights, "--test", "D", *fixed, "--out", tmp_path / folder, *options)

    return call


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_evaluation_leaves_the_clean_files_as_they_are_and_adds_the_suites(evaluate, suite: Path, tmp_path: Path):
    assert evaluate("plain").code == 0
    answer = evaluate("both", "--perturb", suite, "--perturb", "adfd_table10", "--threshold-on", "D")
    assert answer.code == 0, answer.err
    assert "frame AUC of efficientnet_lite0" in answer.out
    assert "under mine" in answer.out
    clean, both = tmp_path / "plain" / "D" / "scores.parquet", tmp_path / "both" / "D"
    assert (both / "scores.parquet").read_bytes() == clean.read_bytes()
    assert names(both) == ["adfd_table10", "config.yaml", "metrics.json", "mine", "scores.json", "scores.parquet"]
    assert names(both / "mine") == ["config.yaml", "perturbed.json", "perturbed.parquet", "robustness.json"]

    table, record = read_scores(both / "mine" / "perturbed.parquet"), ScoreRecord.read(both / "mine" / "perturbed.json")
    assert len(table) == 7 * 5
    assert table["score"].isna().sum() == 5
    assert record.suite == SuiteRecord("mine", record.suite.sha256, "crop", 2)
    assert ScoreRecord.read(both / "scores.json").suite is None
    assert replace(record, suite=None, wall_seconds=0) == replace(
        ScoreRecord.read(both / "scores.json"), wall_seconds=0
    )

    written = json.loads((both / "mine" / "robustness.json").read_text())
    assert [(c["perturbation"], c["level"], c["draws"]) for c in written["conditions"]] == [
        ("none", 0, 1),
        ("gaussian_noise", 1, 2),
        ("jpeg", 1, 1),
        ("jpeg", 2, 1),
    ]
    ruled = record.with_rule(table)
    draws = [evaluate_scores(ruled[(ruled["perturbation"] == "gaussian_noise") & (ruled["draw"] == n)]) for n in (0, 1)]
    noise = written["conditions"][1]
    assert noise["metrics"]["video_auc"] == pytest.approx(fmean(draw.video_auc for draw in draws))
    assert noise["deviations"]["frame_brier"] == pytest.approx(np.std([d.frame_brier for d in draws], ddof=1))
    clean_auc = written["conditions"][0]["metrics"]["frame_auc"]
    assert noise["reductions"]["frame_auc"] == pytest.approx(noise["metrics"]["frame_auc"] / clean_auc - 1)
    assert noise["metrics"]["frame_fpr_at_5pct"] is not None
    assert written["distances"] is None


def test_the_perturbed_pass_alone_gives_the_same_files_with_features(
    evaluate, data: Path, weights: Path, suite: Path, tmp_path: Path
):
    assert evaluate("both", "--perturb", suite, "--features").code == 0
    settings = {"detector_name": "efficientnet_lite0", "overrides": OVERRIDES, "precision": "fp32", "device": "cpu"}
    options = ScoringOptions(data, Console(quiet=True), tmp_path / "alone", **settings, features=True)
    (found,) = evaluate_perturbed(weights, ["D"], [str(suite)], options)
    both = perturbed_path(tmp_path / "both", "D", "mine")
    for name in ("perturbed.parquet", "features.parquet", "config.yaml", "robustness.json"):
        assert found.scores.with_name(name).read_bytes() == both.with_name(name).read_bytes(), name
    clean = read_features(features_path(tmp_path / "both" / "D" / "scores.parquet"))
    perturbed = read_features(features_path(both))
    assert np.array_equal(clean.values, perturbed.values[perturbed.rows["perturbation"] == "none"])
    assert clean.values.shape == (6, 1280)
    distances = perturbed_distances(features_path(both))
    written = json.loads(both.with_name("robustness.json").read_text())
    assert written["distances"] == {"dimension": 1280, "n_constant": distances.n_constant, "n_samples": 6}
    assert [c["metrics"]["mpd"] for c in written["conditions"][1:]] == [level.mpd for level in distances.levels]

    evaluate_perturbed(weights, ["D"], [str(suite)], replace(options, features=False))
    assert not features_path(found.scores).exists(), "features of other scores would be taken for these"
    assert evaluate("both").code == 0
    assert not features_path(tmp_path / "both" / "D" / "scores.parquet").exists()
    assert features_path(both).exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--protocol", "selected_on_test", "--perturb", "levels"], "--perturb and --features need one epoch"),
        (["--protocol", "selected_on_test", "--features"], "--perturb and --features need one epoch"),
        (["--perturb", "level"], "did you mean 'levels'"),
        (["--perturb", "levels", "--perturb", "levels"], "--perturb levels: given twice"),
    ],
)
def test_what_cannot_be_perturbed_is_refused_before_anything_is_scored(
    evaluate, tmp_path: Path, options, sentence: str
):
    answer = evaluate("none", *options)
    assert answer.code == 2
    assert sentence in answer.err
    assert not (tmp_path / "none").exists()


def test_crops_of_frames_are_asked_for_before_anything_is_scored_and_their_codec_is_noted(
    evaluate, data: Path, tmp_path: Path
):
    file, store = tmp_path / "clips.yaml", manifest_path(data, "dfb", "D").with_name("D_lmdb")
    file.write_text("on: frame\nperturbations: {h264: [{crf: 40}]}")
    answer = evaluate("early", "--perturb", "adfd_table10", "--perturb", file)
    assert answer.code == 2
    assert "has no perturbed crops of suite clips; make them with 'assay perturb D" in answer.err
    assert not (tmp_path / "early").exists()

    keys = [f"D/frames/test{number}/000.png" for number in range(6)]
    store_views(store, load_suite(str(file)), keys, 90, "libavcodec 1, x264 core 2", lost=keys[:1])
    answer = evaluate("late", "--perturb", file)
    assert answer.code == 0, answer.err
    record = ScoreRecord.read(tmp_path / "late" / "D" / "clips" / "perturbed.json")
    note = "clips: clips compressed by libavcodec 1, x264 core 2"
    assert note in record.notes
    assert record.skipped == {"no face": 1, BROKEN_VALUE: 1}
    assert note in answer.out
    (table,) = robustness_tables([tmp_path / "late"], "clips")
    assert note in table.footnotes


# single-frame videos; AUC = share of (real, fake) pairs in the right order
LABELS = [0, 0, 1, 1]
AUC_1, AUC_75, AUC_5 = [0.1, 0.2, 0.8, 0.9], [0.1, 0.3, 0.2, 0.9], [0.9, 0.1, 0.8, 0.2]
VIEWS = {("none", 0, 0): AUC_1, ("noise", 1, 0): AUC_75, ("noise", 1, 1): AUC_5, ("blur", 1, 0): AUC_5}


def perturbed(
    run: Path, views: dict[tuple[str, int, int], Sequence[float]] = VIEWS, *, dataset: str = "D", sha256: str = "a" * 64
) -> Path:
    """A perturbed score table with its record and features: a feature is the score and 1."""
    path = perturbed_path(run / "eval", dataset, "mine")
    tables = [
        score_rows(LABELS, scores).assign(perturbation=name, level=level, draw=draw)
        for (name, level, draw), scores in views.items()
    ]
    by_face = pd.concat(tables, ignore_index=True).sort_values("video_id", kind="stable")
    with ScoreWriter(path) as writer:
        writer.write(by_face)
    with FeatureWriter(features_path(path), 2) as features:
        features.write(by_face, np.stack([by_face["score"], np.ones(len(by_face))], axis=1).astype(np.float32))
    record = replace(RECORD, suite=SuiteRecord("mine", sha256, "crop", 2), n_videos=len(LABELS))
    record.write(ScoreRecord.beside(path))
    return path


def test_rows_are_runs_and_columns_levels_with_the_deviation_over_draws(tmp_path: Path):
    worse = dict.fromkeys(VIEWS, AUC_5)
    table = robustness_table(
        [read_robustness(perturbed(tmp_path / "a")), read_robustness(perturbed(tmp_path / "b", worse))]
    )
    assert table.rows == ("efficientnet_lite0 (a)", "efficientnet_lite0 (b)")
    assert [(column.group, column.name) for column in table.columns] == [
        ("", "clean"),
        ("noise", "1"),
        ("blur", "1"),
        ("", "Avg."),
    ]
    assert table.values == (pytest.approx((1.0, 0.625, 0.5, 0.5625)), (0.5, 0.5, 0.5, 0.5))
    assert table.spreads[0][1] == Deviation(pytest.approx(np.std([0.75, 0.5], ddof=1)))
    assert [table.spreads[0][n] for n in (0, 2, 3)] == [None] * 3
    assert table.ranks()[0][0].value == "best"
    assert table.footnotes[0] == "mine (aaaaaaaaaaaa): the stored crop is perturbed, 2 draws of what is random"
    assert "mean ± sample standard deviation over draws" in table.footnotes
    assert table.footnotes[-1] == "protocol corrected v1"
    assert "landmarks: compact predictor – a substitute" in table.footnotes


def test_relative_values_are_shares_of_the_clean_one_which_is_shown(tmp_path: Path):
    clean = dict(VIEWS) | {("none", 0, 0): AUC_75}
    table = robustness_table([read_robustness(perturbed(tmp_path / "a", clean))], "video_auc", relative=True)
    assert table.values[0] == pytest.approx(
        (0.75, 0.625 / 0.75 - 1, 0.5 / 0.75 - 1, (0.625 / 0.75 + 0.5 / 0.75) / 2 - 1)
    )
    assert table.spreads[0][1].value == pytest.approx(np.std([0.75, 0.5], ddof=1) / 0.75)
    assert table.columns[1].text(table.values[0][1]) == "-0.1667"
    assert table.columns[0].higher_is_better
    assert not robustness_table([read_robustness(perturbed(tmp_path / "a"))], "frame_eer").columns[1].higher_is_better


def test_distances_are_columns_without_a_clean_one(tmp_path: Path):
    path = perturbed(tmp_path / "a")
    (mpd,) = robustness_tables([tmp_path], "mine", "mpd")
    (relative,) = robustness_tables([tmp_path], "mine", "mpd", relative=True)
    scores, deviation = np.array(list(VIEWS.values())), np.std(AUC_1, ddof=1)
    noise = np.abs(scores[1:3] - scores[0]).mean(axis=1) / deviation
    blur = np.abs(scores[3] - scores[0]).mean() / deviation
    assert [column.name for column in mpd.columns] == ["1", "1", "Avg."]
    assert mpd.values[0] == pytest.approx((noise.mean(), blur, (noise.mean() + blur) / 2), rel=1e-6)
    assert mpd.spreads[0][0].value == pytest.approx(np.std(noise, ddof=1), rel=1e-6)
    assert relative.values[0] == pytest.approx(tuple(value / np.sqrt(2) for value in mpd.values[0]))
    assert relative.spreads[0][0].value == pytest.approx(mpd.spreads[0][0].value / np.sqrt(2))
    assert not mpd.columns[0].higher_is_better
    assert "efficientnet_lite0 (a): 1 of 2 dimensions, which do not vary, left out" in mpd.footnotes
    features_path(path).unlink()
    with pytest.raises(InputError, match=r"no features at .*--features"):
        robustness_tables([tmp_path], "mine", "mpd")


def test_one_run_is_shown_with_perturbations_as_rows(tmp_path: Path):
    tables = levels_tables(read_robustness(perturbed(tmp_path / "a"), distances=True))
    assert [table.caption.partition(" of ")[0] for table in tables] == ["frame AUC", "video AUC", "mPD", "relative mPD"]
    assert tables[0].rows == ("noise", "blur")
    assert tables[0].values == (pytest.approx((1.0, 0.625)), (1.0, 0.5))
    assert [bool(table.footnotes) for table in tables] == [False, False, False, True]


def test_each_test_set_has_its_table(assay, tmp_path: Path):
    for name in ("D", "E"):
        perturbed(tmp_path / "a", dataset=name)
    answer = assay("table", tmp_path, "--perturb", "mine", "--metric", "video_auc", "--format", "csv")
    assert answer.out.splitlines()[0].startswith("Detector on D,clean,noise 1")
    assert answer.out.splitlines()[3].startswith("Detector on E,clean,noise 1")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--perturb", "mine", "--metric", "frame_uac"], "did you mean 'frame_auc'"),
        (["--perturb", "other"], "no other/perturbed.parquet below"),
        (["--relative"], "--relative compares with the clean crops"),
        (["--perturb", "mine", "--intervals"], "leave --intervals and --over-seeds"),
    ],
)
def test_mistakes_of_a_table_are_one_sentence(assay, tmp_path: Path, options: list[str], sentence: str):
    perturbed(tmp_path / "a")
    answer = assay("table", tmp_path, *options)
    assert answer.code == 2
    assert sentence in answer.err
    assert len(answer.err.splitlines()) == 1


def test_what_does_not_compare_is_refused(tmp_path: Path):
    own = read_robustness(perturbed(tmp_path / "a"))
    with pytest.raises(InputError, match="are of suites that differ: mine was changed"):
        robustness_table([own, read_robustness(perturbed(tmp_path / "b", sha256="b" * 64))])
    with pytest.raises(InputError, match="is of E"):
        robustness_table([own, read_robustness(perturbed(tmp_path / "c", dataset="E"))])
    with pytest.raises(InputError, match="given twice"):
        robustness_table([own, own])
    replace(own.record, suite=None).write(ScoreRecord.beside(own.path))
    with pytest.raises(InputError, match="holds no perturbed faces"):
        read_robustness(own.path)
