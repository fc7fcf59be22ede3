"""SBI: a classifier that has seen no deepfake, only faces blended into themselves."""

from detectors import DETECTOR
from detectors.base import AbstractDetector


@DETECTOR.register_module(module_name="sbi")
class SBI(AbstractDetector):
    """Self-blended images (Shiohara and Yamasaki, CVPR 2022): EfficientNet-B4 on real faces and fakes made of them.

    The method is its data (batch recipe `real_with_pseudofake`, pseudofake `sbi`) and SAM. ADFD's baseline.
    """
