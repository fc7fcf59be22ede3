"""Plain classifiers on three mixtures of fakes: the baselines that ProDet (NeurIPS 2024) sets its training against."""

from pydantic import Field
from torch import Tensor, nn

from config.base import Schema
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.base import AbstractDetector, DataDict
from detectors.prodet.attributes import pooled_classifier


class MixtureOptions(Schema):
    """`width`: channels that the feature map is brought to, with ProDet's final classifier behind it; null has neither.

    The paper's toy models have 2, so that features can be drawn as they are.
    """

    width: int | None = Field(None, ge=1)


class Mixture(AbstractDetector):
    """The backbone with its own classifier; or, with a `width`, ProDet's network without heads, map and bridges."""

    Options = MixtureOptions
    options: MixtureOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        width = self.options.width
        if width is not None:
            self.backbone.freeze_classifier()
            self.adjust_feature = nn.Conv2d(self.backbone.channels, width, 1)
            self.final_classifier = pooled_classifier(width, 2)

    def features(self, data_dict: DataDict) -> Tensor:
        """The backbone's feature map, at `width` channels if one is set."""
        features = super().features(data_dict)
        return features if self.options.width is None else self.adjust_feature(features)

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of a feature map."""
        return super().classifier(features) if self.options.width is None else self.final_classifier(features)


@DETECTOR.register_module(module_name="df_only")
class DeepfakesOnly(Mixture):
    """DF-only: real faces and deepfakes."""


@DETECTOR.register_module(module_name="bf_only")
class BlendfakesOnly(Mixture):
    """BF-only: real faces, and fakes that were blended while training, of the face itself and of another's."""


@DETECTOR.register_module(module_name="vht")
class VanillaHybridTraining(Mixture):
    """VHT, vanilla hybrid training: real faces, blended fakes and deepfakes, all fakes one class."""
