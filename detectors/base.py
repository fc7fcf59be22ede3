"""The base class of all detectors: DeepfakeBench's method names, and the defaults of a binary classifier."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from config.base import Schema
from config.errors import InputError
from config.load import validate
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors import BACKBONE, LOSSFUNC
from detectors.backbones.base import Backbone

DataDict = Mapping[str, Tensor]
PredDict = dict[str, Tensor]


class Batches(Protocol):
    """Starts a pass over the training batches."""

    def __call__(self, epoch: int = 0) -> Iterable[DataDict]:
        """Those of an epoch, counted from 0; other epochs have another order, other augmentation and other fakes."""


@dataclass(frozen=True, slots=True)
class FitContext:
    """What a method may use before training starts.

    Attributes:
        device: where the network will train.
        epochs: how many epochs will be run.
        batches: starts one pass over the training batches, made as the loop makes them. Of several processes each gets
            all of them.
        generator: the source of the method's own random choices. Of several processes all have the same one in
            `on_fit_start`, so that they change the network alike, and each has its own from then on.
        group: the processes that train together.
        is_resumed: whether an interrupted run goes on, whose parameters and buffers are put back after `on_fit_start`.
        methods: names of the forgery methods that the batches' `label_spe` numbers from 1; empty without that entry.
    """

    device: torch.device
    epochs: int
    batches: Batches
    generator: torch.Generator
    group: Group = ALONE
    is_resumed: bool = False
    methods: tuple[str, ...] = ()


class AbstractDetector(nn.Module):
    """A face-forgery detector. The defaults make a binary classifier of the configured backbone.

    Method names, `data_dict` and `pred_dict` are DeepfakeBench's, with one departure: `mask` is (B, 1, H, W).

    `data_dict`: `image` (B, 3, H, W) float32 RGB, normalised with the configured mean and std; `label` (B,) int64,
    0 real and 1 fake; optional `landmark` (B, 81, 2) float32 in pixels of the crop and `mask` (B, 1, H, W) float32 in
    [0, 1]; and whatever the detector's batch recipe adds.

    `pred_dict`: `cls` (B, 2) logits, `prob` (B,) float32 P(fake) in [0, 1], `feat` the backbone's feature.

    A method keeps what it carries from step to step in buffers of fixed shape, so that a resumed run goes on exactly;
    what inference has no use for in non-persistent ones, which a run's state has and files of weights have not.

    Attributes:
        version: raised when a change to the method changes its scores; it enters the address of every result.
        Options: schema of the method's own settings, the YAML's `options`.
        light: assignments to its configuration that make training cheap, which `assay demo` takes on a CPU.
        needs_pretrained: whether it can only be built with the file that `pretrained` names, even for other weights.
        config: the configuration that it was built from.
        options: the settings, checked against `Options`.
        backbone: what `build_backbone` made.
        loss_func: what `build_loss` made.
    """

    version: ClassVar[int] = 1
    Options: ClassVar[type[Schema]] = Schema
    light: ClassVar[tuple[str, ...]] = ()
    needs_pretrained: ClassVar[bool] = False

    def __init__(self, config: DetectorConfig) -> None:
        """Build the network and the loss.

        Raises:
            InputError: `options` do not fit `Options`, or the backbone or loss refuses its settings.
        """
        super().__init__()
        self.config = config
        self.options = validate(self.Options, config.options, f"options of {config.model_name}")
        self.backbone = self.build_backbone(config)
        self.loss_func = self.build_loss(config)

    def build_backbone(self, config: DetectorConfig) -> Backbone:
        """The network called `backbone_name`, from the ImageNet weights that `pretrained` names, if any.

        Raises:
            InputError: unknown backbone, settings that it refuses, or an ImageNet file of another network.
        """
        if config.backbone_config.num_classes < 2:
            raise InputError("backbone_config.num_classes: expected at least 2 (real and fake), not 1")
        backbone = self.backbone_class(config.backbone_name)(config.backbone_config)
        if config.pretrained:
            backbone.initialise(config.pretrained)
        return backbone

    @classmethod
    def backbone_class(cls, name: str) -> type[Backbone]:
        """The registered network of a name; a method may know others, of its own.

        Raises:
            InputError: unknown.
        """
        return BACKBONE[name]

    def build_loss(self, config: DetectorConfig) -> nn.Module:
        """The loss called `loss_func`.

        Raises:
            InputError: unknown loss, or several of them, which only a method that combines them can build.
        """
        if not isinstance(config.loss_func, str):
            raise InputError(f"loss_func: {config.model_name} takes the name of one loss, not keys")
        return LOSSFUNC[config.loss_func]()

    def features(self, data_dict: DataDict) -> Tensor:
        """The backbone's feature map (B, C, h, w) of `image`."""
        return self.backbone.features(data_dict["image"])

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of a feature."""
        return self.backbone.classifier(features)

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """Scalar losses; `overall` is the one that is back-propagated, others are logged."""
        return {"overall": self.loss_func(pred_dict["cls"], data_dict["label"])}

    @torch.no_grad()
    def get_train_metrics(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """Scalars for the training log, without waiting for the device: `acc`, the share of right labels.

        DeepfakeBench also computes AUC, EER and AP of each batch; a batch is too small for them and they cost time.
        """
        return {"acc": (pred_dict["cls"].argmax(1) == data_dict["label"]).float().mean()}

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Score a batch.

        Args:
            data_dict: a batch; with `inference` only `image` may be relied on.
            inference: False while training, when a method may use labels, masks or other members of the batch.
        """
        features = self.features(data_dict)
        logits = self.classifier(features)
        return {"cls": logits, "prob": fake_probability(logits), "feat": features}

    def example_batch(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """A random batch of the shapes that the detector trains on, for checks and for measuring speed.

        A method whose batch recipe adds keys or orders the batch overrides it.
        """
        size = self.config.resolution
        batch = {
            "image": torch.randn(batch_size, 3, size, size, generator=generator),
            "label": torch.arange(batch_size) % 2,
        }
        if self.config.with_landmark:
            batch["landmark"] = torch.rand(batch_size, 81, 2, generator=generator) * (size - 1)
        if self.config.with_mask:
            batch["mask"] = torch.rand(batch_size, 1, size, size, generator=generator)
        return batch

    @classmethod
    def imagenet_file(cls, config: DetectorConfig) -> Path | None:
        """The file that `pretrained` names, if any; it need not be there.

        Raises:
            InputError: as for `Backbone.imagenet_file`.
        """
        return cls.backbone_class(config.backbone_name).imagenet_file(config.pretrained) if config.pretrained else None

    @property
    def initialisation(self) -> str:
        """What the weights started from, for the record of a run."""
        return self.backbone.initialisation

    @property
    def passes_before_training(self) -> int:
        """How many passes over the training batches `on_fit_start` makes in a new run, forward alone."""
        return 0

    def on_fit_start(self, context: FitContext) -> None:
        """Called before the optimiser and DDP exist; may change the network."""

    def on_epoch_start(self, epoch: int) -> None:
        """Called before the first batch of an epoch; epochs count from 0."""

    def on_pass_start(self, number: int) -> None:
        """Called before each pass over the batches of a step, forward and backward.

        Args:
            number: 0 at the weights that the step starts from; 1 at those that SAM climbs to, over the same batches in
                the same order.
        """

    def after_step(self, step: int) -> None:
        """Called once after each optimiser step, also under SAM and accumulation; steps count from 0 over the run."""

    def on_epoch_end(self, epoch: int) -> None:
        """Called after the last step of an epoch, before validation."""


def fake_probability(logits: Tensor) -> Tensor:
    """P(fake) (B,) float32 in [0, 1]: the second class of the softmax of logits (B, C >= 2)."""
    return logits.float().softmax(1)[:, 1]
