"""EfficientNet-B4 on three mixtures of fakes: the baselines that ProDet (NeurIPS 2024) sets its training against."""

from detectors import DETECTOR
from detectors.base import AbstractDetector


@DETECTOR.register_module(module_name="df_only")
class DeepfakesOnly(AbstractDetector):
    """DF-only: real faces and deepfakes."""


@DETECTOR.register_module(module_name="bf_only")
class BlendfakesOnly(AbstractDetector):
    """BF-only: real faces, and fakes that were blended while training, of the face itself and of another's."""


@DETECTOR.register_module(module_name="vht")
class VanillaHybridTraining(AbstractDetector):
    """VHT, vanilla hybrid training: real faces, blended fakes and deepfakes, all fakes one class."""
