"""Detector files of DeepfakeBench become detectors of this project: built, batched, trained and scored as any."""

import copy
from pathlib import Path

import pytest
import torch

from benchmark.plugins import load_plugin
from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import DETECTOR, build_detector
from detectors.base import FitContext
from detectors.conformance import check_detector
from tests.benchmark.deepfakebench.conftest import forgetting

DATA = Path(__file__).resolve().parents[2] / "data"
STYLE = DATA / "deepfakebench_style.py"
GUIDE = DATA.parents[1] / "docs" / "move-from-deepfakebench.md"

FROM_A_FILE = """
import torch
from detectors import DETECTOR
from networks import BACKBONE
from loss import LOSSFUNC
from .base_detector import AbstractDetector

@DETECTOR.register_module(module_name="from_a_file")
class FromAFile(AbstractDetector):
    def __init__(self, config):
        super().__init__()
        self.config = dict(config)
        self.backbone = self.build_backbone(config)
        self.loss_func = LOSSFUNC[config["loss_func"]]()

    def build_backbone(self, config):
        backbone = BACKBONE[config["backbone_name"]](config["backbone_config"])
        backbone.load_state_dict(torch.load(config["pretrained"]), False)
        return backbone
"""

FLAT = """
import torch
from torch import nn
from detectors import DETECTOR
from metrics.base_metrics_class import calculate_metrics_for_train

@DETECTOR.register_module()
class Flat(nn.Module):
    def __init__(self, config=None):
        super(Flat, self).__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4 * 14 * 14, 2)
        self.seen, self.correct = [], 0

    def get_losses(self, data_dict, pred_dict):
        self.seen.append(data_dict)
        return {"overall": self.fc(pred_dict["feat"]).mean(), "nothing": 0.0}

    def get_train_metrics(self, data_dict, pred_dict):
        auc, eer, acc, ap = calculate_metrics_for_train(data_dict["label"], pred_dict["cls"])
        return {"acc": acc, "auc": auc, "eer": eer, "ap": ap}

    def forward(self, data_dict, inference=False):
        feat = self.conv(data_dict["image"])
        feat = feat.view(feat.size(0), -1)
        cls = self.fc(feat)
        self.seen.append(data_dict)
        self.correct += (cls.argmax(1) == data_dict["label"]).sum().item()
        return {"cls": cls, "prob": torch.softmax(cls, 1)[:, 1:], "feat": feat}
"""


def config_of(name: str, **settings: object) -> DetectorConfig:
    return DetectorConfig(**{"model_name": name, "backbone_name": "efficientnet_lite0", "resolution": 32} | settings)


def test_a_file_in_the_style_passes_every_check_of_a_detector():
    with forgetting():
        load_plugin(STYLE)
        config = load_config(DetectorConfig, STYLE.with_suffix(".yaml"), ["resolution=64"])
        check_detector(config)
        detector = build_detector(config)
        batch = detector.example_batch(4, torch.Generator().manual_seed(0))
        assert set(detector.get_train_metrics(batch, detector(batch))) == {"acc", "auc", "eer", "ap"}
        losses = detector.get_losses(batch, detector(batch))
        assert losses["overall"].item() == pytest.approx((losses["cls"] + 0.01 * losses["size"]).item())
    assert "ridge" not in DETECTOR.names()


def test_tensors_keep_the_names_and_the_class_its_place_and_the_hash_of_the_file_is_the_version(load):
    load(FLAT)
    detector = build_detector(config_of("Flat"))
    assert [name for name, _ in detector.named_parameters()] == ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]
    assert DETECTOR.origin("Flat").endswith("mine.py:7")
    assert DETECTOR.about("Flat") == ""
    version = type(detector).version
    DETECTOR._entries.pop("Flat")
    load(FLAT + "\n# changed\n")
    assert DETECTOR["Flat"].version != version


def test_batches_have_deepfakebenchs_keys_and_maps_can_be_flattened(load):
    load(FLAT)
    detector = build_detector(config_of("Flat")).to(device="cpu", memory_format=torch.channels_last)
    image = torch.rand(2, 3, 16, 16).to(memory_format=torch.channels_last)
    mask = torch.rand(2, 1, 16, 8)
    predictions = detector({"image": image, "label": torch.tensor([0, 1]), "mask": mask})
    assert predictions["prob"].shape == (2,)
    given = detector.seen[0]
    assert torch.equal(given["mask"], mask[:, 0, :, :, None])
    assert given["landmark"] is None
    assert torch.equal(given["image"], image)
    losses = detector.get_losses({"image": image, "label": torch.tensor([0, 1]), "mask": mask}, predictions)
    assert losses["nothing"] == 0
    assert detector.seen[-1]["mask"].shape == (2, 16, 8, 1)
    detector({"image": image}, inference=True)
    assert detector.seen[-1]["mask"] is None
    assert detector.seen[-1]["label"].shape == (2,)


def test_a_metric_that_a_batch_of_one_class_has_not_is_nan_and_the_loops_attributes_are_set(load):
    load(FLAT)
    detector = build_detector(config_of("Flat"))
    batch = {"image": torch.rand(2, 3, 16, 16), "label": torch.tensor([1, 1])}
    metrics = detector.get_train_metrics(batch, detector(batch))
    assert [name for name, value in metrics.items() if value.isnan()] == ["auc", "eer", "ap"]
    detector.on_fit_start(FitContext(torch.device("cpu"), 1, lambda epoch=0: [], torch.Generator()))
    detector.on_epoch_start(3)
    assert (detector.device.type, detector.epoch) == ("cpu", 3)


def test_a_file_reads_its_imagenet_file_itself_also_when_other_weights_follow(load, tmp_path: Path):
    load(FROM_A_FILE)
    start = tmp_path / "start.pth"
    weight = torch.full((32, 3, 3, 3), 0.25)
    shipped = build_detector(config_of("efficientnet_lite0")).backbone
    name = next(name for name, parameter in shipped.named_parameters() if parameter.shape == weight.shape)
    torch.save({name: weight}, start)
    config = config_of("from_a_file", pretrained=str(start), options={"own": 1})
    for pretrained in (True, False):
        detector = build_detector(config, pretrained=pretrained)
        assert torch.equal(detector.backbone.get_parameter(name), weight)
    assert detector.initialisation.startswith("as mine.py does, given start.pth, sha256 ")
    assert detector.imagenet_file(config) == start
    other = copy.deepcopy(detector)
    assert (other.config["own"], other.config.resolution) == (1, 32)  # to the file a dict, to the project typed
    start.unlink()
    with pytest.raises(InputError, match=r"mine.py: 'from_a_file' reads .*start\.pth, which is not there \(as in"):
        build_detector(config, pretrained=False)


def test_a_name_of_the_projects_own_is_not_taken(load):
    with pytest.raises(InputError, match=r"detector 'xception' of .* is already registered by .*plain"):
        load(FLAT.replace("register_module()", 'register_module(module_name="xception")'))


def test_the_guide_shows_the_very_files_that_are_tested():
    for path in (STYLE, STYLE.with_suffix(".yaml")):
        assert path.read_text(encoding="utf-8").strip() in GUIDE.read_text(encoding="utf-8"), f"not {path.name}"
