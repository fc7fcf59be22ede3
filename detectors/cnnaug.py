"""CNN-Aug (Wang et al., CVPR 2020): a plain ResNet whose training images are blurred and compressed."""

from detectors import DETECTOR
from detectors.base import AbstractDetector


@DETECTOR.register_module(module_name="resnet34")
class CNNAug(AbstractDetector):
    """CNN-Aug (Wang et al., CVPR 2020): ResNet-34 with cross-entropy, under the paper's blur and JPEG augmentation.

    The method is its augmentation, half of the time each: a Gaussian blur with a standard deviation of up to 3 pixels,
    and JPEG of quality 30 to 100 (here by OpenCV alone, in the paper by OpenCV or Pillow). The variants `blur_jpeg_01`
    and `dfb` have the paper's rarer one and DeepfakeBench's own, which it gives most detectors alike; its YAML has
    nothing of the paper's. The paper trains ResNet-50 on images of ProGAN, in crops of 224 pixels (`backbone_name=
    resnet50`).

    The state dict has the names and shapes of DeepfakeBench's released `cnnaug_best.pth`. Published figures: the
    paper's are average precisions on whole images of eleven generators; DeepfakeBench's are frame AUCs of faces after
    training on FaceForensics++ c23.
    """
