"""MesoNet (Afchar et al., WIFS 2018): two networks of a few layers, for the mesoscopic properties of a face."""

from detectors import DETECTOR
from detectors.base import AbstractDetector

# From random weights 180 steps teach these networks nothing: so four times as many, of smaller batches, at the paper's
# first rate, and without dropout.
QUICK = (
    "pretrained=null",
    "resolution=256",
    "backbone_config.dropout=false",
    "train_batchSize=8",
    "optimizer.adam.lr=0.001",
)


@DETECTOR.register_module(module_name="meso4")
class Meso4Detector(AbstractDetector):
    """Meso-4 (Afchar et al., WIFS 2018) with cross-entropy, as in DeepfakeBench.

    The paper has one sigmoid under the squared error; DeepfakeBench two logits. The state dict has the names and shapes
    of its released `meso4_best.pth`, whose network shares two batch norms among four convolutions.

    Published figures: the paper's are accuracies on the authors' own Deepfake set and on FaceForensics' Face2Face;
    DeepfakeBench's are frame AUCs after training on FaceForensics++ c23.
    """

    light = ("backbone_name=meso4", *QUICK)


@DETECTOR.register_module(module_name="meso4Inception")
class MesoInception4Detector(AbstractDetector):
    """MesoInception-4 (Afchar et al., WIFS 2018) with cross-entropy, as in DeepfakeBench.

    As for `meso4`; the released file is `meso4Incep_best.pth`, and its inception modules have no ReLU.
    """

    light = ("backbone_name=meso4Inception", *QUICK)
