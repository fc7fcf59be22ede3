"""Capsule-Forensics (Nguyen et al., ICASSP 2019): statistics of texture maps, voted on by capsules."""

from pathlib import Path
from typing import Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

from config.base import Probability, Schema
from config.errors import InputError
from config.schema import BackboneConfig, DetectorConfig
from detectors import DETECTOR
from detectors.backbones.base import Backbone, StagedBackbone, for_inputs, mode_of
from detectors.base import AbstractDetector, DataDict, FitContext, PredDict, fake_probability
from detectors.weights import load_state, read_weights

FRONT = "vgg19"
INPUT_SIZE, OUTPUT_SIZE = 8, 4  # numbers in a capsule's vector
MOST = 2**62

Rule = Literal["public", "paper"]


class CapsuleNetOptions(Schema):
    """The method's own settings, of which the paper names the first four.

    `capsules` is how many there are before the routing, and `iterations` how often that is repeated. While training,
    noise of standard deviation `noise` is added to the routing's weights, and of the votes a share `dropout` is left
    out. `routing` is `public`, as the released weights need it, or `paper`, by its algorithm (`route`).
    """

    capsules: int = Field(10, ge=2)
    iterations: int = Field(2, ge=1)
    noise: float = Field(0.01, ge=0)
    dropout: Probability = 0.05
    routing: Rule = "public"


class VggFront(StagedBackbone):
    """VGG-19 (Simonyan and Zisserman, ICLR 2015) to its eighth convolution, for a method that needs its textures alone.

    2.3 M parameters; images of 256 pixels give a map of 256 x 64 x 64. It has no head.
    """

    channels = 256
    stage_channels = (256,)
    imagenet = "training/pretrained/vgg19-dcbb9e9d.pth"

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of(FRONT, config)
        layers: list[nn.Module] = []
        before = config.inc
        for width, count in ((64, 2), (128, 2), (256, 4)):
            for _ in range(count):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.vgg_1 = nn.Sequential(*layers[:-1])

    def stages(self, images: Tensor) -> list[Tensor]:
        """The map (B, 256, h, w) of images (B, 3, H, W) at stride 4, after its ReLU."""
        return [self.vgg_1(images)]

    def classifier(self, features: Tensor) -> Tensor:
        """Refused.

        Raises:
            InputError: always; it has no head.
        """
        raise InputError(f"backbone_name: {FRONT} ends before its head, so that capsules alone can classify by it")

    def load_imagenet(self, path: Path) -> None:
        """Read torchvision's file (`vgg19-dcbb9e9d.pth`), of which these are the first layers."""
        state, _ = read_weights(path)
        last = len(self.vgg_1)
        kept = {}
        for key, tensor in state.items():
            part, _, rest = key.partition(".")
            number = rest.partition(".")[0]
            if part == "features" and number.isdigit() and int(number) < last:
                kept[rest] = tensor
        if "0.weight" in kept:
            kept["0.weight"] = for_inputs(kept["0.weight"], next(self.parameters()).shape[1])
        load_state(self.vgg_1, kept, f"{path} does not fit VGG-19")


