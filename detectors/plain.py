"""Plain classifiers: a backbone with its own head, under cross-entropy. What differs between them is in their YAML."""

from detectors import DETECTOR
from detectors.base import AbstractDetector


@DETECTOR.register_module(module_name="xception")
class XceptionDetector(AbstractDetector):
    """Xception (Chollet, CVPR 2017) with cross-entropy (Rössler et al., ICCV 2019), as in DeepfakeBench.

    The state dict has the names and shapes of DeepfakeBench's released `xception_best.pth`. Published figures:
    DeepfakeBench's are frame AUCs after training on FaceForensics++ c23; Rössler et al.'s are accuracies within it.
    """


@DETECTOR.register_module(module_name="efficientnetb4")
class EfficientNetB4Detector(AbstractDetector):
    """EfficientNet-B4 (Tan and Le, ICML 2019) with cross-entropy, as in DeepfakeBench.

    The state dict has the names and shapes of DeepfakeBench's released `effnb4_best.pth`. Published figures:
    DeepfakeBench's are frame AUCs after training on FaceForensics++ c23.
    """


@DETECTOR.register_module(module_name="efficientnet_lite0")
class EfficientNetLite0Detector(AbstractDetector):
    """EfficientNet-Lite0 with cross-entropy; not one of DeepfakeBench's detectors, and in no paper's table."""


@DETECTOR.register_module(module_name="efficientnetb1")
class EfficientNetB1Detector(AbstractDetector):
    """EfficientNet-B1 (Tan and Le, ICML 2019) with cross-entropy; not one of DeepfakeBench's detectors."""


@DETECTOR.register_module(module_name="resnet50")
class ResNet50Detector(AbstractDetector):
    """ResNet-50 (He et al., CVPR 2016) with cross-entropy; not one of DeepfakeBench's detectors."""


@DETECTOR.register_module(module_name="resnet101")
class ResNet101Detector(AbstractDetector):
    """ResNet-101 (He et al., CVPR 2016) with cross-entropy; not one of DeepfakeBench's detectors."""


@DETECTOR.register_module(module_name="vit_b_16")
class ViTB16Detector(AbstractDetector):
    """ViT-B/16 (Dosovitskiy et al., ICLR 2021) with cross-entropy; not one of DeepfakeBench's detectors."""


@DETECTOR.register_module(module_name="vit_l_32")
class ViTL32Detector(AbstractDetector):
    """ViT-L/32 (Dosovitskiy et al., ICLR 2021) with cross-entropy; not one of DeepfakeBench's detectors."""
