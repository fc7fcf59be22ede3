"""Detectors, and the three registries that they are chosen through. Importing this room does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.registry import Registry
from config.schema import DetectorConfig

if TYPE_CHECKING:
    from torch import nn

    from detectors.backbones.base import Backbone
    from detectors.base import AbstractDetector

DETECTOR: Registry[type[AbstractDetector]] = Registry(
    "detector",
    {
        "adfd": "detectors.adfd.detector",
        "bf_only": "detectors.data_mixes",
        "df_only": "detectors.data_mixes",
        "efficientnet_lite0": "detectors.efficientnet_lite0",
        "efficientnetb4": "detectors.efficientnetb4",
        "facexray": "detectors.facexray",
        "fia_usa": "detectors.fia_usa.detector",
        "prodet": "detectors.prodet.detector",
        "realid": "detectors.realid.detector",
        "sbi": "detectors.sbi",
        "vht": "detectors.data_mixes",
        "xception": "detectors.xception",
    },
    group="assay.detectors",
)
BACKBONE: Registry[type[Backbone]] = Registry(
    "backbone",
    {
        "efficientnet_lite0": "detectors.backbones.lite",
        "efficientnetb1": "detectors.backbones.efficientnet",
        "efficientnetb4": "detectors.backbones.efficientnet",
        "efficientnetb4_standard": "detectors.backbones.efficientnet",
        "hrnet": "detectors.backbones.hrnet",
        "resnet101": "detectors.backbones.resnet",
        "resnet50": "detectors.backbones.resnet",
        "vit_b_16": "detectors.backbones.vit",
        "vit_l_32": "detectors.backbones.vit",
        "xception": "detectors.backbones.xception",
    },
    group="assay.backbones",
)
LOSSFUNC: Registry[type[nn.Module]] = Registry(
    "loss", {"bce": "detectors.losses", "cross_entropy": "detectors.losses"}, group="assay.losses"
)


def build_detector(config: DetectorConfig, pretrained: bool = True) -> AbstractDetector:
    """The detector that a configuration describes, on the CPU and in training mode.

    Random weights are drawn from `config.manualSeed`: the same configuration gives the same network whatever ran
    before, and torch's own generator is left as it was.

    Args:
        config: what to build; `model_name` is looked up in `DETECTOR`.
        pretrained: whether to start from the ImageNet file that `config.pretrained` names. False saves reading it when
            trained weights are loaded next.

    Raises:
        InputError: an unknown detector, backbone or loss, or a setting that the detector refuses.
    """
    import torch

    detector_class = DETECTOR[config.model_name]
    if not pretrained:
        config = config.model_copy(update={"pretrained": None})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.manualSeed)
        return detector_class(config)
