"""The defaults of the base class, by numbers worked out by hand, and what building a detector promises."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import DETECTOR, LOSSFUNC, build_detector
from detectors.backbones.base import Backbone
from detectors.base import AbstractDetector, fake_probability
from tests.detectors.plugin import DATA, plugin_config

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "add-a-detector.md"
logit = st.floats(-30, 30, width=32)


def lite(**changes: object) -> DetectorConfig:
    return DetectorConfig(model_name="efficientnet_lite0", backbone_name="efficientnet_lite0", **changes)


@given(st.lists(st.tuples(logit, logit), min_size=1, max_size=5))
def test_probability_is_the_logistic_of_the_logits_difference(logits):
    prob = fake_probability(torch.tensor(logits)).tolist()
    assert prob == pytest.approx([1 / (1 + math.exp(real - fake)) for real, fake in logits], rel=1e-5, abs=1e-12)


def test_probability_of_half_precision_logits_is_float32():
    assert fake_probability(torch.tensor([[0.0, 3.0]], dtype=torch.bfloat16)).dtype == torch.float32


def test_loss_and_accuracy_of_a_batch():
    detector = build_detector(lite())
    predictions = {"cls": torch.tensor([[0.0, 0.0], [math.log(3), 0.0], [0.0, math.log(3)], [1.0, 0.0]])}
    batch = {"label": torch.tensor([1, 0, 1, 1])}
    # -log of 1/2, 3/4, 3/4 and 1/(1+e); the tie of the first goes to class 0, so two of four are right.
    expected = (math.log(2) + 2 * math.log(4 / 3) + math.log(1 + math.e)) / 4
    assert float(detector.get_losses(batch, predictions)["overall"]) == pytest.approx(expected, rel=1e-6)
    assert {key: float(value) for key, value in detector.get_train_metrics(batch, predictions).items()} == {"acc": 0.5}


def test_cross_entropy_is_computed_in_float32():
    loss = LOSSFUNC["cross_entropy"]()(torch.zeros(2, 2, dtype=torch.bfloat16), torch.tensor([0, 1]))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(math.log(2))


def test_binary_cross_entropy_of_soft_targets():
    logits = torch.tensor([0.0, math.log(3)], dtype=torch.bfloat16)
    loss = LOSSFUNC["bce"]()(logits, torch.tensor([1.0, 0.25]))
    assert loss.dtype == torch.float32
    # Probabilities 1/2 and 3/4; bfloat16 keeps 8 bits of log 3.
    expected = (math.log(2) + 0.25 * math.log(4 / 3) + 0.75 * math.log(4)) / 2
    assert float(loss) == pytest.approx(expected, rel=2e-3)


def test_example_batch_has_what_the_configuration_asks_for():
    detector = build_detector(lite(resolution=32, with_mask=True, with_landmark=True))
    batch = detector.example_batch(5, torch.Generator().manual_seed(0))
    assert {key: tuple(value.shape) for key, value in batch.items()} == {
        "image": (5, 3, 32, 32),
        "label": (5,),
        "landmark": (5, 81, 2),
        "mask": (5, 1, 32, 32),
    }
    assert set(batch["label"].tolist()) == {0, 1}
    assert batch["landmark"].min() >= 0
    assert batch["landmark"].max() <= 31


def test_same_seed_same_weights_whatever_ran_before():
    torch.manual_seed(1)
    first = build_detector(lite()).state_dict()
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    second = build_detector(lite()).state_dict()
    assert torch.equal(torch.rand(3), expected), "building moved torch's own generator"
    assert all(torch.equal(first[key], second[key]) for key in first)
    other = build_detector(lite(manualSeed=7)).state_dict()
    assert not torch.equal(first["backbone.last_layer.weight"], other["backbone.last_layer.weight"])


def test_binary_cross_entropy_of_two_logits_and_a_label_is_refused():
    with pytest.raises(InputError, match="classifiers of real and fake take cross_entropy"):
        LOSSFUNC["bce"]()(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_name": "xceptoin"}, "unknown detector 'xceptoin'; did you mean 'xception'?"),
        ({"backbone_name": "efficientnet_b4"}, "unknown backbone 'efficientnet_b4'; did you mean 'efficientnetb4'?"),
        ({"loss_func": "crossentropy"}, "unknown loss 'crossentropy'; did you mean 'cross_entropy'?"),
        ({"loss_func": {"cls_loss": "cross_entropy"}}, "loss_func: efficientnet_lite0 takes the name of one loss"),
        ({"options": {"sigma": 1}}, "options of efficientnet_lite0"),
        ({"backbone_config": {"num_classes": 1}}, "backbone_config.num_classes: expected at least 2"),
        ({"backbone_config": {"dropout": True}}, "backbone_config.dropout: expected a rate"),
        ({"backbone_config": {"mode": "advprop"}}, "unknown backbone_config.mode of .* 'advprop'; valid are: original"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_sentence(change, message):
    config = DetectorConfig(**({"model_name": "efficientnet_lite0", "backbone_name": "efficientnet_lite0"} | change))
    with pytest.raises(InputError, match=message) as error:
        build_detector(config)
    assert "\n" not in str(error.value)


def test_options_are_typed_and_misspelt_ones_refused():
    detector = build_detector(plugin_config(), pretrained=False)
    assert detector.options.kernel_size == 3
    for options, message in [
        ({"kernel_sise": 3}, "did you mean 'kernel_size'"),
        ({"kernel_size": 4}, "options of residual: kernel_size: .*not 4"),
    ]:
        with pytest.raises(InputError, match=message):
            build_detector(plugin_config().model_copy(update={"options": options}))


def test_a_plugins_detector_does_what_its_thirty_lines_say():
    detector = build_detector(plugin_config(), pretrained=False).eval()
    flat = torch.full((2, 3, 64, 64), 0.3)
    textured = flat + torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        on_nothing = detector.backbone.features(torch.zeros_like(flat))
        assert torch.allclose(detector({"image": flat})["feat"], on_nothing, atol=1e-5)
        assert not torch.allclose(detector({"image": textured})["feat"], on_nothing, atol=1e-5)
    assert len((DATA / "plugin_detector.py").read_text(encoding="utf-8").splitlines()) <= 35


def test_the_guide_shows_the_very_files_that_are_tested():
    for name in ("plugin_detector.py", "plugin_detector.yaml"):
        same = (DATA / name).read_text(encoding="utf-8").strip() in GUIDE.read_text(encoding="utf-8")
        assert same, f"docs/add-a-detector.md and {name} differ"


def test_the_guides_check_runs():
    code = GUIDE.read_text(encoding="utf-8").partition("## Check it")[2].split("```python\n")[1].split("```")[0]
    assert "check_detector" in code
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=DATA,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_a_deepfakebench_configuration_builds_its_detector(caplog, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    detector = build_detector(load_config(DetectorConfig, DATA / "dfb_efficientnetb4.yaml"))
    assert type(detector) is DETECTOR["efficientnetb4"]
    assert "no ImageNet weights at training/pretrained/efficientnet-b4-6ed6700e.pth" in caplog.text


@pytest.mark.parametrize("name", DETECTOR.names())
def test_every_detector_ships_a_configuration_and_says_what_it_is(name):
    config = load_config(DetectorConfig, name)
    assert config.model_name == name
    assert issubclass(DETECTOR[name].backbone_class(config.backbone_name), Backbone)
    assert issubclass(DETECTOR[name], AbstractDetector)
    assert DETECTOR[name].__doc__ != AbstractDetector.__doc__
    assert isinstance(DETECTOR[name].version, int)


def test_importing_and_listing_detectors_leaves_torch_alone():
    code = "import sys, detectors; detectors.DETECTOR.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
