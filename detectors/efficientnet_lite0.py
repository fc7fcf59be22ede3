"""EfficientNet-Lite0 as a binary classifier: the baseline for a CPU."""

from detectors import DETECTOR
from detectors.base import AbstractDetector


@DETECTOR.register_module(module_name="efficientnet_lite0")
class EfficientNetLite0Detector(AbstractDetector):
    """EfficientNet-Lite0 with cross-entropy; not one of DeepfakeBench's detectors, and in no paper's table."""
