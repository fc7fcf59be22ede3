"""Names of losses and backbones mean what they mean in DeepfakeBench."""

import pytest
import torch

from benchmark.deepfakebench.metrics import calculate_metrics_for_train
from benchmark.deepfakebench.registries import BACKBONE, LOSSFUNC
from config.errors import InputError
from detectors.backbones.lite import EfficientNetLite0
from tests.benchmark.deepfakebench.conftest import forgetting


def test_a_backbone_of_the_project_takes_a_dict():
    backbone = BACKBONE["efficientnet_lite0"]({"num_classes": 5, "inc": 3, "dropout": False, "mode": "original"})
    assert isinstance(backbone, EfficientNetLite0)
    assert backbone.eval().classifier(backbone.features(torch.zeros(1, 3, 32, 32))).shape == (1, 5)
    with pytest.raises(InputError, match="unknown key in backbone_config of efficientnet_lite0: 'num_class'; did you"):
        BACKBONE["efficientnet_lite0"]({"num_class": 5})


def test_bce_is_of_probabilities_there_also_under_autocast():
    probability, target = torch.tensor([0.8, 0.3]), torch.tensor([1, 0])
    expected = -(torch.tensor([0.8, 0.7]).log()).mean().item()
    with torch.autocast("cpu", torch.bfloat16):
        assert LOSSFUNC["bce"]()(probability, target).item() == pytest.approx(expected)
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.5]])
    expected = torch.stack([(1 + torch.tensor(-3.0).exp()).log(), torch.tensor(2.0).log()]).mean().item()
    assert LOSSFUNC["cross_entropy"]()(logits, torch.tensor([0, 0])).item() == pytest.approx(expected)


def test_a_name_is_registered_once_and_by_default_the_classs():
    class Mine:
        pass

    with forgetting():
        assert LOSSFUNC.register_module()(Mine) is Mine
        assert LOSSFUNC["Mine"] is Mine
        for taken in ("Mine", "cross_entropy"):
            with pytest.raises(InputError, match=f"loss '{taken}' of .* is already registered by .*:"):
                LOSSFUNC.register_module(module_name=taken)(Mine)
        with pytest.raises(InputError, match="unknown loss 'Mina'; did you mean 'Mine'"):
            LOSSFUNC["Mina"]


def test_training_metrics_are_in_deepfakebenchs_order():
    label = torch.tensor([0, 0, 1, 1])
    logits = torch.tensor([[0.0, -2.0], [0.0, 1.0], [0.0, 0.5], [0.0, 3.0]])
    auc, eer, acc, ap = calculate_metrics_for_train(label, logits)
    assert (auc, acc, ap) == (0.75, 0.75, pytest.approx((1 + 2 / 3) / 2))
    assert eer == pytest.approx(0.5)
    alone = calculate_metrics_for_train(label, logits.softmax(1)[:, 1:])
    several = calculate_metrics_for_train(label * 3, torch.cat([logits, torch.full((4, 1), -1e9)], 1))
    assert alone == several == (auc, eer, acc, ap)
    assert calculate_metrics_for_train(label[2:], logits[2:]) == (None, None, 1.0, None)
