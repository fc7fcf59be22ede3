"""SPSL (Liu et al., CVPR 2021): an image beside what its phase spectrum keeps of it."""

import torch
from torch import Tensor

from config.base import Schema
from config.errors import InputError
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.base import AbstractDetector, DataDict
from detectors.frequency import phase_image

CHANNELS = 4


class SPSLOptions(Schema):
    """The method's own settings.

    With `standardise` the phase's image has a root mean square of 1, as the colours about have; without, 1 / side.
    """

    standardise: bool = False


@DETECTOR.register_module(module_name="spsl")
class SPSL(AbstractDetector):
    """Spatial-Phase Shallow Learning (Liu et al., CVPR 2021): colours, and as a fourth channel the phase's image.

    Upsampling, which most forgeries pass, shows in the phase spectrum more than in the amplitudes. The grey image's
    Fourier transform is undone with all amplitudes set to 1 (`detectors.frequency.phase_image`), and a network
    classifies the four channels.

    As in DeepfakeBench the network is the whole of Xception, and names and shapes are those of its released
    `spsl_best.pth`; the paper takes blocks out of it, so that it sees textures rather than shapes, which is the
    "shallow" of its name. The formula leaves the phase's image with values about 1 / side in size, a hundred times
    smaller than the colours', and so has the public code; `standardise` changes that.

    The paper's figures and DeepfakeBench's are of training on FaceForensics++ c23; DeepfakeBench's are AUCs of frames.
    """

    Options = SPSLOptions
    options: SPSLOptions

    def __init__(self, config: DetectorConfig) -> None:
        if config.backbone_config.inc != CHANNELS:
            raise InputError(
                f"backbone_config.inc: {config.model_name} puts the phase beside three colours, so expected "
                f"{CHANNELS}, not {config.backbone_config.inc}"
            )
        super().__init__(config)

    def features(self, data_dict: DataDict) -> Tensor:
        """The backbone's feature map (B, C, h, w) of `image` and its phase's image."""
        image = data_dict["image"]
        phase = phase_image(image)
        if self.options.standardise:
            phase = phase * (image.shape[-2] * image.shape[-1]) ** 0.5
        return self.backbone.features(torch.cat([image, phase.to(image.dtype)], 1))
