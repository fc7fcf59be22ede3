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
        "capsule_net": "detectors.capsule_net",
        "core": "detectors.core",
        "df_only": "detectors.data_mixes",
        "efficientnet_lite0": "detectors.plain",
        "efficientnetb1": "detectors.plain",
        "efficientnetb4": "detectors.plain",
        "f3net": "detectors.f3net",
        "facexray": "detectors.facexray",
        "facexray_dfb": "detectors.facexray",
        "ffd": "detectors.ffd",
        "fia_usa": "detectors.fia_usa.detector",
        "fwa": "detectors.fwa",
        "meso4": "detectors.meso",
        "meso4Inception": "detectors.meso",
        "prodet": "detectors.prodet.detector",
        "realid": "detectors.realid.detector",
        "recce": "detectors.recce.detector",
        "resnet101": "detectors.plain",
        "resnet34": "detectors.cnnaug",
        "resnet50": "detectors.plain",
        "sbi": "detectors.sbi",
        "spsl": "detectors.spsl",
        "srm": "detectors.srm",
        "ucf": "detectors.ucf",
        "vht": "detectors.data_mixes",
        "vit_b_16": "detectors.plain",
        "vit_l_32": "detectors.plain",
        "xception": "detectors.plain",
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
        "meso4": "detectors.backbones.meso",
        "meso4Inception": "detectors.backbones.meso",
        "resnet101": "detectors.backbones.resnet",
        "resnet34": "detectors.backbones.resnet",
        "resnet50": "detectors.backbones.resnet",
        "vit_b_16": "detectors.backbones.vit",
        "vit_l_32": "detectors.backbones.vit",
        "xception": "detectors.backbones.xception",
    },
    group="assay.backbones",
)
LOSSFUNC: Registry[type[nn.Module]] = Registry(
    "loss",
    {
        "bce": "detectors.losses",
        "consistency_loss": "detectors.losses",
        "contrastive_regularization": "detectors.losses",
        "cross_entropy": "detectors.losses",
        "l1loss": "detectors.losses",
    },
    group="assay.losses",
)


def build_detector(config: DetectorConfig, pretrained: bool = True) -> AbstractDetector:
    """The detector that a configuration describes, on the CPU and in training mode.

    Random weights are drawn from `config.manualSeed`: the same configuration gives the same network whatever ran
    before, and torch's own generator is left as it was.

    Args:
        config: what to build; `model_name` is looked up in `DETECTOR`.
        pretrained: whether to start from the ImageNet file that `config.pretrained` names. False saves reading it when
            trained weights are loaded next; a detector that `needs_pretrained` reads it all the same.

    Raises:
        InputError: an unknown detector, backbone or loss, or a setting that the detector refuses.
    """
    import torch

    detector_class = DETECTOR[config.model_name]
    if not pretrained and not detector_class.needs_pretrained:
        config = config.model_copy(update={"pretrained": None})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.manualSeed)
        return detector_class(config)