class Statistics(nn.Module):
    """The mean and the standard deviation over space of each channel."""

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) of several cells as (B, 2, C) float32; the deviation is that of a sample, over n - 1."""
        cells = maps.float().flatten(2)
        return torch.stack([cells.mean(2), cells.std(2)], 1)


class PrimaryCapsules(nn.Module):
    """Capsules before the routing, each a small network on the same map, whose end are statistics of its 16 channels.

    Args:
        channels: of the map.
        count: how many capsules.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.capsules = nn.ModuleList(self._capsule(channels) for _ in range(count))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, channels, h, w) as vectors (B, count, 8), not squashed yet."""
        return torch.stack([capsule(maps) for capsule in self.capsules], 1)

    def _capsule(self, channels: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Conv2d(64, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            Statistics(),
            nn.Conv1d(2, 8, 5, stride=2, padding=2),
            nn.BatchNorm1d(8),
            nn.Conv1d(8, 1, 3, padding=1),
            nn.BatchNorm1d(1),
            nn.Flatten(),
        )


class Routing(nn.Module):
    """The weights by which each capsule votes for each class: `route_weights` (classes, capsules, 4, 8).

    Args:
        classes: capsules after the routing.
        capsules: those before it.
        iterations: of the routing.
        rule: as for `route`.
    """

    def __init__(self, classes: int, capsules: int, iterations: int, rule: Rule) -> None:
        super().__init__()
        self.iterations, self.rule = iterations, rule
        self.route_weights = nn.Parameter(torch.randn(classes, capsules, OUTPUT_SIZE, INPUT_SIZE))

    def forward(
        self, capsules: Tensor, noise: float = 0, dropout: float = 0, generator: Generator | None = None
    ) -> Tensor:
        """Vectors (B, capsules, 8) as those of the classes (B, classes, 4), in float32.

        Args:
            capsules: not squashed yet.
            noise: standard deviation of what is added to the weights.
            dropout: share of the votes' numbers that are left out, for which the others count the more.
            generator: of both, on the vectors' device.
        """
        weights: Tensor = self.route_weights
        if noise:
            drawn = torch.randn(weights.shape, generator=generator, device=weights.device, dtype=weights.dtype)
            weights = weights + noise * drawn
        with torch.autocast(capsules.device.type, enabled=False):
            # The public code squashes a number against the same number of the other capsules, not a vector.
            squashed = squash(capsules.float(), 1 if self.rule == "public" else 2)
            votes = torch.einsum("cnij,bnj->bcni", weights, squashed)
            if dropout:
                kept = torch.rand(votes.shape, generator=generator, device=votes.device) >= dropout
                votes = votes * kept / (1 - dropout)
            return route(votes, self.iterations, self.rule)


def squash(vectors: Tensor, dim: int) -> Tensor:
    """Vectors along `dim` with the same direction and a length below 1: v |v| / (1 + |v|^2)."""
    length = torch.linalg.vector_norm(vectors, dim=dim, keepdim=True)
    return vectors * length / (1 + length**2)


def route(votes: Tensor, iterations: int, rule: Rule) -> Tensor:
    """Dynamic routing: the classes' vectors (B, classes, D), squashed means of votes that count the more they agree.

    Args:
        votes: (B, classes, capsules, D).
        iterations: how often the vectors are computed, at least 1; between two of them what a vote counts changes.
        rule: `paper`: a capsule shares its vote among the classes by a softmax, and agreement with a class is the
            scalar product with its vector. `public`: a class shares its attention among the capsules, and each of the D
            numbers agrees for itself.
    """
    agreement = torch.zeros_like(votes)
    for iteration in range(iterations):
        shares = agreement.softmax(2 if rule == "public" else 1)
        vectors = squash((shares * votes).sum(2, keepdim=True), 3)
        if iteration + 1 < iterations:
            agreed = votes * vectors
            agreement = agreement + (agreed if rule == "public" else agreed.sum(3, keepdim=True))
    return vectors.squeeze(2)


@DETECTOR.register_module(module_name="capsule_net")
class CapsuleNet(AbstractDetector):
    """Capsule-Forensics (Nguyen et al., ICASSP 2019), in its second version (arXiv 1910.12467).

    The first layers of VGG-19, which keep their ImageNet weights, give texture maps. Ten capsules reduce these to
    statistics, and dynamic routing makes a vector of four numbers for each class. Each number is a softmax over the
    classes for itself, and P(fake) is the mean of the four; `cls` are the logarithms of those means, so that
    cross-entropy is the paper's loss.

    Names and shapes are those of DeepfakeBench's released `capsule_best.pth`, and with `routing: public` so is the
    computation, after the authors' code, which departs from their algorithm: see `route`, and `squash`, which it
    applies across the capsules. Their loss takes a softmax of what is a softmax already, which keeps its gradient
    small; that is not repeated.

    Another `backbone_name` than `vgg19` gives the map at stride 4 of that network, as fixed.

    `feat` is the map at stride 8 that the capsules see. The paper's figures are of FaceForensics++ and of the same
    manipulations in training and test; DeepfakeBench's are AUCs of frames after training on FaceForensics++ c23.
    """

    Options = CapsuleNetOptions
    options: CapsuleNetOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        front = self.backbone.requires_grad_(False).eval()
        # The public name. As `backbone` it is known beside, but not among the modules, which would have it twice.
        del self.backbone
        self.vgg_ext = self.__dict__["backbone"] = front
        options, classes = self.options, config.backbone_config.num_classes
        self.fea_ext = PrimaryCapsules(self.backbone.stage_channels[0], options.capsules)
        self.routing_stats = Routing(classes, options.capsules, options.iterations, options.routing)
        self._generator = Generator().manual_seed(config.manualSeed)

    @classmethod
    def backbone_class(cls, name: str) -> type[Backbone]:
        """VGG-19's first layers, or a registered network."""
        return VggFront if name == FRONT else super().backbone_class(name)

    def on_fit_start(self, context: FitContext) -> None:
        """Take over the run's source of random numbers."""
        self._generator = context.generator

    def train(self, mode: bool = True) -> Self:
        """As usual, but the front stays as in evaluation: it is not trained."""
        super().train(mode)
        self.backbone.eval()
        return self

    def features(self, data_dict: DataDict) -> Tensor:
        """The front's map at stride 4, halved by its largest values: (B, C, h, w) at stride 8."""
        return F.max_pool2d(self.backbone.stages(data_dict["image"])[0], 2)

    def classifier(self, features: Tensor) -> Tensor:
        """Logarithms (B, 2) of the classes' probabilities, by the weights as they are."""
        return _log_means(self.routing_stats(self.fea_ext(features)))

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Scores; while training the routing is disturbed."""
        if inference:
            return super().forward(data_dict, inference=True)
        features = self.features(data_dict)
        seed = int(torch.randint(MOST, (), generator=self._generator))
        source = Generator(features.device).manual_seed(seed)
        options = self.options
        logits = _log_means(self.routing_stats(self.fea_ext(features), options.noise, options.dropout, source))
        return {"cls": logits, "prob": fake_probability(logits), "feat": features}


def _log_means(vectors: Tensor) -> Tensor:
    """Logarithms (B, classes) of the mean over D of the softmax over the classes of vectors (B, classes, D)."""
    return vectors.softmax(1).mean(2).log()
