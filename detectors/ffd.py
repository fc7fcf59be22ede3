"""FFD (Dang et al., CVPR 2020): a classifier that attends to where a face is manipulated, and is told where that is."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from config.base import Schema
from config.errors import InputError
from config.load import validate
from config.schema import DetectorConfig
from detectors import DETECTOR, LOSSFUNC
from detectors.backbones.base import layered
from detectors.backbones.xception import SeparableConv2d
from detectors.base import AbstractDetector, DataDict, PredDict, fake_probability
from detectors.facexray import resized

PEAK = 0.75  # the largest attention to a fake that is known by its label alone


class FFDOptions(Schema):
    """`layer` is the backbone's layer whose map is attended to, and `map_weight` the weight of the map's loss.

    With `supervision` `masks` the map is held to the stored masks, with `labels` by its largest value alone.
    """

    layer: str = "block7"
    map_weight: float = Field(1.0, ge=0)
    supervision: Literal["masks", "labels"] = "masks"


class FFDLosses(Schema):
    """`loss_func`: names of the losses of the class and of the attention map."""

    cls_loss: str = "cross_entropy"
    mask_loss: str = "l1loss"


class AttentionMap(nn.Module):
    """The paper's direct regression: a separable convolution `c` gives the logits of an attention map.

    Args:
        channels: of the map that it looks at.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c = SeparableConv2d(channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, channels, h, w) as attention (B, 1, h, w) in [0, 1], float32."""
        return self.c(maps).float().sigmoid()


@DETECTOR.register_module(module_name="ffd")
class FFD(AbstractDetector):
    """FFD (Dang et al., CVPR 2020): the feature map in Xception's middle times an attention map that masks supervise.

    Behind the fourth block of the middle flow a separable convolution and a sigmoid give the attention map; the map
    that the other blocks see is its product with that. Of a fake the attention map should be the stored mask, of a real
    0: a mean absolute difference, beside the cross-entropy of the class. The mask is brought to the attention map's
    size, 16 x 16 at 256 pixels, by a bilinear filter without aliasing, so that a cell says how much is manipulated in
    it and, by an eighth, in its neighbours on either side. Training needs the masks of all fakes. Variant `weak` is the
    paper's training without them: of a fake the map's largest value should be 0.75, of a real all of it 0.

    Names and shapes are those of DeepfakeBench's released `ffd_best.pth`: of the paper's two kinds of maps the one that
    is regressed. The paper finds its masks as differences of a fake and its real image; here those of the data set are
    taken. Its figures are of its own collection DFFD, and of UADFV and Celeb-DF; DeepfakeBench's are AUCs of frames
    after training on FaceForensics++ c23.

    `pred_dict` has beside the usual `mask_pred`, the attention map (B, 1, h, w) float32 in [0, 1]. Losses: `overall`,
    `cls` and `mask`.
    """

    Options = FFDOptions
    light = ("options.layer=stage4",)
    options: FFDOptions
    loss_func: nn.ModuleDict

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        if self.options.supervision == "masks" and not config.with_mask:
            raise InputError(
                f"with_mask: {config.model_name} learns from masks, so expected true, not false; "
                "options.supervision: labels needs none"
            )
        channels, _, _ = layered(self.backbone).shapes_at([self.options.layer], config.resolution)[0]
        self.map = AttentionMap(channels)

    def build_loss(self, config: DetectorConfig) -> nn.ModuleDict:
        """The losses `cls` and `mask`, under DeepfakeBench's keys of `loss_func`; one name is the class's loss."""
        given = {"cls_loss": config.loss_func} if isinstance(config.loss_func, str) else config.loss_func
        names = validate(FFDLosses, given, f"loss_func of {config.model_name}")
        return nn.ModuleDict({"cls": LOSSFUNC[names.cls_loss](), "mask": LOSSFUNC[names.mask_loss]()})

    def features(self, data_dict: DataDict) -> Tensor:
        """The feature map (B, C, h, w) behind the attention."""
        return self._attend(data_dict["image"])[0]

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Attention map and score of each image; masks are needed for the losses alone."""
        features, attention = self._attend(data_dict["image"])
        logits = self.classifier(features)
        return {"cls": logits, "prob": fake_probability(logits), "feat": features, "mask_pred": attention}

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`overall` = `cls` + `map_weight` * `mask`."""
        attention = pred_dict["mask_pred"]
        cls_loss = self.loss_func["cls"](pred_dict["cls"], data_dict["label"])
        if self.options.supervision == "labels":
            mask_loss = self.loss_func["mask"](*weak_targets(attention, data_dict["label"]))
        else:
            mask_loss = self.loss_func["mask"](attention, resized(data_dict["mask"], attention.shape[-2:]))
        return {"overall": cls_loss + self.options.map_weight * mask_loss, "cls": cls_loss, "mask": mask_loss}

    def example_batch(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """As the base class's, with empty masks for reals."""
        batch = super().example_batch(batch_size, generator)
        if "mask" in batch:
            batch["mask"] = batch["mask"] * batch["label"].view(-1, 1, 1, 1)
        return batch

    def _attend(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The feature map, and the attention map that it comes of."""
        network, layer = layered(self.backbone), self.options.layer
        maps = network.through(images, to=layer)
        attention = self.map(maps)
        return network.through(maps * attention.to(maps.dtype), after=layer), attention


def weak_targets(attention: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """What is known of attention maps (B, 1, h, w) by labels (B,), as values (B,) and what they should be.

    Of a real it is the mean, which should be 0; of a fake the largest value, which should be 0.75.
    """
    cells = attention.flatten(1)
    is_fake = label > 0
    return torch.where(is_fake, cells.amax(1), cells.mean(1)), PEAK * is_fake.to(cells.dtype)
