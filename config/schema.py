"""Schemas of the YAML files: what may stand in them, of which type, within which range."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field, model_validator

from config.base import Positive, Probability, Schema, Share, Triple
from config.pseudofake import PseudoFakeConfig


class BackboneConfig(Schema):
    """`backbone_config` of a detector: how its network is built.

    `mode` is DeepfakeBench's: `original` leaves the feature map as it is, other names are those of single backbones
    (`mean` of Vision Transformers). `dropout` is a rate before the last layer, or false.
    """

    num_classes: int = Field(2, ge=1)
    inc: int = Field(3, ge=1)
    dropout: bool | Probability = False
    mode: str = "original"


class FrameCount(Schema):
    """How many frames of a video are used, spread evenly over the stored ones."""

    train: int = Field(32, ge=1)
    test: int = Field(32, ge=1)


class Augmentation(Schema):
    """`data_aug`: probabilities and ranges of DeepfakeBench's training augmentation (its abstract_dataset.py).

    `blur_sigma` is a range of standard deviations in pixels, uniformly drawn; null draws kernel sizes of `blur_limit`.
    This key, `colour_prob` and `jpeg_prob` are not DeepfakeBench's, which has both changes half of the time.
    """

    flip_prob: Probability = 0.5
    rotate_prob: Probability = 0.5
    rotate_limit: tuple[float, float] = (-10, 10)
    blur_prob: Probability = 0.5
    blur_limit: tuple[int, int] = (3, 7)
    blur_sigma: tuple[float, float] | None = None
    colour_prob: Probability = 0.5
    brightness_limit: tuple[float, float] = (-0.1, 0.1)
    contrast_limit: tuple[float, float] = (-0.1, 0.1)
    jpeg_prob: Probability = 0.5
    quality_lower: int = Field(40, ge=1, le=100)
    quality_upper: int = Field(100, ge=1, le=100)

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> "Augmentation":
        for name in ("rotate_limit", "blur_limit", "brightness_limit", "contrast_limit"):
            low, high = getattr(self, name)
            if name == "blur_limit" and low < 1:
                raise ValueError(f"blur_limit: a kernel has at least 1 pixel, not {low}")
            if low > high:
                raise ValueError(f"{name}: the lower bound {low} is above the upper bound {high}")
        if self.quality_lower > self.quality_upper:
            raise ValueError("quality_lower is above quality_upper")
        if self.blur_sigma and not 0 <= self.blur_sigma[0] <= self.blur_sigma[1]:
            raise ValueError(f"blur_sigma: expected the smallest and the largest, not {list(self.blur_sigma)}")
        return self

    @property
    def decisive(self) -> dict[str, Any]:
        """The keys that decide what is done. Those younger than the first runs stand there if they say anything."""
        younger = {"blur_sigma", "colour_prob", "jpeg_prob"}
        older = self.model_dump(mode="json", exclude=younger)
        return older | self.model_dump(mode="json", include=younger, exclude_defaults=True)


class Adam(Schema):
    """Adam's settings under DeepfakeBench's names."""

    lr: Positive = 2e-4
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    eps: Positive = 1e-8
    weight_decay: float = Field(5e-4, ge=0)
    amsgrad: bool = False


class SGD(Schema):
    """SGD's settings."""

    lr: Positive = 2e-4
    momentum: Probability = 0.9
    weight_decay: float = Field(5e-4, ge=0)


class SAM(Schema):
    """Sharpness-aware minimisation over SGD; `rho` is the radius (Foret et al., ICLR 2021)."""

    lr: Positive = 1e-3
    momentum: Probability = 0.9
    rho: Positive = 0.05
    weight_decay: float = Field(0.0, ge=0)


class Optimizer(Schema):
    """`optimizer`: the kind in `type`, and a block of settings for each kind."""

    type: Literal["adam", "sgd", "sam"] = "adam"
    adam: Adam = Adam()
    sgd: SGD = SGD()
    sam: SAM = SAM()


class Margins(Schema):
    """How much around a face's box is cut out of a loose crop, as a share of the box's side, on each side.

    `train` is the range that a margin is drawn from, for each side anew: 4 to 20 % as the papers say (ADFD; SBI's code
    has 5 to 20 %). `test` is fixed.
    """

    train: tuple[Share, Share] = (0.04, 0.2)
    test: Share = 0.125

    @model_validator(mode="after")
    def _range_is_ordered(self) -> "Margins":
        low, high = self.train
        if low > high:
            raise ValueError(f"train: the lower bound {low} is above the upper bound {high}")
        return self


