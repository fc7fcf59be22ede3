"""What every detector must do, as checks that a third party can run on its own: `check_detector(config)`."""

import copy
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from config.schema import DetectorConfig
from detectors import build_detector
from detectors.base import AbstractDetector, FitContext
from detectors.weights import load_weights, save_weights

TOLERANCE = 1e-4  # of P(fake) in float32, when a convolution may sum in another order
BF16_TOLERANCE = 0.1  # of P(fake) under bfloat16, which keeps 8 bits


class ConformanceError(AssertionError):
    """A detector breaks the contract of `AbstractDetector`; the message says how."""


@dataclass(frozen=True, slots=True)
class Case:
    """A detector ready for the checks: hooks have run as before training, batch norms have seen the batch.

    Attributes:
        config: what it was built from.
        detector: the detector, on the CPU.
        batch: an example batch of at least 4 images.
        passes: over the training batches, that `on_fit_start` has begun.
    """

    config: DetectorConfig
    detector: AbstractDetector
    batch: dict[str, Tensor]
    passes: int

    @classmethod
    def of(cls, config: DetectorConfig, batch_size: int = 4) -> "Case":
        """Build the detector from random weights.

        Raises:
            InputError: the configuration is refused.
        """
        detector = build_detector(config, pretrained=False)
        generator = torch.Generator().manual_seed(config.manualSeed)
        batch = detector.example_batch(batch_size, generator)
        passes: list[int] = []

        def batches(epoch: int = 0) -> list[dict[str, Tensor]]:
            passes.append(epoch)
            return [batch]

        detector.on_fit_start(FitContext(torch.device("cpu"), 1, batches, generator))
        begun = len(passes)
        detector.on_epoch_start(0)
        _settle_batch_norms(detector, batch)
        return cls(config, detector, batch, begun)


def check_detector(config: DetectorConfig, batch_size: int = 4) -> None:
    """Run all checks on the detector of a configuration.

    Args:
        config: which detector; a small `resolution` makes it quick, where the architecture allows one.
        batch_size: images in the example batch, at least 4.

    Raises:
        ConformanceError: the first check that fails.
        InputError: the configuration is refused.
    """
    case = Case.of(config, batch_size)
    for check in CHECKS:
        check(case)


def preparation(case: Case) -> None:
    """`on_fit_start` makes as many passes over the training batches as the detector says."""
    said = case.detector.passes_before_training
    _require(case.passes == said, f"on_fit_start makes {case.passes} passes, but passes_before_training is {said}")


def training_step(case: Case) -> None:
    """Losses are finite scalars, `overall` reaches every trainable parameter, metrics are scalars, hooks run."""
    detector = case.detector.train()
    detector.zero_grad()
    detector.on_pass_start(0)
    predictions = detector(case.batch)
    losses = detector.get_losses(case.batch, predictions)
    _require("overall" in losses, "get_losses has no 'overall'")
    for name, loss in losses.items():
        _require(loss.ndim == 0 and bool(loss.isfinite()), f"loss '{name}' is not one finite number")
    losses["overall"].backward()
    trainable = [(name, parameter) for name, parameter in detector.named_parameters() if parameter.requires_grad]
    lost = [name for name, parameter in trainable if parameter.grad is None]
    _require(not lost, f"'overall' does not reach {len(lost)} trainable parameters: {', '.join(lost[:5])}")
    broken = [name for name, p in trainable if p.grad is not None and not bool(p.grad.isfinite().all())]
    _require(not broken, f"the gradient is not finite in {', '.join(broken[:5])}")
    for name, metric in detector.get_train_metrics(case.batch, predictions).items():
        _require(math.isfinite(float(metric)), f"training metric '{name}' is not one finite number")
    detector.after_step(0)
    detector.on_epoch_end(0)
    detector.zero_grad()


def prediction(case: Case) -> None:
    """Inference needs the image alone and gives (B, 2) logits, and P(fake) that is their softmax and not constant."""
    image = case.batch["image"]
    predictions = _infer(case.detector, image)
    _require({"cls", "prob", "feat"} <= predictions.keys(), "pred_dict lacks 'cls', 'prob' or 'feat'")
    logits, prob = predictions["cls"], predictions["prob"]
    _require(logits.shape == (len(image), 2), f"cls is {tuple(logits.shape)}, expected ({len(image)}, 2)")
    _require(prob.shape == (len(image),), f"prob is {tuple(prob.shape)}, expected ({len(image)},)")
    _require(prob.dtype == torch.float32, f"prob is {prob.dtype}, expected torch.float32")
    _require(bool(((prob >= 0) & (prob <= 1)).all()), "prob leaves [0, 1]")
    expected = 1 / (1 + (logits[:, 0].double() - logits[:, 1].double()).exp())
    _require(_distance(prob.double(), expected) < TOLERANCE, "prob is not the softmax of cls at class 1")
    _require(bool(prob.unique().numel() > 1), "all images get the same score")


def determinism(case: Case) -> None:
    """The same images get the very same scores."""
    first, second = (_infer(case.detector, case.batch["image"])["prob"] for _ in range(2))
    _require(torch.equal(first, second), "two passes over the same images give different scores in evaluation mode")


def independence(case: Case) -> None:
    """An image gets its score whatever else is in the batch."""
    image = case.batch["image"]
    together = _infer(case.detector, image)["prob"]
    alone = torch.cat([_infer(case.detector, one)["prob"] for one in image.split(1)])
    _require(_distance(together, alone) < TOLERANCE, "a score depends on the other images in the batch")


def round_trip(case: Case) -> None:
    """A detector built afresh and loaded from the saved file gives the very same scores."""
    other_seed = case.config.model_copy(update={"manualSeed": case.config.manualSeed + 1})
    fresh = build_detector(other_seed, pretrained=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights(case.detector, path, {"detector": case.config.model_name})
        metadata = load_weights(fresh, path)
    _require(metadata == {"detector": case.config.model_name}, "the metadata of the weights file changed")
    scores = [_infer(detector, case.batch["image"])["prob"] for detector in (case.detector, fresh)]
    _require(torch.equal(*scores), "scores change when the weights are saved and loaded")


def mixed_precision(case: Case) -> None:
    """Under bfloat16 autocast a score stays float32 and near, and the loss stays finite."""
    exact = _infer(case.detector, case.batch["image"])["prob"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = _infer(case.detector, case.batch["image"])["prob"]
        with torch.no_grad():
            # A copy, because a pass in training mode moves the batch norms.
            trained = copy.deepcopy(case.detector).train()
            loss = trained.get_losses(case.batch, trained(case.batch))["overall"]
    _require(rough.dtype == torch.float32, f"prob is {rough.dtype} under autocast, expected torch.float32")
    _require(_distance(exact, rough) < BF16_TOLERANCE, f"scores move by more than {BF16_TOLERANCE} under bfloat16")
    _require(bool(loss.isfinite()), "the loss is not finite under bfloat16")


CHECKS: tuple[Callable[[Case], None], ...] = (
    prediction,
    determinism,
    independence,
    round_trip,
    mixed_precision,
    preparation,
    training_step,
)


def _infer(detector: AbstractDetector, image: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return detector.eval()({"image": image}, inference=True)


def _settle_batch_norms(detector: AbstractDetector, batch: dict[str, Tensor]) -> None:
    """Give batch norms the statistics of a batch; with their initial ones a deep random network maps all to one."""
    norms = [module for module in detector.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    # The norms alone, so that no dropped layers, which inference has not, enter the statistics.
    detector.eval()
    for norm in norms:
        norm.train().momentum = 1.0
    with torch.no_grad():
        detector(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _distance(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ConformanceError(message)
