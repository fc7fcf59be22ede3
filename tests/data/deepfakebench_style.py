"""A detector as one writes it for DeepfakeBench, with a network and a loss of its own: are a face's ridges real?"""

import logging

import torch
import torch.nn as nn
import torch.nn.functional as F
from loss import LOSSFUNC
from loss.abstract_loss_func import AbstractLossClass
from metrics.base_metrics_class import calculate_metrics_for_train
from networks import BACKBONE

from detectors import DETECTOR

from .base_detector import AbstractDetector

logger = logging.getLogger(__name__)


@BACKBONE.register_module(module_name="ridge_net")
class RidgeNet(nn.Module):
    def __init__(self, config):
        super(RidgeNet, self).__init__()
        self.conv = nn.Conv2d(config["inc"], config["width"], 5, stride=4)
        self.bn = nn.BatchNorm2d(config["width"])
        self.last_layer = nn.Linear(config["width"] * 16, config["num_classes"])

    def features(self, x):
        return F.relu(self.bn(self.conv(x)))

    def classifier(self, x):
        x = F.adaptive_avg_pool2d(x, 4)
        return self.last_layer(x.view(x.size(0), -1))


@LOSSFUNC.register_module(module_name="logit_size")
class LogitSizeLoss(AbstractLossClass):
    def forward(self, pred, label):
        return pred.pow(2).mean()


@DETECTOR.register_module(module_name="ridge")
class RidgeDetector(AbstractDetector):
    def __init__(self, config):
        super(RidgeDetector, self).__init__()
        self.config = config
        self.backbone = self.build_backbone(config)
        self.loss_func = self.build_loss(config)

    def build_backbone(self, config):
        logger.info("building %s", config["backbone_name"])
        return BACKBONE[config["backbone_name"]](config["backbone_config"])

    def build_loss(self, config):
        return {part: LOSSFUNC[config["loss_func"][f"{part}_loss"]]() for part in ("cls", "size")}

    def features(self, data_dict: dict) -> torch.Tensor:
        image, width = data_dict["image"], self.config["ridge_width"]
        return self.backbone.features(image - F.avg_pool2d(image, width, stride=1, padding=width // 2))

    def classifier(self, features: torch.Tensor) -> torch.Tensor:
        return self.backbone.classifier(features)

    def get_losses(self, data_dict: dict, pred_dict: dict) -> dict:
        losses = {part: loss(pred_dict["cls"], data_dict["label"]) for part, loss in self.loss_func.items()}
        weights = self.config["loss_func"]["weights"]
        return {"overall": weights[0] * losses["cls"] + weights[1] * losses["size"], **losses}

    def get_train_metrics(self, data_dict: dict, pred_dict: dict) -> dict:
        auc, eer, acc, ap = calculate_metrics_for_train(data_dict["label"].detach(), pred_dict["cls"].detach())
        return {"acc": acc, "auc": auc, "eer": eer, "ap": ap}

    def forward(self, data_dict: dict, inference=False) -> dict:
        features = self.features(data_dict)
        pred = self.classifier(features)
        prob = torch.softmax(pred, dim=1)[:, 1]
        return {"cls": pred, "prob": prob, "feat": features}
