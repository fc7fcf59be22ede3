"""The score table: a row per face, streamed to Parquet, with a JSON record of how it came about beside it."""

import dataclasses
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike
from pydantic import ConfigDict, TypeAdapter, ValidationError

from config.errors import InputError
from config.files import write_text
from evaluation.streams import ParquetStream, text_columns, with_categories

IDENTITY = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("compression", pa.string(), nullable=False),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("face", pa.int16(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("perturbation", pa.string(), nullable=False),
        pa.field("level", pa.int16(), nullable=False),
        pa.field("draw", pa.int32(), nullable=False),
    ]
)
"""The columns that say which view of which face a row is of."""

SCHEMA = IDENTITY.append(pa.field("score", pa.float64(), nullable=True))
"""The columns. `face` is -1 and `score` null where no face was found; `label` is 0 real, 1 fake; `score` is P(fake)."""

Recorded = TypeVar("Recorded")

_ROW_GROUP = 65_536
# What can change a score or a metric; the rest of the environment cannot.
_PACKAGES = (
    "assay-deepfake",
    "dlib-bin",
    "efficientnet-pytorch",
    "lmdb",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pyarrow",
    "timm",
    "torch",
    "torchvision",
)


class ScoreWriter(ParquetStream):
    """Streams batches of scores to one Parquet file, which appears under its name only when it is complete.

    Used as a context manager. Memory does not grow with the number of rows; an error or a kill inside the block leaves
    no file, or the former one.

    Args:
        path: the Parquet file to write; its folders are made.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA, _ROW_GROUP)

    def write(self, columns: Mapping[str, ArrayLike] | pd.DataFrame) -> None:
        """Append rows.

        Args:
            columns: all columns of `SCHEMA` by name, each (N,); a score is P(fake) in [0, 1], and None or NaN exactly
                where `face` is -1.

        Raises:
            InputError: a face has no score, a score or label is out of range, or a faceless row has a score.
            ValueError: a column is missing, is not in the schema, or has another length.
        """
        if set(columns.keys()) != set(SCHEMA.names):
            raise ValueError(f"score columns must be {SCHEMA.names}, not {list(columns.keys())}")
        arrays = [pa.array(np.asarray(columns[kind.name]), kind.type, from_pandas=True) for kind in SCHEMA]
        batch = pa.Table.from_arrays(arrays, schema=SCHEMA)
        if problem := _problem(batch):
            raise InputError(f"cannot store scores in {self.path}: {problem}")
        self.append(batch)


def read_scores(path: Path) -> pd.DataFrame:
    """Read a score table whole.

    Returns:
        One row per face with the columns of `SCHEMA`; text columns are categorical, a missing score is NaN.

    Raises:
        InputError: the file is missing, is not Parquet, was cut short or altered, or is not a score table.
    """
    if not path.is_file():
        raise InputError(f"no score table at {path}")
    try:
        table = pq.read_table(
            path, read_dictionary=text_columns(SCHEMA), page_checksum_verification=True, partitioning=None
        )
        if table.num_rows != pq.read_metadata(path).num_rows:
            raise ValueError("the row counts of file and row groups differ")
        present = set(table.column_names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a whole Parquet file: it was cut short or altered, or is no score table"
        ) from error
    missing = [name for name in SCHEMA.names if name not in present]
    if missing:
        raise InputError(f"{path} is not a score table: it has no column '{missing[0]}'")
    try:
        table = table.select(SCHEMA.names).cast(with_categories(SCHEMA)).unify_dictionaries()
        scores: pd.DataFrame = table.to_pandas()
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path} is not a score table: a column has a wrong type or empty fields: {error}") from error
    if problem := _problem(table):
        raise InputError(f"{path} is not a sound score table: {problem}")
    return scores


def _problem(table: pa.Table) -> str | None:
    """What is wrong with the first unsound row, in words that follow a colon; None if all rows are sound."""
    score = table["score"].to_numpy()
    has_face = table["face"].to_numpy() >= 0
    label = table["label"].to_numpy()
    scored = ~np.isnan(score)
    checks = {
        "has a face but no score (not a number)": has_face & ~scored,
        "has a score but no face": ~has_face & scored,
        "has a score outside [0, 1]": scored & ((score < 0) | (score > 1)),
        "has a label other than 0 and 1": (label != 0) & (label != 1),
    }
    for words, wrong in checks.items():
        if wrong.any():
            row = int(np.argmax(wrong))
            return f"frame {table['frame'][row]} of video '{table['video_id'][row]}' {words}"
    return None


@dataclass(frozen=True, slots=True)
class Environment:
    """The software and hardware that a result came from.

    Attributes:
        python: version of the interpreter.
        platform: operating system and architecture.
        packages: installed version of each package that can change a score.
        cuda: CUDA version that torch was built with and uses, or None on CPU.
        gpu: name of the first GPU, or None.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    python: str
    platform: str
    packages: dict[str, str]
    cuda: str | None = None
    gpu: str | None = None


