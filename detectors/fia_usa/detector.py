"""FIA-USA: the registered detector, with every reading of the paper as a setting."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

from config.base import Schema
from config.errors import InputError
from config.processes import ALONE
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.base import AbstractDetector, Batches, DataDict, FitContext, PredDict, fake_probability
from detectors.fia_usa.pyramid import SelectedPyramid, channels_kept, published
from detectors.fia_usa.regions import Similarity, compare, contrast
from detectors.fia_usa.selection import ChannelErrors, Difference

PAIRS = "real_with_pseudofake"
"""The batch recipe whose batches are real faces and then, in the same order, a fake of each."""


class FIAUSAOptions(Schema):
    """The method's own settings; docs/fia_usa.md says what the paper leaves open (F1 to F19).

    Attributes:
        affs: whether channels are chosen before training; without it the pyramid has all of them.
        channels: m_i, how many AFFS keeps of each stage, from fine to coarse; null is Table 7's number.
        passes: over the training faces, each with other fakes, that AFFS measures channels by.
        difference: what equation 3 normalises (F4).
        width: channels of the pyramid; null is 128, and 196 for ResNets.
        head: what the classifier sees, which the paper does not say (F8): the pyramid's "finest" map, "all_levels" side
            by side, or the "backbone"'s own feature map through its own head.
        patch_weight: lambda 2; 0 leaves the loss out.
        image_weight: lambda 3, likewise.
        temperature: tau.
        similarity: delta of equation 5 (F5).
        regularised: which maps of the pyramid RCR compares, the "finest" or "all_levels" (F7).
        edge: how much of a cell may belong to the other region before it counts as boundary.
    """

    affs: bool = True
    channels: tuple[int, ...] | None = None
    passes: int = Field(5, ge=1)
    difference: Difference = "absolute"
    width: int | None = Field(None, ge=1)
    head: Literal["finest", "all_levels", "backbone"] = "finest"
    patch_weight: float = Field(2.5, ge=0)
    image_weight: float = Field(0.25, ge=0)
    temperature: float = Field(0.7, gt=0)
    similarity: Similarity = "mean"
    regularised: Literal["finest", "all_levels"] = "finest"
    edge: float = Field(0.05, ge=0, lt=0.5)


@DETECTOR.register_module(module_name="fia_usa")
class FIAUSA(AbstractDetector):
    """FIA-USA (NeurIPS 2025): a classifier of a fine map in which forged regions differ from the rest of the face.

    AFFS chooses before training which channels of the backbone's last four stages are kept: those that differ between a
    real face and its fake where the mask is (equation 3, with the ImageNet weights). A feature pyramid makes H of them,
    at a quarter of the image's side, and the classifier sees the mean of H. While training, RCR draws together the
    regions inside and outside of the mask in real faces and apart in fakes (PCR, equation 4), and the outsides of both
    together and their insides apart (ICR, equation 6). Inference needs the image alone.

    Batches come of the recipe `real_with_pseudofake`, with masks; who belongs together is known by place alone. What
    comes after the backbone's last stage is frozen unless `head` is "backbone". Of several processes the losses see the
    pairs of all, so that they are those of one process with the joint batch; all processes choose the same channels.

    `pred_dict` has beside the usual, while training: `compared` (n, L, 5) float32 of the n pairs, what
    `detectors.fia_usa.regions.compare` says of each of L maps. `feat` is what the classifier takes the mean of.
    Losses: `overall` = `classification` + lambda 2 `patch` + lambda 3 `image` (equation 7). Train metric `pairs`: the
    share of the pairs that have both regions on the finest map; the others have no part in RCR.
    """

    Options = FIAUSAOptions
    light = ("options.passes=1", "options.width=32")
    options: FIAUSAOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        options = self.options
        self._is_regularised = bool(options.patch_weight or options.image_weight)
        self._check(config)
        channels = self.backbone.stage_channels
        width = options.width or published(channels).width
        kept = channels_kept(channels, options.channels) if options.affs else None
        everywhere = "all_levels" in (options.head, options.regularised if self._is_regularised else None)
        self.pyramid = SelectedPyramid(channels, kept, width, len(channels) if everywhere else 1)
        self.last_layer: nn.Linear | None = None
        if options.head != "backbone":
            self.backbone.freeze_after_stages()
            self.last_layer = nn.Linear(width * (len(channels) if options.head == "all_levels" else 1), 2)
        self._group = ALONE

    @property
    def passes_before_training(self) -> int:
        """Those that AFFS measures channels by."""
        return self.options.passes if self.options.affs else 0

    def on_fit_start(self, context: FitContext) -> None:
        """Choose the channels, unless an interrupted run goes on with those that it has chosen."""
        self._group = context.group
        if self.pyramid.affs is not None and not context.is_resumed:
            self.pyramid.affs.keep(self._channel_errors(context.batches))

    def features(self, data_dict: DataDict) -> Tensor:
        """What the classifier takes the mean of: H (B, width, h, w), or as `head` has it."""
        stages = self.backbone.stages(data_dict["image"])
        return self._classified(stages, [] if self.last_layer is None else self.pyramid(stages))

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of a map: its mean over space and a linear layer."""
        if self.last_layer is None:
            return super().classifier(features)
        return self.last_layer(self.backbone.dropout(self.backbone.pool(features)))

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Scores; while training with RCR also how alike the regions of each pair are."""
        if inference or not self._is_regularised:
            return super().forward(data_dict, inference)
        stages = self.backbone.stages(data_dict["image"])
        maps = self.pyramid(stages)
        features = self._classified(stages, maps)
        logits = self.classifier(features)
        compared = self._compare(maps, data_dict["mask"])
        return {"cls": logits, "prob": fake_probability(logits), "feat": features, "compared": compared}

    @torch.no_grad()
    def regularised_sizes(self) -> list[torch.Size]:
        """(h, w) of each map that RCR compares; none without RCR."""
        if not self._is_regularised:
            return []
        image = torch.zeros(1, 3, self.config.resolution, self.config.resolution)
        return [one.shape[2:] for one in self._regularised(self.pyramid(self.backbone.stages(image)))]

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`overall`, `classification`, and of `patch` and `image` those that have a weight (equations 4, 6 and 7).

        Equation 7's binary cross-entropy of one logit is the cross-entropy of two, by their difference.
        """
        options = self.options
        losses = {"classification": self.loss_func(pred_dict["cls"], data_dict["label"])}
        overall = losses["classification"]
        if self._is_regularised:
            compared = self._joint(pred_dict["compared"])
            if options.patch_weight:
                losses["patch"] = self._contrast(compared[..., 0], compared[..., 1], compared)
                overall = overall + options.patch_weight * losses["patch"]
            if options.image_weight:
                losses["image"] = self._contrast(compared[..., 2], compared[..., 3], compared)
                overall = overall + options.image_weight * losses["image"]
        return {"overall": overall, **losses}

    @torch.no_grad()
    def get_train_metrics(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """As the base class's, and with RCR `pairs`."""
        metrics = super().get_train_metrics(data_dict, pred_dict)
        if "compared" in pred_dict:
            metrics["pairs"] = pred_dict["compared"][:, 0, -1].mean()
        return metrics

    def example_batch(self, batch_size: int, generator: Generator) -> dict[str, Tensor]:
        """As the base class's, ordered as pairs, with a square of the middle as the fakes' mask.

        Raises:
            InputError: the size is odd.
        """
        if batch_size % 2:
            raise InputError(f"{self.config.model_name}: a batch holds real faces and a fake of each, not {batch_size}")
        batch = super().example_batch(batch_size, generator)
        batch["label"] = torch.arange(2).repeat_interleave(batch_size // 2)
        if "mask" in batch:
            side = self.config.resolution
            middle = slice(side // 4, side - side // 4)
            batch["mask"].zero_()[batch_size // 2 :, :, middle, middle] = 1
        return batch

    def _check(self, config: DetectorConfig) -> None:
        """That what the options need is configured."""
        options = self.options
        if options.head == "backbone" and not self._is_regularised:
            raise InputError(
                "options.head: without RCR 'backbone' leaves the pyramid out; expected 'finest', 'all_levels' or the "
                "plain detector, sbi"
            )
        if not (options.affs or self._is_regularised):
            return
        if config.dataset_type != PAIRS:
            raise InputError(f"dataset_type: AFFS and RCR need pairs, so expected {PAIRS}, not {config.dataset_type}")
        if not config.with_mask:
            raise InputError("with_mask: AFFS and RCR compare with masks, so expected true, not false")

    def _classified(self, stages: Sequence[Tensor], maps: Sequence[Tensor]) -> Tensor:
        if self.options.head == "backbone":
            return self.backbone.features_of_stage(stages[-1])
        if self.options.head == "finest":
            return maps[0]
        return torch.cat([F.interpolate(one, maps[0].shape[2:]) for one in maps], 1)

    @torch.no_grad()
    def _channel_errors(self, batches: Batches) -> list[Tensor]:
        """L_AFFS of each stage's channels, over passes that show the same faces with other fakes."""
        was_training = self.training
        self.eval()
        errors = ChannelErrors(self.options.difference)
        for number in range(self.passes_before_training):
            for batch in batches(number):
                pairs = [halves(one) for one in self.backbone.stages(batch["image"])]
                _, mask = halves(batch["mask"])
                errors.add([real for real, _ in pairs], [fake for _, fake in pairs], mask)
        self.train(was_training)
        return errors.means()

    def _compare(self, maps: Sequence[Tensor], masks: Tensor) -> Tensor:
        """(n, L, 5) of the maps that are regularised."""
        options = self.options
        _, mask = halves(masks)
        compared = [compare(*halves(one), mask, options.edge, options.similarity) for one in self._regularised(maps)]
        return torch.stack(compared, 1)

    def _regularised(self, maps: Sequence[Tensor]) -> Sequence[Tensor]:
        return maps if self.options.regularised == "all_levels" else maps[:1]

    def _joint(self, compared: Tensor) -> Tensor:
        """The pairs of all processes, of which the own ones have a gradient."""
        group = self._group
        if group.size == 1:
            return compared
        joint = group.join(compared)
        joint[group.rank :: group.size] = compared
        return joint

    def _contrast(self, near: Tensor, far: Tensor, compared: Tensor) -> Tensor:
        """The mean over maps of the contrast of similarities (n, L).

        Of all processes each has the gradient by its own pairs alone, and the mean of them is taken: so it counts as
        often as there are processes.
        """
        of_maps = zip(near.unbind(1), far.unbind(1), compared[..., -1].bool().unbind(1), strict=True)
        loss = torch.stack([contrast(*one, self.options.temperature) for one in of_maps]).mean()
        return loss + (self._group.size - 1) * (loss - loss.detach())


def halves(batch: Tensor) -> tuple[Tensor, Tensor]:
    """The real faces of a batch (2n, ...) of pairs, and their fakes: two times (n, ...)."""
    real, fake = batch.chunk(2)
    return real, fake
