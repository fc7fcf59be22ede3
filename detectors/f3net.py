"""F3-Net (Qian et al., ECCV 2020): a face as the images of its frequency bands, whose filters are learnt."""

from torch import Tensor

from config.errors import InputError
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.base import AbstractDetector, DataDict
from detectors.frequency import FrequencyBands

CHANNELS = 12


@DETECTOR.register_module(module_name="f3net")
class F3Net(AbstractDetector):
    """F3-Net (Qian et al., ECCV 2020) with its first branch, frequency-aware image decomposition (FAD).

    The DCT of the whole image passes four filters, of a low, a middle and a high band and of all frequencies, to each
    of which weights of all coefficients are learnt (`detectors.frequency.FrequencyBands`); a network classifies their
    images side by side, 12 channels. The filters belong to one resolution.

    As in DeepfakeBench the paper's second branch, local frequency statistics, and the attention between both are left
    out: names and shapes are those of its released `f3net_best.pth`, which has tensors of the first alone. That file
    brings its own bands and basis; here the bands do not overlap, where the public code has the diagonals between them
    in both.

    The paper's figures are of FaceForensics++ at each compression, trained and tested on the same, with both branches;
    DeepfakeBench's are AUCs of frames after training on FaceForensics++ c23, with the first.
    """

    def __init__(self, config: DetectorConfig) -> None:
        if config.backbone_config.inc != CHANNELS:
            raise InputError(
                f"backbone_config.inc: {config.model_name} makes four images of three colours, so expected {CHANNELS}, "
                f"not {config.backbone_config.inc}"
            )
        super().__init__(config)
        self.FAD_head = FrequencyBands(config.resolution)

    def features(self, data_dict: DataDict) -> Tensor:
        """The backbone's feature map (B, C, h, w) of the images of the four bands."""
        return self.backbone.features(self.FAD_head(data_dict["image"]))