def environment() -> Environment:
    """Collect versions without importing torch; CUDA and GPU are told only if torch is imported already."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    torch = sys.modules.get("torch")
    on_gpu = torch is not None and torch.cuda.is_available()
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=packages,
        cuda=torch.version.cuda if torch is not None and on_gpu else None,
        gpu=torch.cuda.get_device_name(0) if torch is not None and on_gpu else None,
    )


def git_commit() -> str | None:
    """Commit of the checkout that this code runs from ("-dirty" if tracked files were changed), None without git."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


@dataclass(frozen=True, slots=True)
class SuiteRecord:
    """The perturbation suite of a score table.

    Attributes:
        name: as it was asked for; of a file its stem.
        sha256: hash of all that decides the pixels.
        on: what was perturbed, "crop" or "frame".
        draws: how often what draws at random was drawn.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    sha256: str
    on: str
    draws: int


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """How a score table came about: what a reader needs to judge it, and to make it again.

    Attributes:
        detector: registered name of the detector.
        weights_sha256: hash of the weights file.
        manifest_sha256: hash of the manifest whose faces were scored.
        protocol: name of the evaluation protocol ("corrected", "dfb_legacy").
        protocol_version: its integer version; scores of different versions are not comparable.
        seed: seed of everything random in the evaluation.
        wall_seconds: time the evaluation took.
        n_videos: videos and stills in the table, with or without a face.
        n_frames: frames in the table, with or without a face.
        n_faceless_frames: those of them without a score, because no face was found or they cannot be read.
        environment: software and hardware, from `environment()`.
        git_commit: commit of this project, from `git_commit()`.
        precision: in which the network ran, "fp32" or "bf16".
        skipped: how many frames or videos were left out, by reason.
        faceless_score: what a video none of whose frames has a face counts in video metrics; None leaves it out.
        suite: how the faces were perturbed; None if they were not.
        notes: whatever a reader must know beside a number, above all substitutes (which landmark predictor, ...).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    detector: str
    weights_sha256: str
    manifest_sha256: str
    protocol: str
    protocol_version: int
    seed: int
    wall_seconds: float
    n_videos: int
    n_frames: int
    n_faceless_frames: int
    environment: Environment
    git_commit: str | None
    precision: str = "fp32"
    skipped: dict[str, int] = field(default_factory=dict)
    faceless_score: float | None = None
    suite: SuiteRecord | None = None
    notes: tuple[str, ...] = ()

    @staticmethod
    def beside(scores: Path) -> Path:
        """Where the record of the score table `scores` lies: the same name with the suffix .json."""
        return scores.with_suffix(".json")

    def with_rule(self, scores: pd.DataFrame) -> pd.DataFrame:
        """The score table as `evaluation.metrics.group_scores` takes it, with its rule for videos without a face."""
        return scores if self.faceless_score is None else scores.assign(faceless_score=self.faceless_score)

    def write(self, path: Path) -> None:
        """Write the record as JSON.

        Raises:
            InputError: the file cannot be written.
        """
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)
        write_text(path, f"{text}\n")

    @classmethod
    def read(cls, path: Path) -> "ScoreRecord":
        """Read a record back.

        Raises:
            InputError: the file is missing, is not JSON, or is not a score record.
        """
        return read_record(cls, path, "score record")


def read_record(kind: type[Recorded], path: Path, name: str) -> Recorded:
    """Read a dataclass that was written as JSON.

    Args:
        kind: the dataclass.
        path: the file.
        name: what it is, in words ("score record").

    Raises:
        InputError: the file is missing, is not JSON, or is not such a record.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the {name} {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is not a {name}: {where + ': ' if where else ''}{first['msg']}") from error
