"""RECCE (Cao et al., CVPR 2022): what reconstructs real faces alone does badly on fakes, and shows where they err."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor

from config.base import Probability, Schema
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.backbones.base import LayeredBackbone, layered
from detectors.backbones.xception import ImageNetXception, Xception
from detectors.base import AbstractDetector, DataDict, FitContext, PredDict, fake_probability
from detectors.recce.network import Layers, Recce

MOST = 2**63 - 1  # of a seed
SCALES = ("encoded", "coarse", "fine")


class RecceOptions(Schema):
    """The weights of the losses beside the class's 1, and settings of the network.

    `reconstruction_weight` and `metric_weight` are the paper's two lambdas. `noise` is the standard deviation of what
    is added to the encoded images while training, in units of the normalised image.
    """

    reconstruction_weight: float = Field(0.1, ge=0)
    metric_weight: float = Field(0.1, ge=0)
    noise: float = Field(0.02, ge=0)
    dropout: Probability = 0.2
    layers: Layers = Layers()


@DETECTOR.register_module(module_name="recce")
class RecceDetector(AbstractDetector):
    """RECCE (Cao et al., CVPR 2022): reconstruction of reals and classification by one encoder.

    A decoder reconstructs faces from the middle of Xception; only reals count in its loss, so that it knows nothing
    else. What it finds at two scales is joined to the encoder's map by a graph, and the reconstruction's error guides
    attention behind that. A metric loss draws the reals' means over the encoder's and the decoder's maps together, and
    those of reals and fakes apart (`metric_loss`). While training noise is added to what is encoded, not to what should
    come of it.

    Names and shapes are those of DeepfakeBench's released `recce_best.pth`, which also holds an Xception that is never
    called, `backbone`, and the encoder's ImageNet head: both are kept, frozen, so that the file loads strictly. Where
    names and shapes leave the order of operations open, it is the paper's, and whether that file's scores are
    DeepfakeBench's has not been measured. The paper gives no strength of the noise. Images should be normalised to
    [-1, 1], which the decoder's last layer gives. The paper's figures are of FaceForensics++ at each compression,
    Celeb-DF, WildDeepfake and DFDC, and from FaceForensics++ to the others; DeepfakeBench's are AUCs of frames after
    training on FaceForensics++ c23.

    `pred_dict` has beside the usual `reconstruction` (B, 3, H, W), and while training what the metric loss compares:
    `encoded`, `coarse` and `fine` (B, C). Losses: `overall`, `cls`, `reconstruction` and `metric`.
    """

    Options = RecceOptions
    light = ("options.layers={decode: stage3, reason: stage4, attend: stage4}",)
    options: RecceOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        encoder = self._encoder(config)
        encoder.freeze_classifier()
        self.backbone.requires_grad_(False)
        settings = config.backbone_config
        self.model = Recce(
            encoder,
            self.options.layers,
            config.resolution,
            settings.inc,
            settings.num_classes,
            self.options.dropout,
        )
        self._generator = Generator().manual_seed(config.manualSeed)

    @property
    def initialisation(self) -> str:
        """What the encoder started from."""
        return self.model.encoder.initialisation

    def on_fit_start(self, context: FitContext) -> None:
        """Take over the run's source of random numbers."""
        self._generator = context.generator

    def features(self, data_dict: DataDict) -> Tensor:
        """The feature map (B, C, h, w) that the encoder ends in, without noise."""
        return self.model.features(data_dict["image"], data_dict["image"])[0]

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of a feature map."""
        return self.model.classify(features)

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Scores and reconstructions; while training with noise, and with what the metric loss compares."""
        image = data_dict["image"]
        noisy = image if inference or not self.training else self._disturbed(image)
        features, reconstruction = self.model.features(image, noisy)
        logits = self.classifier(features)
        predictions = {
            "cls": logits,
            "prob": fake_probability(logits),
            "feat": features,
            "reconstruction": reconstruction.images,
        }
        if inference:
            return predictions
        means = (maps.float().mean((2, 3)) for maps in reconstruction.maps)
        return predictions | dict(zip(SCALES, means, strict=True))

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`overall` = `cls` + `reconstruction_weight` * `reconstruction` + `metric_weight` * `metric`."""
        label, options = data_dict["label"], self.options
        cls_loss = self.loss_func(pred_dict["cls"], label)
        reconstruction = reconstruction_loss(pred_dict["reconstruction"], data_dict["image"], label)
        metric = torch.stack([metric_loss(pred_dict[scale], label) for scale in SCALES]).sum()
        overall = cls_loss + options.reconstruction_weight * reconstruction + options.metric_weight * metric
        return {"overall": overall, "cls": cls_loss, "reconstruction": reconstruction, "metric": metric}

    def _encoder(self, config: DetectorConfig) -> LayeredBackbone:
        """Another network like the backbone; an Xception with the head that its public weights have."""
        if not isinstance(self.backbone, Xception):
            return layered(self.build_backbone(config))
        encoder = ImageNetXception(config.backbone_config)
        if config.pretrained:
            encoder.initialise(config.pretrained)
        return encoder

    def _disturbed(self, images: Tensor) -> Tensor:
        """Images with noise, drawn on their device."""
        seed = int(torch.randint(MOST, (), generator=self._generator))
        source = Generator(images.device).manual_seed(seed)
        drawn = torch.randn(images.shape, generator=source, device=images.device, dtype=images.dtype)
        return images + self.options.noise * drawn


def reconstruction_loss(reconstructed: Tensor, images: Tensor, label: Tensor) -> Tensor:
    """The mean absolute difference of real images (B, 3, H, W) and what was made of them; 0 if no label (B,) is 0."""
    differences = (reconstructed.float() - images.float()).abs().mean((1, 2, 3))
    is_real = label == 0
    return (differences * is_real).sum() / is_real.sum().clamp(min=1)


def metric_loss(features: Tensor, label: Tensor) -> Tensor:
    """How much farther pairs of reals are from each other than reals from fakes: 0 or more, at most 2.

    A similarity is (1 + cosine) / 2; 1 less the mean of pairs of two reals plus the mean of pairs of a real and a fake.
    A mean over no pairs is 0.

    Args:
        features: (B, D).
        label: (B,).
    """
    directions = F.normalize(features.float(), dim=1)
    similarity = (1 + directions @ directions.T) / 2
    is_real = label == 0
    mixed = is_real[:, None] ^ is_real[None]
    reals = (is_real[:, None] & is_real[None]).fill_diagonal_(False)
    within, across = ((similarity * pairs).sum() / pairs.sum().clamp(min=1) for pairs in (reals, mixed))
    return (1 - within + across).clamp(min=0)
