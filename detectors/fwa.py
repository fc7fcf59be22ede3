"""FWA (Li and Lyu, CVPR workshops 2019): a classifier that has seen no deepfake, only faces that lost resolution."""

from detectors import DETECTOR
from detectors.base import AbstractDetector


@DETECTOR.register_module(module_name="fwa")
class FWA(AbstractDetector):
    """Face warping artefacts (Li and Lyu, CVPR workshops 2019): Xception on real faces and fakes made of them.

    A deepfake's face is made at one size and warped to another, and what that leaves can be had without a deepfake: the
    method is its data, the batch recipe `real_with_pseudofake` with the pseudofake `fwa`. The paper compares VGG16 and
    ResNets, of which ResNet-50 did best (`backbone_name=resnet50`); DeepfakeBench takes Xception.

    The state dict has Xception's names and shapes, as DeepfakeBench's, which has released no weights. Published
    figures: the paper's are AUCs on UADFV and DeepfakeTIMIT, of ResNet-50 trained on photographs off the web;
    DeepfakeBench's are of fakes made of FaceForensics++ c23.
    """
