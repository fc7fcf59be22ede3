"""ADFD: the registered detector, a plain classifier whose training weighs noisy pseudo-fakes less."""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor

from config.base import Probability, Schema
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.adfd.refinement import Distance, RealMemory, noise_distance, noise_weight
from detectors.base import AbstractDetector, DataDict, FitContext, PredDict

log = logging.getLogger(__name__)

MOST = 2**32 - 1  # of a seed


class ADFDOptions(Schema):
    """The method's own settings; docs/adfd.md says what the paper leaves open (A1 to A14).

    Attributes:
        nrs: the Noise Refinement Strategy; without it the detector is a plain classifier (Table 11).
        start: T_k as a share of the epochs (A1).
        nrs_sweep: features of the reals from a pass over them at the end of each epoch, not from its steps (A2).
        filter: the reals that are remembered: those predicted best, or any (Table 13, A3).
        memory: k_s, how many are remembered; at least `centres`.
        centres: k.
        distance: from a pseudo-fake to a centre (Table 13, A7).
        threshold: lambda, the distance below which a pseudo-fake is noise.
        beta: in lengths of the run; the paper's 200 epochs are two of its 100.
    """

    nrs: bool = True
    start: Probability = 0.2
    nrs_sweep: bool = False
    filter: Literal["predicts", "random"] = "predicts"
    memory: int = Field(500, ge=1)
    centres: int = Field(5, ge=1)
    distance: Distance = "cosine"
    threshold: float = Field(0.5, gt=0, le=1)
    beta: float = Field(2.0, ge=1)

    @model_validator(mode="after")
    def _memory_makes_all_centres(self) -> "ADFDOptions":
        if self.memory < self.centres:
            raise ValueError(f"memory: expected at least as many faces as centres, {self.centres}, not {self.memory}")
        return self


