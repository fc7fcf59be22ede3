"""Face X-ray (Li et al., CVPR 2020): where two images were blended, and from that whether they were."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from config.base import Schema
from config.errors import InputError
from config.load import validate
from config.schema import DetectorConfig
from detectors import DETECTOR, LOSSFUNC
from detectors.base import AbstractDetector, DataDict, PredDict, fake_probability
from detectors.pyramid import TopDown


class FaceXrayOptions(Schema):
    """The method's own settings; the paper gives the first and leaves the others open.

    `map_weight`, its lambda, is the weight of the map's loss beside the class's 1. `width` is the number of channels
    of the merged feature map. With `standardise` the mean of the boundary map passes a batch norm before the last
    layer: a blended face's mean is a few hundredths above a real one's, which Adam's steps would take long to tell.
    """

    map_weight: float = Field(100.0, ge=0)
    width: int = Field(128, ge=1)
    standardise: bool = True


class FaceXrayLosses(Schema):
    """`loss_func`: names of the losses of the class and of the boundary map."""

    cls_loss: str = "cross_entropy"
    mask_loss: str = "bce"


@DETECTOR.register_module(module_name="facexray")
class FaceXray(AbstractDetector):
    """Face X-ray (Li et al., CVPR 2020): a map of the blending's boundary, and the class from the map's mean alone.

    The map comes of the maps at all strides by 1x1 convolutions, and is enlarged to the image. The paper joins HRNet's;
    to add them up after a 1x1 convolution of each is the same but for how they are enlarged, and does for any backbone.

    Trained on pseudo-fakes: the `mask` of a fake is the soft one that it was blended with, that of a real is 0. The
    hard masks of real deepfakes have no boundary but what resizing leaves, so that from them the map learns to find
    nothing. A mask may have another size than the image.

    `pred_dict` has beside the usual: `mask_pred` (B, 1, H, W) float32 in [0, 1], the boundary map at the image's size,
    and `mask_logits`, what it is the sigmoid of. `feat` is the merged feature map at the pyramid's finest stride.
    Losses: `overall`, `cls` and `mask`.
    """

    Options = FaceXrayOptions
    options: FaceXrayOptions
    loss_func: nn.ModuleDict

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        if not config.with_mask:
            raise InputError(f"with_mask: {config.model_name} learns from masks, so expected true, not false")
        self.backbone.freeze_classifier()
        width = self.options.width
        self.top_down = TopDown(self.backbone.pyramid_channels, width)
        self.map_head = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 1, 1))
        # With this epsilon the means of an untrained map, a hundredth apart, are not blown up to scores.
        self.norm = nn.BatchNorm1d(1, eps=1e-3, affine=False) if self.options.standardise else nn.Identity()
        self.last_layer = nn.Linear(1, 2)
        with torch.no_grad():
            # The more boundary, the more fake: known beforehand, and the wrong way round at half of the random starts.
            self.last_layer.weight.copy_(torch.tensor([[-1.0], [1.0]]))
            self.last_layer.bias.zero_()

    def build_loss(self, config: DetectorConfig) -> nn.ModuleDict:
        """The losses `cls` and `mask`, under DeepfakeBench's keys of `loss_func`; one name is the class's loss."""
        given = {"cls_loss": config.loss_func} if isinstance(config.loss_func, str) else config.loss_func
        names = validate(FaceXrayLosses, given, f"loss_func of {config.model_name}")
        return nn.ModuleDict({"cls": LOSSFUNC[names.cls_loss](), "mask": LOSSFUNC[names.mask_loss]()})

    def features(self, data_dict: DataDict) -> Tensor:
        """The merged feature map (B, width, h, w), at a quarter of the image's side."""
        return self.top_down(self.backbone.pyramid(data_dict["image"]))[0]

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of a boundary map (B, 1, H, W): its mean, standardised if configured, and a linear layer."""
        return self.last_layer(self.norm(features.mean((2, 3))))

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Boundary map and score of each image; masks are needed for the losses alone."""
        features = self.features(data_dict)
        mask_logits = F.interpolate(
            self.map_head(features).float(), data_dict["image"].shape[-2:], mode="bilinear", align_corners=False
        )
        mask_pred = mask_logits.sigmoid()
        logits = self.classifier(mask_pred)
        return {
            "cls": logits,
            "prob": fake_probability(logits),
            "feat": features,
            "mask_pred": mask_pred,
            "mask_logits": mask_logits,
        }

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`overall` = `cls` + lambda * `mask`; `mask` is the mean over all pixels of all images."""
        mask_logits = pred_dict["mask_logits"]
        target = resized(face_xray(data_dict["mask"]), mask_logits.shape[-2:])
        cls_loss = self.loss_func["cls"](pred_dict["cls"], data_dict["label"])
        mask_loss = self.loss_func["mask"](mask_logits, target)
        return {"overall": cls_loss + self.options.map_weight * mask_loss, "cls": cls_loss, "mask": mask_loss}

    def example_batch(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """As the base class's, with empty masks for reals."""
        batch = super().example_batch(batch_size, generator)
        return batch | {"mask": batch["mask"] * batch["label"].view(-1, 1, 1, 1)}


def face_xray(mask: Tensor) -> Tensor:
    """The boundary 4 m (1 - m) of masks in [0, 1], of any shape: 1 where both images have the same share, else less."""
    return 4 * mask * (1 - mask)


def resized(maps: Tensor, size: torch.Size) -> Tensor:
    """Maps (B, 1, h, w) in [0, 1] at another size (H, W), bilinearly, averaging what is made smaller."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps.float(), size, mode="bilinear", antialias=True).clamp(0, 1)
