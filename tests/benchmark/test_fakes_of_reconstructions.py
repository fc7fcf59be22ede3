"""Training on fakes made of reconstructions: a missing one is said at once, what made them goes with the weights."""

import gc
import json
import shutil
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import save_file

from benchmark.loading import other_network
from benchmark.train import training_faces
from config.load import load_config
from config.schema import DatasetConfig, DetectorConfig, Profile
from detectors import build_detector
from detectors.weights import load_weights, read_weights, save_weights
from evaluation.scores import ScoreRecord
from preprocessing.landmarks import find_predictor
from preprocessing.pipeline import preprocess
from preprocessing.reconstruction.substitutes import SmallAutoencoder
from tests.faces import still

SETTINGS = ("pseudofake=fia_usa/wo_sr", "backbone_name=efficientnet_lite0", "pretrained=null", "resolution=64")
SETTINGS += ("train_batchSize=4", "nEpochs=1", "workers=0", "compression=c23")
NETWORK = "sbi: efficientnet_lite0 at 64 pixels, trained with sam, "
NETWORK += "in place of efficientnetb4_standard at 380 pixels, trained with sam"


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a set with a real picture and a crude fake of each person."""
    root, data = tmp_path_factory.mktemp("media"), tmp_path_factory.mktemp("data")
    for number, split in enumerate(["train"] * 4 + ["test"] * 2):
        for name, image in (("real", still(number)), ("fake", cv2.GaussianBlur(still(number), (0, 0), 4))):
            (root / split / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / split / name / f"{number}.png"), image)
    preprocess(
        load_config(DatasetConfig, "custom"), root, data, load_config(Profile, "dfb"), find_predictor(environ={})
    )
    return data


@pytest.fixture
def data(crops: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(crops, tmp_path / "data"))


def training(data: Path, run: Path, *settings: str) -> list[object]:
    command = ["train", "sbi", "--train", "custom", "--data", data, "--out", run, "--device", "cpu"]
    return [*command, *(part for setting in (*SETTINGS, *settings) for part in ("--set", setting))]


def reconstruct(assay, data: Path, *options: object) -> None:
    gc.collect()  # what has been read by a command that failed is still open, and a store is opened once
    command = ("reconstruct", "custom", "--data", data, "--kind", "autoencoder", "--device", "cpu", *options)
    answer = assay(*command)
    assert answer.code == 0, answer.err


def test_what_is_not_reconstructed_is_said_before_anything_is_made(assay, data: Path, tmp_path: Path):
    refused = assay(*training(data, tmp_path / "run"))
    assert refused.code == 2
    assert "4 of 4 real faces have no reconstruction by autoencoder" in refused.err
    assert "'assay reconstruct custom'" in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_what_made_them_goes_with_the_weights_to_every_table(assay, data: Path, tmp_path: Path):
    reconstruct(assay, data)
    run = tmp_path / "run"
    answer = assay(*training(data, run))
    assert answer.code == 0, answer.err
    made = json.loads((run / "record.json").read_text())["reconstructions"]
    assert list(made) == ["autoencoder"]
    assert made["autoencoder"]["is_substitute"]
    assert len(made["autoencoder"]["sha256"]) == 64
    assert json.loads(read_weights(run / "best.safetensors")[1]["reconstructions"]) == made

    lone = tmp_path / "lone.safetensors"
    shutil.copy(run / "best.safetensors", lone)
    evaluate = ("evaluate", lone, "--test", "custom", "--data", data, "--out", tmp_path / "sbi" / "eval")
    assert assay(*evaluate, "--workers", 0, "--device", "cpu").code == 0
    sentence = (
        f"sbi: trained on reconstructions (autoencoder) by small autoencoder, a substitute "
        f"(sha256 {made['autoencoder']['sha256'][:12]})"
    )
    record = ScoreRecord.read(tmp_path / "sbi" / "eval" / "custom" / "scores.json")
    assert {sentence, NETWORK} <= set(record.notes)
    assert sentence in assay("table", tmp_path / "sbi").out

    assert assay(*training(data, tmp_path / "plain", "pseudofake=sbi")).code == 0
    assert json.loads((tmp_path / "plain" / "record.json").read_text())["reconstructions"] == {}
    assert "reconstructions" not in read_weights(tmp_path / "plain" / "best.safetensors")[1]


def test_a_run_is_not_resumed_on_reconstructions_by_another_model(assay, data: Path, tmp_path: Path):
    reconstruct(assay, data)
    run = tmp_path / "run"
    assert assay(*training(data, run)).code == 0
    assert assay(*training(data, run), "--resume").code == 0
    torch.manual_seed(0)
    save_file(SmallAutoencoder().state_dict(), tmp_path / "mine.safetensors")
    reconstruct(assay, data, "--autoencoder", tmp_path / "mine.safetensors", "--overwrite")
    refused = assay(*training(data, run), "--resume")
    assert refused.code == 2
    assert "trained on other reconstructions" in refused.err


def test_weights_whose_note_is_damaged_are_refused(assay, tmp_path: Path):
    detector = build_detector(load_config(DetectorConfig, "efficientnet_lite0"), pretrained=False)
    for number, entry in enumerate(("{", "[]", '{"autoencoder": 3}', '{"autoencoder": {"name": "x"}}')):
        path = tmp_path / f"{number}.safetensors"
        save_weights(detector, path, {"reconstructions": entry})
        assert load_weights(detector, path) == {"reconstructions": entry}
        refused = assay("evaluate", path, "--detector", "efficientnet_lite0", "--test", "custom", "--data", tmp_path)
        assert refused.code == 2
        assert "damaged where it says what reconstructions" in refused.err


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("sbi", SETTINGS, (NETWORK,)),
        ("sbi", (), ()),
        ("facexray/hrnet", (), ()),
        ("realid_sbi", (), ()),
        ("sbi", ("model_name=mine", "backbone_name=xception"), ()),
    ],
    ids=["another network", "its own", "a variant", "another file", "no detector of ours"],
)
def test_a_network_that_stands_in_for_a_detectors_own_is_named(name: str, settings: tuple[str, ...], expected):
    assert other_network(load_config(DetectorConfig, name, settings)) == expected


def test_faces_that_a_recipe_never_reads_are_not_opened(crops: Path):
    config = load_config(DetectorConfig, "sbi", ["train_dataset=[custom]", "compression=c23"])
    quadruplets = config.model_copy(update={"dataset_type": "aligned_quadruplet"})
    assert training_faces(config, crops).labels.tolist() == [0] * 4
    assert sorted(training_faces(quadruplets, crops).labels) == [0] * 4 + [1] * 4