class DetectorConfig(Schema):
    """A detector and how it is trained: one YAML of config/detectors, with DeepfakeBench's keys.

    Keys that DeepfakeBench does not have: `options` (the method's own settings, checked by its class), `precision`,
    `accumulate`, `margins`, for loose crops only, and `pseudofake`, for batch recipes that make fakes: a name (`assay
    list pseudofakes`) or keys (config.pseudofake). `dataset_type` names the batch recipe. `pretrained`
    is the path of an ImageNet file, or `imagenet` for the backbone's own. `nEpochs` epochs are run (DeepfakeBench runs
    one more).
    """

    model_name: str
    backbone_name: str
    backbone_config: BackboneConfig = BackboneConfig()
    pretrained: str | None = None
    loss_func: str | dict[str, Any] = "cross_entropy"
    options: dict[str, Any] = {}

    train_dataset: list[str] = []
    test_dataset: list[str] = []
    dataset_type: str = "frames"
    pseudofake: PseudoFakeConfig | None = None
    compression: Literal["raw", "c23", "c40"] = "c23"
    label_dict: dict[str, int] = {}
    frame_num: FrameCount = FrameCount()
    resolution: int = Field(256, ge=16)
    margins: Margins = Margins()
    with_mask: bool = False
    with_landmark: bool = False
    video_mode: bool = False
    clip_size: int | None = None
    use_data_augmentation: bool = True
    data_aug: Augmentation = Augmentation()
    mean: Triple = (0.5, 0.5, 0.5)
    std: Triple = (0.5, 0.5, 0.5)

    train_batchSize: int = Field(32, ge=1)
    test_batchSize: int = Field(32, ge=1)
    workers: int = Field(8, ge=0)
    optimizer: Optimizer = Optimizer()
    lr_scheduler: Literal["step", "cosine", "linear"] | None = None
    lr_step: int = Field(3, ge=1)
    lr_gamma: Positive = 0.4
    lr_T_max: int | None = None
    lr_eta_min: float = Field(0.0, ge=0)
    nEpochs: int = Field(10, ge=1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    accumulate: int = Field(1, ge=1)
    metric_scoring: Literal["auc", "eer", "acc", "ap"] = "auc"
    manualSeed: int = Field(1024, ge=0)


# Keys without a reader in DeepfakeBench, and keys whose job an option of the command line does here.
DEAD_DETECTOR_KEYS = {
    "all_dataset": "no effect",
    "backbone_config.pretrained": "use pretrained",
    "balance_data": "no effect",
    "cuda": "use --device",
    "cudnn": "use --device",
    "data_aug.brightness_prob": "no effect",
    "dataset_json_folder": "use --data",
    "ddp": "use torchrun",
    "dry_run": "no effect",
    "lmdb": "crops are always in LMDB",
    "lmdb_dir": "use --data",
    "local_rank": "use torchrun",
    "log_dir": "use --out",
    "logdir": "no effect",
    "losstype": "no effect",
    "mode": "no effect",
    "ngpu": "no effect",
    "rec_iter": "no effect",
    "restore_ckpt": "use --resume",
    "rgb_dir": "use --data",
    "save_avg": "selection is on val",
    "save_ckpt": "checkpoints are always written",
    "save_epoch": "no effect",
    "save_feat": "no effect",
    "start_epoch": "use --resume",
    "SWA": "no effect",
    "task_target": "use --out",
}


class Profile(Schema):
    """A preprocessing profile: config/preprocessing/NAME.yaml.

    `mode` is how dlib's faces are searched for (preprocessing.faces.FaceCropper): `exact` as DeepfakeBench does, `fast`
    in less of the frame. `landmarks` is the path of an 81-point dlib predictor; null takes $ASSAY_LANDMARKS or the
    project's compact one. `crop` is `aligned`, to `resolution` and `scale`, or `loose`: far around the face, as it lies
    in the frame, with the face's box, out of which training and scoring cut (`margins` of a detector's configuration).
    `faces` are those of a frame that are kept. `detector_file` gives the boxes of loose crops, a YuNet (.onnx) or a
    RetinaFace (.pth); null leaves it to dlib. `encoding` is how crops are stored (preprocessing.encodings). A video
    without a face has `faceless_score` in video metrics; null leaves it out.
    """

    name: str
    mode: Literal["fast", "exact"] = "fast"
    resolution: int = Field(256, ge=32)
    scale: Positive = 1.3
    num_frames: int = Field(32, ge=1)
    stride: int | None = Field(None, ge=1)
    upsample: int = Field(1, ge=0, le=3)
    landmarks: str | None = None
    crop: Literal["aligned", "loose"] = "aligned"
    faces: Literal["largest", "all"] = "largest"
    detector_file: str | None = None
    encoding: Literal["png", "jpeg", "bmp"] = "png"
    faceless_score: Probability | None = None

    @model_validator(mode="after")
    def _boxes_are_of_loose_crops(self) -> "Profile":
        if self.detector_file and self.crop == "aligned":
            raise ValueError("detector_file: an aligned crop is placed by dlib; boxes belong to 'crop: loose'")
        return self

    @property
    def stored(self) -> dict[str, Any]:
        """The keys that decide what is stored. Those younger than the first stores stand there if they say anything.

        What stores and manifests say in an entry of its own is left out: the models and the encoder.
        """
        elsewhere = {"landmarks", "detector_file", "faceless_score", "encoding", "crop", "faces"}
        without_effect = {"resolution", "scale"} if self.crop == "loose" else set()
        older = self.model_dump(mode="json", exclude=elsewhere | without_effect)
        return older | self.model_dump(mode="json", include={"crop", "faces"}, exclude_defaults=True)


Split = Literal["train", "val", "test"]


def _refuse_outside(key: str, paths: Iterable[str]) -> None:
    for path in map(PurePosixPath, paths):
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{key}: '{path}' leaves the data set's root")


class ClassConfig(Schema):
    """One class of a data set: where its media lie below the root, and what they are.

    `folder` is a path or several to choose from: the first that is there is taken, upper and lower case alike. In it
    `{split}` stands for a split's folder and `{compression}` for a level. An `optional` class is not missed. `sources`
    are other data sets whose videos the class shows, or was made from: who trained on these has seen them.
    """

    class_name: str
    label: Literal[0, 1]
    method: str
    folder: str | list[str] = ""
    masks: str | None = None
    optional: bool = False
    sources: list[str] = []

    @property
    def folders(self) -> list[str]:
        """The paths to choose from."""
        return [self.folder] if isinstance(self.folder, str) else self.folder

    @model_validator(mode="after")
    def _stays_below_the_root(self) -> "ClassConfig":
        _refuse_outside("folder", self.folders)
        _refuse_outside("masks", [self.masks] if self.masks else [])
        return self


class Count(Schema):
    """How many videos (or still images) of a class a whole copy holds in a split; of each compression level."""

    class_name: str
    split: Split
    media: int = Field(ge=0)


class Card(Schema):
    """What a user must know of a data set before using it.

    `rules` are what this project decides where the data set leaves something open, and `from_memory` are statements
    without a source at hand: to be checked against the official page.
    """

    paper: str = ""
    access: str = ""
    licence: str = ""
    expected: list[Count] = []
    defects: list[str] = []
    rules: list[str] = []
    from_memory: list[str] = []
    tables: list[str] = []


class DatasetConfig(Schema):
    """A data set: config/datasets/NAME.yaml.

    `layout` names the code that walks its folders; `splits` the folder that `{split}` stands for, by default the
    split's name. `listing` is a CSV of media, relative to the root, for layout `csv`. `crops` says that its images
    are aligned face crops already, `stills` that they are no video's frames, whatever folders they are in. `parts`
    are selections of its classes that have names of their own; a part with the data set's own name is what the
    plain name means.
    """

    name: str
    title: str
    layout: str
    classes: list[ClassConfig] = []
    compressions: list[Literal["raw", "c23", "c40"]] = []
    splits: dict[Split, str] = {}
    listing: str | None = None
    crops: bool = False
    stills: bool = False
    parts: dict[str, list[str]] = {}
    card: Card = Card()
    note: str = ""

    @model_validator(mode="after")
    def _stays_in_its_folders(self) -> "DatasetConfig":
        if not self.name or self.name in {".", ".."} or not {"/", "\\"}.isdisjoint(self.name):
            raise ValueError(f"name: expected one that a file can have, not '{self.name}'")
        _refuse_outside("splits", self.splits.values())
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> "DatasetConfig":
        if not self.classes and self.layout != "csv":
            raise ValueError("classes: a data set has at least one class")
        known = {entry.class_name for entry in self.classes}
        for part, names in self.parts.items():
            for name in names:
                if name not in known:
                    raise ValueError(f"parts.{part}: no class is called '{name}'")
        for count in self.card.expected:
            if count.class_name not in known:
                raise ValueError(f"card.expected: no class is called '{count.class_name}'")
        return self
