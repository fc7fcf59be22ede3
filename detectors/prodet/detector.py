"""ProDet: the registered detector, with every reading of the paper as a setting."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from config.base import Probability, Schema
from config.errors import InputError
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.base import AbstractDetector, DataDict, FitContext, PredDict, fake_probability
from detectors.prodet.attributes import AttributeTask, Strategy, pooled_classifier
from detectors.prodet.bridging import Mixing, bridge, bridged_labels, draw_ratios, ends_of_edges
from detectors.prodet.organisation import Organised, anchors_of, organise
from detectors.prodet.projector import Projector
from detectors.prodet.transition import Distance, Transition, transition_loss

MOST = 2**63 - 1  # of a seed
IN_NAMES = {"real": "real", "sbi": "sbi", "cbi": "bi", "deepfake": "fake"}  # anchors in the names of released weights


class ProDetOptions(Schema):
    """The method's own settings; docs/prodet.md says what paper and released code have for each.

    Attributes:
        organisation: how the anchors lie to each other (Table 5).
        strategy: of the attribute classifiers (Table 2).
        bridged: the more fake ends of the edges along which features are bridged (Table 3).
        warm_up: share of the epochs before bridging starts; the paper's two of twenty.
        mixing: how the ratio of a bridge is drawn.
        detect_bridged: whether the detection loss sees bridged features, not only the anchors.
        oriented_weight: beta, of the oriented loss; 0 leaves it out.
        transition_weight: gamma, of the transition loss; 0 leaves it and its layers out.
        transition_loss: the distance that it measures.
        transition_blocks: an `own` block for each edge, or one that is `shared`.
        project_features: whether the projector is given the feature map beside what the heads say.
        width: channels of the feature map; 2 for the toy models of Figure 4.
        hidden: channels of the layers inside the projector and the transition blocks.
    """

    organisation: Organised = "r2b2d"
    strategy: Strategy = "triplet_binary"
    bridged: tuple[Literal["sbi", "cbi", "deepfake"], ...] = ("sbi", "cbi", "deepfake")
    warm_up: Probability = 0.1
    mixing: Mixing = "beta"
    detect_bridged: bool = True
    oriented_weight: float = Field(1.0, ge=0)
    transition_weight: float = Field(10.0, ge=0)
    transition_loss: Distance = "mse"
    transition_blocks: Literal["own", "shared"] = "own"
    project_features: bool = True
    width: int = Field(512, ge=1)
    hidden: int = Field(512, ge=1)


@DETECTOR.register_module(module_name="prodet")
class ProDet(AbstractDetector):
    """ProDet (Cheng et al., NeurIPS 2024): features in the order real, SBI, CBI, deepfake, and bridges between them.

    Three heads tell what an image has of a deepfake: a blending boundary, another identity, traces of a network. What
    they say, projected to a map M, weighs the features F for the final classifier (equations 1 to 3). While training,
    features between two adjacent anchors are made by mixing (equation 4), and a block for each edge carries features,
    with noise, over to the next anchor (equation 5). Neither is part of inference.

    Training batches come of the recipe `aligned_quadruplet`, or of `aligned_triplet` and `real_with_pseudofake` for
    fewer anchors: all reals, then all fakes of each kind, aligned. What they are is known by their place alone.

    Names and shapes of the weights are those of the public code for EfficientNet-B4 at 256 pixels. Weights fit images
    of the `resolution` that they were trained at, since the projector makes a map of fixed size.

    `pred_dict` has beside the usual, while training: `attributes` (N, L), the heads' logits of the n anchors and then
    of the bridged features; `ratios` (E, B) of the bridges; `cls_bridged` their logits (N - n, 2), none if they are not
    detected; `moved` (E, B, C, h, w), what the transition blocks make. `feat` is F (n, width, h, w).
    Losses: `overall` = `detection` + beta `oriented` + gamma `transition` (equation 8).
    """

    Options = ProDetOptions
    light = ("options.hidden=128", "train_batchSize=16")
    options: ProDetOptions
    attribute_labels: Tensor
    fake_labels: Tensor

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        options = self.options
        self.backbone.freeze_classifier()
        self.organisation = organise(options.organisation, anchors_of(config.dataset_type))
        self.bridges = self.organisation.ending_in(options.bridged)
        self.task = AttributeTask(options.strategy)
        self.adjust_feature = nn.Conv2d(self.backbone.channels, options.width, 1)
        for name, classes in self.task.heads.items():
            self.add_module(name, pooled_classifier(options.width, classes))
        self.side = self.backbone.map_side(config.resolution)
        self.fea_att = Projector(
            tuple(self.task.heads.values()), options.width, self.side, options.hidden, options.project_features
        )
        self.final_classifier = pooled_classifier(options.width, 2)
        for name in dict.fromkeys(self._transition_names()):
            self.add_module(name, Transition(options.width, options.hidden))
        self.register_buffer("attribute_labels", self.task.labels(self.organisation), persistent=False)
        self.register_buffer("fake_labels", self.organisation.fake_labels(), persistent=False)
        self._generator = Generator().manual_seed(config.manualSeed)
        self._is_warm = True

    def on_fit_start(self, context: FitContext) -> None:
        """Take over the run's source of random numbers."""
        self._generator = context.generator

    def on_epoch_start(self, epoch: int) -> None:
        """Bridging starts after the warm-up."""
        self._is_warm = epoch >= round(self.options.warm_up * self.config.nEpochs)

    def features(self, data_dict: DataDict) -> Tensor:
        """F: the backbone's feature map at `width` channels."""
        return self.adjust_feature(super().features(data_dict))

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of features F (B, width, h, w): y of equation 3."""
        return self._detect(features, self._attribute_logits(features))

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Scores; while training also what the losses need of bridges and transitions.

        Raises:
            InputError: a training batch does not hold as many of each anchor, or images have another size than the
                network was built for.
        """
        if inference:
            return super().forward(data_dict, inference=True)
        anchors = self.features(data_dict)
        by_anchor = self._by_anchor(anchors)
        ratios = self._ratios(by_anchor)
        features = anchors if ratios is None else torch.cat([anchors, bridge(by_anchor, ratios, self.bridges)])
        attributes = self._attribute_logits(features)
        n_detected = len(features) if self.options.detect_bridged else len(anchors)
        logits = self._detect(features[:n_detected], attributes[:n_detected])
        cls, cls_bridged = logits.tensor_split([len(anchors)])
        made = {"attributes": attributes, "cls_bridged": cls_bridged}
        if ratios is not None:
            made["ratios"] = ratios
        if self.options.transition_weight:
            made["moved"] = self._move(by_anchor)
        return {"cls": cls, "prob": fake_probability(cls), "feat": anchors, **made}

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`overall`, `detection`, and of `oriented` and `transition` those that have a weight."""
        options = self.options
        losses = {"detection": self._detection_loss(pred_dict)}
        overall = losses["detection"]
        if options.oriented_weight:
            labels = self._labels(self.attribute_labels, pred_dict)
            losses["oriented"] = self.task.loss(pred_dict["attributes"], labels)
            overall = overall + options.oriented_weight * losses["oriented"]
        if options.transition_weight:
            _, targets = ends_of_edges(self._by_anchor(pred_dict["feat"]), self.organisation)
            losses["transition"] = transition_loss(pred_dict["moved"], targets, options.transition_loss)
            overall = overall + options.transition_weight * losses["transition"]
        return {"overall": overall, **losses}

    def example_batch(self, batch_size: int, generator: Generator) -> dict[str, Tensor]:
        """As the base class's, ordered by anchor.

        Raises:
            InputError: the size is no multiple of the number of anchors.
        """
        labels = self.fake_labels.cpu().long().repeat_interleave(self._count(batch_size))
        return super().example_batch(batch_size, generator) | {"label": labels}

    def _detection_loss(self, pred_dict: PredDict) -> Tensor:
        """L_d, equation 7 with the minus sign that it lacks; a bridge from real to a fake is as fake as its ratio."""
        logits = torch.cat([pred_dict["cls"], pred_dict["cls_bridged"]])
        fake = self._labels(self.fake_labels, pred_dict)[: len(logits)]
        return self.loss_func(logits, torch.stack([1 - fake, fake], 1))

    def _labels(self, of_anchors: Tensor, pred_dict: PredDict) -> Tensor:
        """Labels of the anchors (A, ...) as those of all features: of the anchors' images, then of the bridges."""
        labels = of_anchors.repeat_interleave(len(pred_dict["feat"]) // len(of_anchors), 0)
        if "ratios" not in pred_dict:
            return labels
        return torch.cat([labels, bridged_labels(of_anchors, pred_dict["ratios"], self.bridges)])

    def _attribute_logits(self, features: Tensor) -> Tensor:
        """A of equation 1: the heads' logits (B, L), side by side."""
        return torch.cat([self.get_submodule(name)(features) for name in self.task.heads], 1)

    def _detect(self, features: Tensor, attributes: Tensor) -> Tensor:
        if features.shape[-1] != self.side or features.shape[-2] != self.side:
            raise InputError(
                f"{self.config.model_name} was built for images of {self.config.resolution} x {self.config.resolution} "
                f"pixels; set resolution to that of the images"
            )
        return self.final_classifier(features * self.fea_att(attributes, features))

    def _by_anchor(self, features: Tensor) -> Tensor:
        """Features (n, C, h, w) of a batch as (A, B, C, h, w)."""
        return features.unflatten(0, (len(self.organisation.anchors), self._count(len(features))))

    def _count(self, size: int) -> int:
        """How many images of each anchor a batch of some size holds."""
        anchors = self.organisation.anchors
        if size % len(anchors):
            raise InputError(
                f"{self.config.model_name}: a batch holds as many of each of {', '.join(anchors)}, not {size}"
            )
        return size // len(anchors)

    def _ratios(self, by_anchor: Tensor) -> Tensor | None:
        """Ratios (E, B) of this step's bridges; None without bridges."""
        if not self._is_warm or not self.bridges.edges:
            return None
        rng = np.random.default_rng(self._seed())
        ratios = draw_ratios(self.options.mixing, len(self.bridges.edges), by_anchor.shape[1], rng)
        return ratios.to(by_anchor.device, non_blocking=True)

    def _move(self, by_anchor: Tensor) -> Tensor:
        """What the transition blocks make of the less fake end of each edge: (E, B, C, h, w)."""
        starts, _ = ends_of_edges(by_anchor, self.organisation)
        source = Generator(starts.device).manual_seed(self._seed())
        noise = torch.randn(starts.shape, generator=source, device=starts.device, dtype=starts.dtype)
        blocks = (self.get_submodule(name) for name in self._transition_names())
        return torch.stack([block(drawn, start) for block, drawn, start in zip(blocks, noise, starts, strict=True)])

    def _transition_names(self) -> list[str]:
        """For each edge the name of its transition block."""
        if not self.options.transition_weight:
            return []
        if self.options.transition_blocks == "shared":
            return ["transition"] * len(self.organisation.edges)
        return [f"{IN_NAMES[start]}2{IN_NAMES[end]}" for start, end in self.organisation.names()]

    def _seed(self) -> int:
        return int(torch.randint(MOST, (), generator=self._generator))
