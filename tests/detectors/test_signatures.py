"""Public weights are told apart by their tensors: each list fits its own signature alone, however it is spelt."""

import ast
from pathlib import Path

import pytest
import torch

from config.errors import InputError
from config.load import config_names, load_config
from config.schema import DetectorConfig
from detectors import build_detector, weights
from detectors.signatures import SIGNATURES, from_df40, look_alikes
from detectors.weights import load_weights, recognise, resemblance

LISTS = Path(__file__).parent / "state_dicts"
NAMES = sorted(path.stem for path in LISTS.glob("*.txt"))
RELEASED = [
    "capsule",
    "cnnaug",
    "core",
    "effnb4",
    "f3net",
    "ffd",
    "meso4",
    "meso4Incep",
    "recce",
    "spsl",
    "srm",
    "ucf",
    "xception",
]


def listed(name: str) -> dict[str, torch.Tensor]:
    """A state dict without content, of the names and shapes that are listed for a public detector."""
    lines = (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" ", 1) for line in lines)
    return {key: torch.empty(ast.literal_eval(shape), device="meta") for key, shape in pairs}


def as_df40(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.replace("backbone.", "base_model.", 1): tensor for key, tensor in state.items()}


def test_there_is_a_list_for_every_signature_and_a_signature_for_every_released_file():
    assert sorted(entry.names[0] for entry in SIGNATURES) == NAMES
    files = {entry.released.removesuffix("_best.pth") for entry in SIGNATURES if entry.released}
    assert files | {"core"} == set(RELEASED), "core_best.pth has the tensors of xception_best.pth"


@pytest.mark.parametrize("name", NAMES)
def test_a_list_fits_its_own_signature_alone(name: str):
    state = listed(name)
    assert [entry.names[0] for entry in SIGNATURES if entry.fits(state)] == [name]
    counters_lost = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    assert look_alikes(counters_lost)[0] == name
    assert look_alikes(as_df40(state))[0] == name
    assert look_alikes({**state, "more": torch.empty(1)}) == ()


@pytest.mark.parametrize("name", NAMES)
def test_whose_weights_these_are_is_said_also_of_detectors_that_are_not_here(name: str):
    shipped = config_names(DetectorConfig)
    expected = (
        "it is a file of '{}'" if name in shipped else "it looks like a file of '{}', which this version does not have"
    )
    assert resemblance(listed(name)).endswith(expected.format(name))


def test_another_number_of_classes_still_looks_like_its_detector():
    state = listed("xception") | {"backbone.last_linear.weight": torch.empty(5, 2048, device="meta")}
    assert recognise(state) is None
    assert resemblance(state) == "it looks like a file of 'xception'"


@pytest.mark.parametrize("name", ["efficientnetb4", "xception"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "state_dict"])
def test_df40s_files_load_into_the_detectors_they_are_of(tmp_path: Path, name: str, wrapped: bool):
    config = load_config(DetectorConfig, name, ["pretrained=null"])
    trained = build_detector(config).state_dict()
    renamed = {f"module.{key}": tensor for key, tensor in as_df40(trained).items()}
    torch.save({"state_dict": renamed} if wrapped else renamed, tmp_path / "df40.pth")
    detector = build_detector(config.model_copy(update={"manualSeed": 7}))
    load_weights(detector, tmp_path / "df40.pth")
    assert all(torch.equal(tensor, trained[key]) for key, tensor in detector.state_dict().items())
    assert recognise(as_df40(trained)) == name


def test_df40s_prefixes_are_whole_names():
    state = {"base_model.a": 1, "classifier.b": 2, "blend_classifier.2.weight": 3, "classifier": 4, "backbone.c": 5}
    assert set(from_df40(state)) == {"backbone.a", "head.b", "blend_classifier.2.weight", "head", "backbone.c"}


def test_a_mismatch_names_a_detector_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    others = [name for name in config_names(DetectorConfig) if name != "meso4"]
    monkeypatch.setattr(weights, "config_names", lambda schema: others)
    state = {key: torch.zeros(tensor.shape) for key, tensor in listed("meso4").items()}
    torch.save({f"module.{key}": tensor for key, tensor in state.items()}, tmp_path / "meso4_best.pth")
    detector = build_detector(load_config(DetectorConfig, "efficientnet_lite0"), pretrained=False)
    with pytest.raises(InputError, match="it looks like a file of 'meso4', which this version does not have"):
        load_weights(detector, tmp_path / "meso4_best.pth")
