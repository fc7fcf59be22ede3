"""Face X-ray (Li et al., CVPR 2020): where two images were blended, and from that whether they were."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from config.base import Schema
from config.errors import InputError
from config.load import validate
from config.schema import DetectorConfig
from detectors import DETECTOR, LOSSFUNC
from detectors.backbones.base import Backbone
from detectors.backbones.hrnet import WholeHRNet
from detectors.base import AbstractDetector, DataDict, PredDict, fake_probability
from detectors.pyramid import TopDown, joined

PUBLIC_SIDE = 128


class BoundaryOptions(Schema):
    """The method's own settings: `map_weight`, the paper's lambda, is what the map's loss weighs beside the class's."""

    map_weight: float = Field(100.0, ge=0)


class FaceXrayOptions(BoundaryOptions):
    """What the paper leaves open.

    `width` is the number of channels of the merged feature map. With `standardise` the mean of the boundary map passes
    a batch norm before the last layer: a blended face's mean is a few hundredths above a real one's, which Adam's steps
    would take long to tell.
    """

    width: int = Field(128, ge=1)
    standardise: bool = True


class FaceXrayLosses(Schema):
    """`loss_func`: names of the losses of the class and of the boundary map."""

    cls_loss: str = "cross_entropy"
    mask_loss: str = "bce"


class BoundaryMaps(AbstractDetector):
    """A map of the blending's boundary, and the class from this map alone. A subclass says from which layers.

    Trained on pseudo-fakes: the `mask` of a fake is the soft one that it was blended with, that of a real is 0. The
    hard masks of real deepfakes have no boundary but what resizing leaves, so that from them the map learns to find
    nothing. A mask may have another size than the image.

    `pred_dict` has beside the usual: `mask_pred` (B, 1, H, W) float32 in [0, 1], the boundary map at the image's size,
    and `mask_logits`, what it is the sigmoid of.
    Losses: `overall`, `cls` and `mask`.
    """

    Options = BoundaryOptions
    options: BoundaryOptions
    loss_func: nn.ModuleDict

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        if not config.with_mask:
            raise InputError(f"with_mask: {config.model_name} learns from masks, so expected true, not false")
        self.backbone.freeze_classifier()

    def build_loss(self, config: DetectorConfig) -> nn.ModuleDict:
        """The losses `cls` and `mask`, under DeepfakeBench's keys of `loss_func`; one name is the class's loss."""
        given = {"cls_loss": config.loss_func} if isinstance(config.loss_func, str) else config.loss_func
        names = validate(FaceXrayLosses, given, f"loss_func of {config.model_name}")
        return nn.ModuleDict({"cls": LOSSFUNC[names.cls_loss](), "mask": LOSSFUNC[names.mask_loss]()})

    @abstractmethod
    def boundary(self, features: Tensor) -> Tensor:
        """Logits (B, 1, h, w) of the boundary map of a feature map (B, C, h, w)."""

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Boundary map and score of each image; masks are needed for the losses alone."""
        features = self.features(data_dict)
        mask_logits = F.interpolate(
            self.boundary(features).float(), data_dict["image"].shape[-2:], mode="bilinear", align_corners=False
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


@DETECTOR.register_module(module_name="facexray")
class FaceXray(BoundaryMaps):
    """Face X-ray (Li et al., CVPR 2020): a map of the blending's boundary, and the class from the map's mean alone.

    The map comes of the maps at all strides by 1x1 convolutions, and is enlarged to the image. The paper joins HRNet's;
    to add them up after a 1x1 convolution of each is the same but for how they are enlarged, and does for any backbone.
    `feat` is the merged feature map at the pyramid's finest stride.
    """

    Options = FaceXrayOptions
    options: FaceXrayOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
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

    def features(self, data_dict: DataDict) -> Tensor:
        """The merged feature map (B, width, h, w), at a quarter of the image's side."""
        return self.top_down(self.backbone.pyramid(data_dict["image"]))[0]

    def boundary(self, features: Tensor) -> Tensor:
        """Logits (B, 1, h, w) of the boundary map."""
        return self.map_head(features)

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of a boundary map (B, 1, H, W): its mean, standardised if configured, and a linear layer."""
        return self.last_layer(self.norm(features.mean((2, 3))))


class PublicOptions(BoundaryOptions):
    """`width`: channels that the joined feature map is brought to, before half as many."""

    width: int = Field(256, ge=2)


@DETECTOR.register_module(module_name="facexray_dfb")
class PublicFaceXray(BoundaryMaps):
    """Face X-ray (Li et al., CVPR 2020) with DeepfakeBench's layers: what the map looks like decides, not its mean.

    HRNet's maps at all strides, joined at the finest, give the map by two 3x3 convolutions and one of 1x1; three linear
    layers judge it cell by cell at 128 x 128, so that they can learn at which places of a crop boundaries lie.

    Names and shapes of the weights are those of DeepfakeBench's code, which brings HRNet's head for ImageNet along:
    it is kept, frozen. No such weights were released. The lists of names do not say where that code brings the map to
    its 16,384 cells: here it is after the last convolution, so that a file of somebody's own training loads, but scores
    may differ. Losses and training are those of `facexray`, after the paper; DeepfakeBench compares maps by their mean
    square, with weight 1000. Its figures of Face X-ray with HRNet are frame AUCs of a training on FaceForensics++ c23,
    the mean of the three best results on each test set.
    """

    Options = PublicOptions
    light = ("options.width=32",)
    options: PublicOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        width = self.options.width
        self.post_process = nn.Sequential(
            nn.Conv2d(sum(self.backbone.pyramid_channels), width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(),
            nn.Conv2d(width // 2, 1, 1),
        )
        self.fc = nn.Sequential(
            nn.Linear(PUBLIC_SIDE**2, 1024),
            nn.BatchNorm1d(1024),
            nn.ReLU(),
            nn.Linear(1024, 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Linear(128, 2),
        )

    @classmethod
    def backbone_class(cls, name: str) -> type[Backbone]:
        """The registered network of a name; of HRNet the one with its head, under the names of its authors' file."""
        return WholeHRNet if name == "hrnet" else super().backbone_class(name)

    def features(self, data_dict: DataDict) -> Tensor:
        """The backbone's maps at all strides, joined at the finest: (B, 720, H / 4, W / 4) of HRNet."""
        return joined(self.backbone.pyramid(data_dict["image"]))

    def boundary(self, features: Tensor) -> Tensor:
        """Logits (B, 1, h, w) of the boundary map."""
        return self.post_process(features)

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of a boundary map (B, 1, H, W): three linear layers of its cells at 128 x 128."""
        return self.fc(resized(features, torch.Size((PUBLIC_SIDE, PUBLIC_SIDE))).flatten(1))


def face_xray(mask: Tensor) -> Tensor:
    """The boundary 4 m (1 - m) of masks in [0, 1], of any shape: 1 where both images have the same share, else less."""
    return 4 * mask * (1 - mask)


def resized(maps: Tensor, size: torch.Size) -> Tensor:
    """Maps (B, 1, h, w) in [0, 1] at another size (H, W), bilinearly, averaging what is made smaller."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps.float(), size, mode="bilinear", antialias=True).clamp(0, 1)
