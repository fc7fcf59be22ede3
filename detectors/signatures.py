"""By which tensors the weights of public detectors are known, also of those that this version does not have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

COUNTER = "num_batches_tracked"  # BatchNorm's; files of old versions of torch lack it


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells one network's weights from those of all others.

    Attributes:
        names: detectors whose weights these are, under DeepfakeBench's names; of several the plain classifier first.
            Nothing in a file tells them apart.
        tensors: how many there are, without BatchNorm's counters.
        telling: names and shapes that only this network has together, whatever its number of classes.
        released: the file of DeepfakeBench's v1.0.1 release, "" if it has none.
    """

    names: tuple[str, ...]
    tensors: int
    telling: Mapping[str, tuple[int, ...]]
    released: str = ""

    def fits(self, state: Mapping[str, Tensor]) -> bool:
        """Whether a state dict is of this network."""
        count = sum(not key.endswith(COUNTER) for key in state)
        shapes = {key: tuple(state[key].shape) for key in self.telling if key in state}
        return count == self.tensors and shapes == self.telling


XCEPTION_END = {"backbone.bn4.weight": (2048,), "backbone.adjust_channel.0.weight": (512, 2048, 1, 1)}
SIGNATURES = (
    Signature(
        ("xception", "core", "fwa"), 242, {"backbone.conv1.weight": (32, 3, 3, 3), **XCEPTION_END}, "xception_best.pth"
    ),
    Signature(
        ("efficientnetb4", "sbi"),
        610,
        {"backbone.efficientnet._conv_stem.weight": (48, 3, 3, 3), "backbone.efficientnet._bn1.weight": (1792,)},
        "effnb4_best.pth",
    ),
    Signature(("spsl",), 242, {"backbone.conv1.weight": (32, 4, 3, 3), **XCEPTION_END}, "spsl_best.pth"),
    Signature(
        ("f3net",),
        252,
        {"backbone.conv1.weight": (32, 12, 3, 3), "FAD_head._DCT_all": (256, 256)},
        "f3net_best.pth",
    ),
    Signature(
        ("ffd",),
        244,
        {"backbone.conv1.weight": (32, 3, 3, 3), "map.c.pointwise.weight": (1, 728, 1, 1)},
        "ffd_best.pth",
    ),
    Signature(
        ("recce",),
        554,
        {"model.encoder.conv1.weight": (32, 3, 3, 3), "model.decoder6.0.weight": (3, 64, 1, 1)},
        "recce_best.pth",
    ),
    Signature(
        ("srm",),
        553,
        {"backbone_rgb.conv1.weight": (32, 3, 3, 3), "backbone_srm.conv1.weight": (32, 3, 3, 3)},
        "srm_best.pth",
    ),
    Signature(
        ("ucf",),
        518,
        {"encoder_f.conv1.weight": (32, 3, 3, 3), "con_gan.conv_last.weight": (3, 64, 1, 1)},
        "ucf_best.pth",
    ),
    Signature(
        ("capsule_net",),
        257,
        {"vgg_ext.vgg_1.0.weight": (64, 3, 3, 3), "fea_ext.capsules.9.7.weight": (8, 2, 5)},
        "capsule_best.pth",
    ),
    Signature(
        ("resnet34",),
        182,
        {"backbone.resnet.0.weight": (64, 3, 7, 7), "backbone.resnet.7.2.conv2.weight": (512, 512, 3, 3)},
        "cnnaug_best.pth",
    ),
    Signature(
        ("meso4",),
        16,
        {"backbone.conv1.weight": (8, 3, 3, 3), "backbone.conv2.weight": (8, 8, 5, 5)},
        "meso4_best.pth",
    ),
    Signature(
        ("meso4Inception",),
        32,
        {"backbone.Incption1_conv1.weight": (1, 3, 1, 1), "backbone.Incption2_conv3_2.weight": (4, 4, 3, 3)},
        "meso4Incep_best.pth",
    ),
    Signature(
        ("facexray_dfb",),
        1659,
        {"backbone.conv1.weight": (64, 3, 3, 3), "backbone.stage3.3.branches.1.0.conv2.weight": (96, 96, 3, 3)},
    ),
    Signature(
        ("prodet",),
        684,
        {"backbone.efficientnet._conv_stem.weight": (48, 3, 3, 3), "adjust_feature.weight": (512, 1792, 1, 1)},
    ),
)


def look_alikes(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Public detectors that a state dict may be of, also under DF40's names, the plain classifier first."""
    named = (state, from_df40(state))
    return next((entry.names for entry in SIGNATURES if any(map(entry.fits, named))), ())


def in_names_of(own: Mapping[str, object], state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A state dict under the names that a network's own has: as it is, or with DF40's two prefixes changed back."""
    return max((state, from_df40(state)), key=lambda names: len(own.keys() & names.keys()))


def from_df40(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A state dict with DF40's prefixes `base_model.` and `classifier.` as DeepfakeBench's, `backbone.` and `head.`."""
    return dict(_renamed(state))


def _renamed(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    prefixes = {"base_model": "backbone", "classifier": "head"}
    for key, tensor in state.items():
        first, dot, rest = key.partition(".")
        yield prefixes.get(first, first) + dot + rest, tensor
