"""EfficientNet-B4 as a binary classifier: the baseline of most tables."""

from detectors import DETECTOR
from detectors.base import AbstractDetector


@DETECTOR.register_module(module_name="efficientnetb4")
class EfficientNetB4Detector(AbstractDetector):
    """EfficientNet-B4 (Tan and Le, ICML 2019) with cross-entropy, as in DeepfakeBench.

    The state dict has the names and shapes of DeepfakeBench's released `effnb4_best.pth`.
    """
