"""Xception as a binary classifier: the baseline of FaceForensics++."""

from detectors import DETECTOR
from detectors.base import AbstractDetector


@DETECTOR.register_module(module_name="xception")
class XceptionDetector(AbstractDetector):
    """Xception (Chollet, CVPR 2017) with cross-entropy (Rössler et al., ICCV 2019), as in DeepfakeBench.

    The state dict has the names and shapes of DeepfakeBench's released `xception_best.pth`.
    """
