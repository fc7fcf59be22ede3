"""The state dicts of the shipped YAMLs against the lists of public tensor names and shapes."""

from pathlib import Path

import pytest
import torch

from config.load import load_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.weights import load_weights, recognise

LISTS = Path(__file__).parent / "state_dicts"
NAMES = [
    "capsule_net",
    "f3net",
    "facexray_dfb",
    "ffd",
    "meso4",
    "meso4Inception",
    "recce",
    "resnet34",
    "spsl",
    "srm",
    "ucf",
]


def listed(name: str) -> list[str]:
    return (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_the_public_ones(name: str):
    with torch.device("meta"):
        state = build_detector(load_config(DetectorConfig, name), pretrained=False).state_dict()
    assert sorted(f"{key} {tuple(tensor.shape)}" for key, tensor in state.items()) == sorted(listed(name))
    assert recognise(state) == name


@pytest.mark.parametrize("name", ["core", "fwa"])
def test_detectors_on_xception_have_its_tensors_and_are_taken_for_it(name: str):
    with torch.device("meta"):
        state = build_detector(load_config(DetectorConfig, name), pretrained=False).state_dict()
    assert sorted(f"{key} {tuple(tensor.shape)}" for key, tensor in state.items()) == sorted(listed("xception"))
    assert recognise(state) == "xception"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "facexray_dfb"])  # 380 MB
def test_a_file_of_that_layout_loads_strictly(tmp_path: Path, name: str):
    config = load_config(DetectorConfig, name)
    trained = build_detector(config, pretrained=False).state_dict()
    torch.save({f"module.{key}": tensor for key, tensor in trained.items()}, tmp_path / "best.pth")
    detector = build_detector(config.model_copy(update={"manualSeed": 7}), pretrained=False)
    load_weights(detector, tmp_path / "best.pth")
    assert all(torch.equal(tensor, trained[key]) for key, tensor in detector.state_dict().items())