@DETECTOR.register_module(module_name="adfd")
class ADFD(AbstractDetector):
    """Anomaly deepfake detection (Wang et al.): a classifier of real faces and BBMG's pseudo-fakes, trained with NRS.

    Epochs count from 1 here, as in Algorithm 1. From epoch T_k - 1 on the features of the reals that are predicted best
    are remembered, and clustered at the end of the epoch. From T_k on a pseudo-fake that is nearer than lambda to a
    centre counts as noise and weighs w < 1 in the cross-entropy (equations 5, 6 and 9): the less, the nearer it is and
    the later the epoch. w has no gradient; under SAM it is that of a step's first pass in both, and only features of
    the first are remembered (A5). An epoch that remembers fewer reals than centres is followed by one without noise.

    Inference is the backbone's, and so are the weights: names and shapes are those of a plain classifier, whose files
    load here and the other way round. What NRS remembers is saved with the state of a run alone.

    `pred_dict` has beside the usual, while training from T_k on: `weight` (B,) float32, w.
    Train metrics from T_k on: `noise`, the share of the pseudo-fakes that count as noise (A4); `fake_weight`, their
    mean w; `candidates`, how many reals the centres were made of.
    """

    Options = ADFDOptions
    light = ("options.memory=25",)  # of the demo's 288 reals, as 500 are of FaceForensics++'s 5,760
    options: ADFDOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        options = self.options
        self.memory = RealMemory(self.backbone.channels, options.memory, options.centres) if options.nrs else None
        self._first = round(options.start * config.nEpochs)
        self._epoch = 0
        self._is_first_pass = True
        self._weights: list[Tensor] = []
        self._again: deque[Tensor] = deque()
        self._batches: Callable[[], Iterable[DataDict]] = list
        self._generator = Generator().manual_seed(config.manualSeed)
        self._group: Group = ALONE

    def on_fit_start(self, context: FitContext) -> None:
        """Take over the run's source of random numbers, its processes and, to sweep over them, its batches."""
        self._generator, self._group = context.generator, context.group
        if self.options.nrs_sweep:
            self._batches = context.batches

    def on_epoch_start(self, epoch: int) -> None:
        """Count the epoch, and remember reals anew."""
        self._epoch = epoch + 1
        if self.memory is not None:
            self.memory.forget()

    def on_pass_start(self, number: int) -> None:
        """Of a second pass: take the weights of the first, batch by batch."""
        self._is_first_pass = number == 0
        self._again = deque() if self._is_first_pass else deque(self._weights)
        self._weights = []

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Scores; while training with NRS also the weights, and the reals are remembered."""
        predictions = super().forward(data_dict, inference)
        memory = self.memory
        if inference or not self.training or memory is None or not self._remembers:
            return predictions
        features = self._pooled(predictions["feat"])
        if self._is_first_pass and not self.options.nrs_sweep:
            self._remember(memory, features, predictions["cls"], data_dict["label"] == 0, self._group)
        if self._epoch < self._first:
            return predictions
        weight = self._again.popleft() if self._again else self._weigh(memory, features, data_dict["label"] == 1)
        self._weights.append(weight)
        return {**predictions, "weight": weight}

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`overall`: cross-entropy, weighed from T_k on; the mean is over the batch, not over the weights (A6)."""
        return {"overall": self.loss_func(pred_dict["cls"], data_dict["label"], pred_dict.get("weight"))}

    @torch.no_grad()
    def get_train_metrics(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """As the base class's; from T_k on also `noise`, `fake_weight` and `candidates`."""
        metrics = super().get_train_metrics(data_dict, pred_dict)
        if "weight" not in pred_dict or self.memory is None:
            return metrics
        weight, is_fake = pred_dict["weight"], data_dict["label"] == 1
        fakes = is_fake.sum().clamp(min=1)
        return {
            **metrics,
            "noise": (weight < 1).sum() / fakes,
            "fake_weight": (weight * is_fake).sum() / fakes,
            "candidates": self.memory.clustered.float(),
        }

    def on_epoch_end(self, epoch: int) -> None:
        """Find the next epoch's centres; with `nrs_sweep` among features of the network as it is now."""
        if self.memory is None or not self._remembers:
            return
        if self.options.nrs_sweep:
            self._sweep(self.memory)
        seed = int(torch.randint(MOST, (), generator=self._generator))
        found = self.memory.find_centres(seed)
        if found < self.options.centres and self._group.leads:
            log.warning(
                "adfd: epoch %d remembers %d real faces, too few for %d centres: no fake is noise in the next",
                self._epoch,
                found,
                self.options.centres,
            )

    @property
    def _remembers(self) -> bool:
        """Whether the epoch is one whose reals are clustered."""
        return self._epoch >= self._first - 1

    def _pooled(self, features: Tensor) -> Tensor:
        """E of a feature map (B, C, h, w): its mean (B, C) over space, float32 and without a gradient."""
        return self.backbone.pool(features.detach().float())

    def _weigh(self, memory: RealMemory, features: Tensor, is_fake: Tensor) -> Tensor:
        """The weights (B,) of features (B, C); all 1 if there are no centres."""
        options = self.options
        distances = noise_distance(features, memory.centres, options.distance)
        elapsed = self._epoch / (options.beta * self.config.nEpochs)
        return noise_weight(distances, is_fake & memory.has_centres, options.threshold, elapsed)

    @torch.no_grad()
    def _remember(self, memory: RealMemory, features: Tensor, logits: Tensor, is_real: Tensor, group: Group) -> None:
        """Offer the reals of a batch that all processes of a group share.

        A rank grows with P(real); as the difference of the logits it also tells apart those whose P(real) rounds to 1.
        """
        if self.options.filter == "random":
            ranks = 1 - torch.rand(len(logits), generator=self._generator).to(features.device)
        else:
            ranks = (logits[:, 0].float() - logits[:, 1].float()).clamp(min=0)
        rows = group.join(torch.cat([features, (ranks * is_real)[:, None]], 1))
        memory.offer(rows[:, :-1], rows[:, -1])

    @torch.no_grad()
    def _sweep(self, memory: RealMemory) -> None:
        """Remember the reals of a pass over the training batches, in evaluation mode; each process makes all of it."""
        self.eval()
        for batch in self._batches():
            reals = batch["image"][batch["label"] == 0]
            predictions = super().forward({"image": reals}, inference=True)
            is_real = torch.ones(len(reals), dtype=torch.bool, device=reals.device)
            self._remember(memory, self._pooled(predictions["feat"]), predictions["cls"], is_real, ALONE)
        self.train()
        if self._epoch == self.config.nEpochs:
            self._batches = list  # holding them would keep the processes that load them
