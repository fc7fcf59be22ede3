"""UCF (Yan et al., ICCV 2023): a face taken apart into content, the trace of its method, and what all fakes share."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from config.base import Schema
from config.errors import InputError
from config.load import validate
from config.schema import DetectorConfig
from detectors import DETECTOR, LOSSFUNC
from detectors.base import AbstractDetector, DataDict, FitContext, PredDict, fake_probability

PAIRS = "pair"
HIDDEN = 512


class UCFOptions(Schema):
    """The method's own settings.

    `methods` is how many forgery methods the specific head tells apart, beside real. `specific_weight`,
    `reconstruction_weight` and `contrast_weight` stand before these losses, beside the common class's 1, and `margin`
    is the contrastive loss's: the paper's lambdas and alpha. `width` is the number of channels of either part of the
    fingerprint, and of the decoder's first maps.
    """

    methods: int = Field(4, ge=1)
    specific_weight: float = Field(0.1, ge=0)
    reconstruction_weight: float = Field(0.3, ge=0)
    contrast_weight: float = Field(0.05, ge=0)
    margin: float = Field(3.0, ge=0)
    width: int = Field(256, ge=4, multiple_of=4)


class UCFLosses(Schema):
    """`loss_func`: names of the losses, under DeepfakeBench's keys."""

    cls_loss: str = "cross_entropy"
    spe_loss: str = "cross_entropy"
    rec_loss: str = "l1loss"
    con_loss: str = "contrastive_regularization"


class Part(nn.Module):
    """One part of a fingerprint: three 1x1 convolutions of its map.

    Args:
        channels: of the fingerprint.
        width: of the part.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv2d = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.LeakyReLU(),
            nn.Conv2d(width, width, 1),
            nn.LeakyReLU(),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, fingerprint: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, width, h, w)."""
        return self.conv2d(fingerprint)


