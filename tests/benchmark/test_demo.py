"""The demo's road from media to report, on a few short clips, and what its detectors have of the baseline."""

import csv
import io
from pathlib import Path

import pytest

from benchmark.demo import light
from benchmark.demo.light import BASELINE, lightened
from config.load import config_names, load_config
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.conformance import Case, prediction, training_step
from evaluation.scores import ScoreRecord
from tests.dfb import write_ffpp
from training import RECIPE


@pytest.mark.usefixtures("small_demo")
def test_detectors_are_trained_and_reported_side_by_side(assay, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("base: sbi\npseudofake: {base: fia_usa/wo_sr}\n")
    out = tmp_path / "demo"
    command = ["demo", "--out", out, "--detectors", f"{BASELINE}, {tmp_path / 'mine.yaml'}", "--workers", 0]
    code, words, err = assay(*command, "--device", "cpu")
    assert code == 0, err
    assert "small autoencoder, a substitute" in words

    both = list(csv.DictReader(io.StringIO((out / "results" / "leaderboard.csv").read_text())))
    assert [row["Detector"] for row in both] == [BASELINE, "mine"]
    for row, run in ((BASELINE, BASELINE), ("mine", "sbi")):
        (found,) = (out / "runs").glob(f"{run}-*/eval-*/DemoX/scores.json")
        record = ScoreRecord.read(found)
        substituted = [note for note in record.notes if note.startswith("sbi: ")]
        assert len(substituted) == (2 if row == "mine" else 0)
        assert all(note in (out / "report.html").read_text() for note in substituted)
        for name in ("metrics.csv", "manipulations_DemoFF.tex", "scores_DemoX.png"):
            assert (out / "results" / row / name).is_file()

    report = (out / "report.html").read_text()
    for heading in ("Leaderboard", "What detectors look at", "Provenance", "Crops of DemoX", "Training"):
        assert f"<h2>{heading}</h2>" in report
    assert report.count(f'<th scope="row">{BASELINE}</th>') == report.count('<th scope="row">mine</th>') > 0

    (weights,) = (out / "runs").glob("sbi-*/last.safetensors")
    before = weights.stat().st_mtime_ns
    code, words, err = assay("demo", "--out", out, "--detectors", BASELINE, "--workers", 0, "--device", "cpu")
    assert code == 0, err
    assert "epoch 1/" not in words
    assert weights.stat().st_mtime_ns == before
    (alone,) = csv.DictReader(io.StringIO((out / "results" / "leaderboard.csv").read_text()))
    assert alone == {heading: value for heading, value in both[0].items() if not heading.endswith(" tied")}
    assert (out / "results" / "metrics.csv").is_file()
    assert not (out / "results" / "mine").exists()


@pytest.mark.parametrize("name", config_names(DetectorConfig))
def test_a_detector_keeps_all_but_the_baselines_network_and_input(name: str):
    """Unless its class says otherwise: a method bound to its own network."""
    own = load_config(DetectorConfig, name)
    baseline = load_config(DetectorConfig, BASELINE, DETECTOR[own.model_name].light)
    found = lightened(name, ["DemoFF"], seed=7).config
    inputs = {"inc": own.backbone_config.inc}
    assert found.backbone_config == baseline.backbone_config.model_copy(update=inputs)
    for key in ("backbone_name", "pretrained", "mean", "std", "resolution", "optimizer"):
        assert getattr(found, key) == getattr(baseline, key)
    own = load_config(DetectorConfig, name, DETECTOR[own.model_name].light)
    for key in ("model_name", "dataset_type", "pseudofake", "loss_func", "options", "with_mask", "data_aug"):
        assert getattr(found, key) == getattr(own, key)
    assert found.train_batchSize % RECIPE[own.dataset_type].members == 0
    assert (found.manualSeed, found.train_dataset) == (7, ["DemoFF"])


@pytest.mark.parametrize("name", ["ffd", "recce", "srm"])
def test_a_method_that_works_between_layers_finds_them_in_the_baselines_network(name: str):
    config = lightened(name, ["DemoFF"], seed=7).config
    case = Case.of(config.model_copy(update={"resolution": 64}))
    prediction(case)
    training_step(case)


def test_the_baseline_is_what_its_file_says():
    expected = load_config(DetectorConfig, BASELINE, ["train_dataset=[DemoFF]", "manualSeed=0"])
    assert lightened(BASELINE, ["DemoFF"], seed=0).config == expected


@pytest.mark.parametrize("name", [BASELINE, "sbi", "df_only"])
def test_epochs_make_up_for_what_an_epoch_shows(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    """Two real and four fake faces: an epoch is six images of the baseline's, four of a recipe that makes its fakes."""
    write_ffpp(tmp_path)
    monkeypatch.setattr(light, "EPOCHS", 6)
    chosen = lightened(name, ["FaceForensics++"], seed=0)
    assert (chosen.images(tmp_path), chosen.epochs(tmp_path)) == ((4, 9) if name == "sbi" else (6, 6))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["sbbi"], "unknown detector 'sbbi'; did you mean 'sbi'?"),
        (["sbi,", "vht"], "unknown detector ''"),
        (["sbi,none.yaml"], "no such detector file: none.yaml"),
        (["a/sbi.yaml", "sbi"], "the runs of a/sbi.yaml and sbi would have the same name"),
    ],
)
def test_wrong_names_are_answered_before_anything_is_made(assay, tmp_path: Path, monkeypatch, names, sentence):
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    Path("a/sbi.yaml").write_text("base: sbi\n")
    answer = assay("demo", *(part for name in names for part in ("--detectors", name)))
    assert answer.code == 2
    assert sentence in answer.err
    assert not Path("demo").exists()


@pytest.mark.parametrize("folder", ["data", "runs", "results"])
def test_what_no_demo_made_is_not_removed(assay, tmp_path: Path, folder: str):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "precious.txt").write_text("mine")
    answer = assay("demo", "--out", tmp_path)
    assert answer.code == 2
    assert "was not made by the demo" in answer.err
    assert (tmp_path / folder / "precious.txt").read_text() == "mine"
