"""RealID: the registered detector, with every reading of the paper as a setting."""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from config.base import Schema
from config.processes import ALONE
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.base import AbstractDetector, DataDict, FitContext, PredDict, fake_probability
from detectors.realid.concepts import Distinction, distinction_loss, diversity_loss
from detectors.realid.decisions import OUTPUTS, Auxiliaries, Branch, Score, regulariser, two_classes
from detectors.realid.memory import Initial, MatchOver, Memory


class RealIDOptions(Schema):
    """The method's own settings; docs/realid.md says what the paper leaves open, R1 to R12.

    Attributes:
        idc: the Independent Dual-Decision classifier; without it the backbone's own of two classes.
        diversity_weight: lambda 1.
        distinction_weight: lambda 2. Without this and the former there is no memory, so no RealC2.
        regulariser_weight: lambda 3, heard with `idc` alone.
        prototypes: K, of each class (R5).
        initial: what the first prototypes are drawn from (R7).
        normalise: whether features are brought to length 1 for the memory; the paper does not say so.
        match_over: what w of equation 2 is normalised over (R1).
        memory_grad: whether the optimiser moves the prototypes as well (R6).
        margin: alpha, of the diversity loss (R5).
        distinction: what equation 7 divides by (R2).
        beta: of the regulariser (R3).
        branch: whose |d| decides the regulariser's branch (R3).
        auxiliaries: which differences the regulariser has of an image (R12).
        reduction: "mean" has the mean of all losses, "printed" the sums of equations 9 and 13 (R4).
        score: what is scored by, with `idc`.
    """

    idc: bool = True
    diversity_weight: float = Field(0.6, ge=0)
    distinction_weight: float = Field(1.0, ge=0)
    regulariser_weight: float = Field(1.0, ge=0)
    prototypes: int = Field(10, ge=2)
    initial: Initial = "uniform"
    normalise: bool = True
    match_over: MatchOver = "prototypes"
    memory_grad: bool = False
    margin: float = Field(1.0, ge=0)
    distinction: Distinction = "info_nce"
    beta: float = Field(0.5, ge=0, le=1)
    branch: Branch = "each"
    auxiliaries: Auxiliaries = "wrong"
    reduction: Literal["mean", "printed"] = "mean"
    score: Score = "ratio"