class Head(nn.Module):
    """A classifier of a part of the fingerprint: its mean over space, and a hidden layer.

    Args:
        width: of the part.
        classes: how many are told apart.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, classes))

    def forward(self, part: Tensor) -> Tensor:
        """(B, width, h, w) to logits (B, classes)."""
        return self.mlp(part.mean((2, 3)))


class ConditionalDecoder(nn.Module):
    """Makes an image of content under the condition of a fingerprint.

    Three times the content's channels are given the mean and deviation of the fingerprint's (adaptive instance norm),
    and the content's map is enlarged by two and passed through two convolutions; the fingerprint goes the same way, so
    that it has the same channels at each size.

    Args:
        channels: of content and fingerprint.
        width: of the first map, halved twice.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.dconv_up3 = _two_convolutions(channels, width)
        self.dconv_up2 = _two_convolutions(width, width // 2)
        self.dconv_up1 = _two_convolutions(width // 2, width // 4)
        self.conv_last = nn.Conv2d(width // 4, 3, 1)

    def forward(self, content: Tensor, fingerprint: Tensor, size: torch.Size) -> Tensor:
        """Images of n fingerprints with as many contents or, one batch after the other, a multiple of these.

        Args:
            content: (k B, channels, h, w), of which the i-th is under the condition of fingerprint i modulo B.
            fingerprint: (B, channels, h, w).
            size: height and width of the images.

        Returns:
            (k B, 3, H, W), in the units of normalised images.
        """
        times = len(content) // len(fingerprint)
        for convolutions in (self.dconv_up3, self.dconv_up2, self.dconv_up1):
            conditioned = adaptive_instance_norm(content, fingerprint.repeat(times, 1, 1, 1))
            content, fingerprint = (convolutions(_enlarged(each)) for each in (conditioned, fingerprint))
        return F.interpolate(self.conv_last(content).float(), size, mode="bilinear")


def _two_convolutions(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
    )


def _enlarged(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2, mode="bilinear")


def adaptive_instance_norm(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    """Content whose channels have the style's mean and deviation over space (Huang and Belongie, ICCV 2017).

    Args:
        content: (B, C, h, w).
        style: (B, C, h', w').
        eps: added to variances.

    Returns:
        (B, C, h, w) float32.
    """
    (mean, deviation), (new_mean, new_deviation) = (_statistics(each.float(), eps) for each in (content, style))
    return (content - mean) / deviation * new_deviation + new_mean


def _statistics(maps: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    variance, mean = torch.var_mean(maps, (2, 3), correction=0, keepdim=True)
    return mean, (variance + eps).sqrt()


@DETECTOR.register_module(module_name="ucf")
class UCF(AbstractDetector):
    """UCF (Yan et al., ICCV 2023), for which a face's class is judged by what the fakes of all methods share.

    One network finds a face's content, another one like it the fingerprint of its forgery. The fingerprint has a part
    that is specific to the method, by which a head tells the methods apart, and a common part, by which another one
    tells fakes from reals. A decoder makes each image again of its content under its own fingerprint and under that of
    its partner, of the other class. For either part a contrastive loss has features of a class nearer to each other
    than to those of others. Inference has the fingerprint's network and its common part alone.

    Batches come of the recipe `pair`: reals, then as many fakes, and `label_spe`, the numbers of their methods.

    Names and shapes of the weights are those of the released `ucf_best.pth`; activations, which names do not tell,
    follow public code, and the file itself has not been tried. Methods have the numbers that they have there. From
    DeepfakeBench's code this differs in that inference returns `prob`, that the loss of an anchor is the mean over all
    its pairs of a positive and a negative, of which the code draws one, that nothing is dropped out at random, and that
    the decoder ends in no tanh, so that it reaches images of any normalisation. The loss of a reconstruction is the
    mean over all images of a batch. The paper's figures are frame AUCs from FaceForensics++ c23 to Celeb-DF, DFD and
    DFDC; DeepfakeBench's are frame AUCs of a training on FaceForensics++ c23, the mean of the three best results on
    each test set.

    `pred_dict` has beside the usual, while training: `cls_spe` (B, 1 + methods), logits of real and the methods;
    `feat_spe`, the specific part (B, width, h, w), as `feat` is the common one; `reconstructions` (2 B, 3, H, W), of
    the images by their own and then by their partners' fingerprints.
    Losses: `overall`, the weighed sum of `common`, `specific`, `reconstruction` (own and partner's) and `contrast`.
    """

    Options = UCFOptions
    light = ("options.width=64",)
    options: UCFOptions
    loss_func: nn.ModuleDict

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        if config.dataset_type != PAIRS:
            raise InputError(
                f"dataset_type: {config.model_name} learns from '{PAIRS}', not from '{config.dataset_type}'"
            )
        options = self.options
        fingerprints = self.backbone
        # The public name. As `backbone` it is known beside, but not among the modules, which would have it twice.
        del self.backbone
        self.encoder_f = self.__dict__["backbone"] = fingerprints
        self.encoder_c = self.build_backbone(config)
        for encoder in (self.encoder_f, self.encoder_c):
            encoder.freeze_classifier()
        channels = self.encoder_f.channels
        self.con_gan = ConditionalDecoder(channels, options.width)
        self.head_spe = Head(options.width, 1 + options.methods)
        self.head_sha = Head(options.width, 2)
        self.block_spe = Part(channels, options.width)
        self.block_sha = Part(channels, options.width)

    def build_loss(self, config: DetectorConfig) -> nn.ModuleDict:
        """The losses `common`, `specific`, `reconstruction` and `contrast`; one name is that of both classes'."""
        single = config.loss_func
        given = {"cls_loss": single, "spe_loss": single} if isinstance(single, str) else single
        names = validate(UCFLosses, given, f"loss_func of {config.model_name}")
        return nn.ModuleDict(
            {
                "common": LOSSFUNC[names.cls_loss](),
                "specific": LOSSFUNC[names.spe_loss](),
                "reconstruction": LOSSFUNC[names.rec_loss](),
                "contrast": LOSSFUNC[names.con_loss](margin=self.options.margin),
            }
        )

    def on_fit_start(self, context: FitContext) -> None:
        """Check that there is a class for each method.

        Raises:
            InputError: there are more methods.
        """
        count = len(context.methods)
        if count > self.options.methods:
            named = ", ".join(context.methods)
            raise InputError(
                f"options.methods: expected {count}, as many as the faces to train on have ({named}), not "
                f"{self.options.methods}"
            )

    def features(self, data_dict: DataDict) -> Tensor:
        """The common part (B, width, h, w) of the fingerprint."""
        return self.block_sha(self.encoder_f.features(data_dict["image"]))

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of the common part."""
        return self.head_sha(features)

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Scores; while training also what the other losses need.

        Raises:
            InputError: a training batch cannot be halved into pairs.
        """
        if inference:
            return super().forward(data_dict, inference=True)
        images = data_dict["image"]
        if len(images) % 2:
            raise InputError(f"{self.config.model_name}: expected reals and as many fakes, not {len(images)} images")
        fingerprint, content = self.encoder_f.features(images), self.encoder_c.features(images)
        common, specific = self.block_sha(fingerprint), self.block_spe(fingerprint)
        logits = self.classifier(common)
        # A partner's fingerprint on an image's content is an image's fingerprint on its partner's content.
        own_and_crossed = self.con_gan(torch.cat([content, partners(content)]), fingerprint, images.shape[-2:])
        own, crossed = own_and_crossed.chunk(2)
        return {
            "cls": logits,
            "prob": fake_probability(logits),
            "feat": common,
            "cls_spe": self.head_spe(specific),
            "feat_spe": specific,
            "reconstructions": torch.cat([own, partners(crossed)]),
        }

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """The four losses and their weighed sum; those of both parts and of both reconstructions are added."""
        options, label, method = self.options, data_dict["label"], data_dict["label_spe"]
        own, crossed = pred_dict["reconstructions"].chunk(2)
        contrast, compare = self.loss_func["contrast"], self.loss_func["reconstruction"]
        common, specific = (pred_dict[key].float().mean((2, 3)) for key in ("feat", "feat_spe"))
        losses = {
            "common": self.loss_func["common"](pred_dict["cls"], label),
            "specific": self.loss_func["specific"](pred_dict["cls_spe"], method),
            "reconstruction": compare(own, data_dict["image"]) + compare(crossed, data_dict["image"]),
            "contrast": contrast(common, label) + contrast(specific, method),
        }
        overall = (
            losses["common"]
            + options.specific_weight * losses["specific"]
            + options.reconstruction_weight * losses["reconstruction"]
            + options.contrast_weight * losses["contrast"]
        )
        return {"overall": overall, **losses}

    @torch.no_grad()
    def get_train_metrics(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`acc` of real and fake, and `acc_spe` of the methods."""
        right = pred_dict["cls_spe"].argmax(1) == data_dict["label_spe"]
        return super().get_train_metrics(data_dict, pred_dict) | {"acc_spe": right.float().mean()}

    def example_batch(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """As the base class's, reals first, with fakes of all methods in turn."""
        batch = super().example_batch(batch_size, generator)
        place = torch.arange(batch_size) - batch_size // 2
        label = (place >= 0).long()
        return batch | {"label": label, "label_spe": label * (1 + place % self.options.methods)}


def partners(batch: Tensor) -> Tensor:
    """Both halves of a batch (2 n, ...), exchanged: what is at an image's place is its partner's."""
    return batch.roll(len(batch) // 2, 0)