@DETECTOR.register_module(module_name="realid")
class RealID(AbstractDetector):
    """RealID (Liu et al., IJCAI 2025): prototypes of real faces, and a classifier that decides twice.

    RealC2, the Real Concept Capture module, keeps prototypes of real faces and of fakes in two memories. Features of
    real images are drawn to their nearest prototype and away from the fake ones; after each step the features move the
    prototypes (equations 2 to 9). IDC, the Independent Dual-Decision classifier, has an auxiliary output beside each of
    real and fake, and the wrong class is drawn to its own (equations 11 to 14). The memories are no part of inference.

    Any backbone is taken as it is; with `idc` a linear layer of four outputs stands in the place of its own last one.

    Batches have reals and fakes (recipes `balanced`, `real_with_pseudofake`). Of several processes, of accumulated
    batches and of SAM's two passes, the memory takes in what the first pass over the joint batch has seen, once.

    `pred_dict` has beside the usual, while training: `outputs` (B, 4), the logits of IDC, and `concept` (B, C) float32,
    the pooled feature as the memory sees it.
    Losses: `overall` = `classification` + lambda 1 `diversity` + lambda 2 `distinction` + lambda 3 `regulariser`
    (equation 15). Metrics: `usage/real/K` and `usage/fake/K`, the share of a class whose nearest prototype is the K-th.
    """

    Options = RealIDOptions
    options: RealIDOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        options = self.options
        self.decisions = nn.Linear(self.backbone.channels, OUTPUTS) if options.idc else None
        if options.idc:
            self.backbone.freeze_classifier()
        self.real_memory = self._memory() if options.diversity_weight or options.distinction_weight else None
        self.fake_memory = self._memory() if options.distinction_weight else None
        self._group = ALONE
        self._is_first_pass = False
        self._seen: list[tuple[Tensor, Tensor]] = []

    def on_fit_start(self, context: FitContext) -> None:
        """Learn with whom the memories are shared."""
        self._group = context.group

    def on_pass_start(self, number: int) -> None:
        """Only the first pass over a step's batches is for the memories."""
        self._is_first_pass = number == 0
        if self._is_first_pass:
            self._seen.clear()

    def after_step(self, step: int) -> None:
        """Move the prototypes by the features that the step's losses saw (equation 5)."""
        seen, self._seen = self._seen, []
        self._is_first_pass = False
        if seen:
            concepts, labels = (self._group.join(torch.cat(parts)) for parts in zip(*seen, strict=True))
            for memory, _, label in self._memories():
                memory.update(concepts, labels == label, self.options.match_over)

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of a feature map (B, C, h, w)."""
        if self.decisions is None:
            return super().classifier(features)
        return two_classes(self.decisions(self._pooled(features)), self.options.score)

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Scores; while training also what the losses need."""
        if inference:
            return super().forward(data_dict, inference=True)
        features = self.features(data_dict)
        made: PredDict = {}
        if self.decisions is None:
            logits = self.classifier(features)
        else:
            made["outputs"] = self.decisions(self._pooled(features))
            logits = two_classes(made["outputs"], self.options.score)
        if self.real_memory is not None:
            made["concept"] = self._concept(features)
        return {"cls": logits, "prob": fake_probability(logits), "feat": features, **made}

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`overall`, `classification` (equation 10; of four classes with IDC), and the others that have a weight."""
        options, label = self.options, data_dict["label"]
        losses = {"classification": self.loss_func(pred_dict.get("outputs", pred_dict["cls"]), label)}
        if self.real_memory is not None:
            losses |= self._concept_losses(self.real_memory, pred_dict["concept"], label)
        if options.idc and options.regulariser_weight:
            losses["regulariser"] = self._regulariser(pred_dict["outputs"], label)
        weights = {
            "classification": 1.0,
            "diversity": options.diversity_weight,
            "distinction": options.distinction_weight,
            "regulariser": options.regulariser_weight,
        }
        overall = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        return {"overall": overall, **losses}

    @torch.no_grad()
    def get_train_metrics(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`acc`, and which prototypes are near: a memory collapses if all is near to one (R7)."""
        metrics = super().get_train_metrics(data_dict, pred_dict)
        for memory, name, label in self._memories():
            belongs = data_dict["label"] == label
            nearest = memory.nearest(pred_dict["concept"], belongs, self.options.match_over)[:, 0]
            counts = (F.one_hot(nearest, self.options.prototypes) * belongs[:, None]).sum(0)
            shares = counts / belongs.sum().clamp(min=1)
            metrics |= {f"usage/{name}/{number}": share for number, share in enumerate(shares, 1)}
        return metrics

    def _memory(self) -> Memory:
        options = self.options
        return Memory(options.prototypes, self.backbone.channels, options.initial, options.memory_grad)

    def _memories(self) -> Iterator[tuple[Memory, str, int]]:
        """Each memory that there is, with the name and the label of its class."""
        if self.real_memory is not None:
            yield self.real_memory, "real", 0
        if self.fake_memory is not None:
            yield self.fake_memory, "fake", 1

    def _pooled(self, features: Tensor) -> Tensor:
        """What the linear layer of equation 11 is given: (B, C)."""
        return self.backbone.dropout(self.backbone.pool(features))

    def _concept(self, features: Tensor) -> Tensor:
        """The pooled feature (B, C) float32 of equation 1, of length 1 if `normalise`."""
        pooled = self.backbone.pool(features).float()
        return F.normalize(pooled) if self.options.normalise else pooled

    def _concept_losses(self, real: Memory, concept: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Those of RealC2 that have a weight, over the real images."""
        options, belongs = self.options, label == 0
        if self._is_first_pass:
            self._seen.append((concept.detach(), label))
        nearest = real.nearest(concept, belongs, options.match_over)
        losses = {}
        if options.diversity_weight:
            apart = diversity_loss(concept, real, nearest, options.margin)
            losses["diversity"] = self._reduce(apart, belongs)
        if self.fake_memory is not None:
            of_each = distinction_loss(concept, real, self.fake_memory, nearest[:, 0], options.distinction)
            losses["distinction"] = mean_of(of_each, belongs)  # equation 7 has no sum
        return losses

    def _regulariser(self, outputs: Tensor, label: Tensor) -> Tensor:
        options = self.options
        probabilities = outputs.float().softmax(1)
        of_each = regulariser(probabilities, label, options.beta, options.branch, options.auxiliaries)
        return self._reduce(of_each, label >= 0)

    def _reduce(self, of_each: Tensor, belongs: Tensor) -> Tensor:
        """The mean, or the sum over the joint batch, of which the mean of all processes' gradients is taken (R4)."""
        if self.options.reduction == "mean":
            return mean_of(of_each, belongs)
        return of_each.where(belongs, 0.0).sum() * self._group.size


def mean_of(of_each: Tensor, belongs: Tensor) -> Tensor:
    """The mean of those of (n,) values that belong; 0 if none does."""
    return of_each.where(belongs, 0.0).sum() / belongs.sum().clamp(min=1)
