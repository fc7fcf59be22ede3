"""A manifest of millions of made-up faces: what it costs to write, to open, to filter and to share with workers."""

import hashlib
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console

from benchmark.progress import progress
from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from evaluation.tables import Column, Table
from preprocessing.manifest import Row, read_manifest, write_manifest
from preprocessing.pipeline import manifest_path, store_name
from preprocessing.samples import BrokenSampleError, FaceSet, open_faces
from preprocessing.store import FaceStoreWriter
from preprocessing.workers import worker_context
from training.data import EpochSampler
from training.recipes import Frames

T = TypeVar("T")
PROFILE, DATASET = "dfb", "made-up"
FRAMES = 32
METHODS = ("real", "Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
LEVELS = ("raw", "c23", "c40")
SPLITS = (*["train"] * 36, *["val"] * 7, *["test"] * 7)
SKIPPED = 100
READS = 10_000
MIB = 1 << 20
STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step costs.

    Attributes:
        step: in words.
        seconds: for the step.
        memory: bytes at most, above what the process had before; None where the system does not tell.
    """

    step: str
    seconds: float
    memory: int | None


def measure_manifest(rows: int, console: Console) -> Table:
    """What each step costs on a manifest of so many rows, which is made in a temporary folder and has no pictures.

    Args:
        rows: how many, rounded up to whole clips; one in a hundred is a skip.
        console: where progress is shown.

    Raises:
        InputError: memory or disk do not suffice.
    """
    costs: list[Cost] = []
    parts = (_write, _open, _train)
    with tempfile.TemporaryDirectory(prefix="assay-perf-") as name, progress("measure", console) as report:
        for done, part in enumerate(parts, 1):
            costs += _alone(part, Path(name), rows)
            report(done, len(parts))
    return Table(
        caption=f"A manifest of {rows:,} rows",
        row_header="Step",
        rows=tuple(cost.step for cost in costs),
        columns=(Column("s", None, format=",.2f"), Column("MiB", None, format=",.1f")),
        values=tuple((cost.seconds, None if cost.memory is None else cost.memory / MIB) for cost in costs),
        footnotes=("MiB: the most that the step adds to its process; of a worker, what it shares with no other",),
    )


def made_up(rows: int) -> Iterator[dict[str, Any]]:
    """Clip by clip, as preprocessing gives them; methods, levels and splits take turns."""
    for clip in range(-(-rows // FRAMES)):
        number, kind = divmod(clip, len(METHODS) * len(LEVELS))
        method, level = METHODS[kind % len(METHODS)], LEVELS[kind // len(METHODS)]
        folder, name = f"manipulated_sequences/{method}/{level}", f"{number:06}_{(7 * number) % 1_000_000:06}"
        shared = asdict(
            Row(
                dataset=DATASET,
                split=SPLITS[number % len(SPLITS)],
                label=int(method != "real"),
                class_name=method,
                method=method,
                compression=level,
                video_id=f"{DATASET}/{method}/{level}/{folder}/videos/{name}",
                media="video",
                identity_target=name[:6],
                identity_source=name[7:],
                store=store_name(DATASET),
                source_path=f"{folder}/videos/{name}.mp4",
                sha1=hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(),
                width=1280,
                height=720,
            )
        )
        for frame in range(FRAMES):
            if (clip * FRAMES + frame) % SKIPPED:
                key = f"{DATASET}/{folder}/frames/{name}/{9 * frame:03}.png"
                yield shared | {"frame": 9 * frame, "face": 0, "key": key, "detector_score": 1 / (1 + frame)}
            else:
                yield shared | {"frame": 9 * frame, "skip": "no face"}


def _write(data: Path, rows: int) -> list[Cost]:
    path = manifest_path(data, PROFILE, DATASET)
    FaceStoreWriter(path.with_name(store_name(DATASET)), {}).close()
    made, _ = _cost("make up the rows, keep none", lambda: sum(1 for _ in made_up(rows)))
    written, _ = _cost("make them up and write the manifest", lambda: write_manifest(path, made_up(rows), {}))
    return [made, written]


def _open(data: Path, _: int) -> list[Cost]:
    path = manifest_path(data, PROFILE, DATASET)
    few = [("split", "==", "test"), ("method", "==", "Deepfakes"), ("compression", "==", "c23")]
    chosen, _rows = _cost(
        "read two columns of a split, method and level", lambda: read_manifest(path, ["video_id", "frame"], few)
    )
    whole, _rows = _cost("read all rows and columns", lambda: read_manifest(path))
    return [chosen, whole]


def _train(data: Path, _: int) -> list[Cost]:
    opened, faces = _cost("open the train split", lambda: open_faces(data, [DATASET], "train"))
    hashed, _sha256 = _cost("hash of its rows", lambda: faces.sha256)
    recipe = Frames(faces, load_config(DetectorConfig, "efficientnetb4"))
    ordered, _count = _cost("all batches of an epoch, as draws", lambda: sum(1 for _ in EpochSampler(recipe, 0)))
    started = time.perf_counter()
    with_faces = _alone(_own_memory, faces)
    seconds = time.perf_counter() - started
    without = _alone(_own_memory, None)
    memory = None if with_faces is None or without is None else max(with_faces - without, 0)
    return [opened, hashed, ordered, Cost(f"a loading process, and {READS:,} faces looked up", seconds, memory)]


def _own_memory(faces: FaceSet | None) -> int | None:
    """Bytes that this process does not share through a file, after it has looked up some faces."""
    if faces is not None:
        for index in np.random.default_rng(0).integers(len(faces), size=READS).tolist():
            with suppress(BrokenSampleError):  # the store is empty
                faces.read(index)
    lines = STATUS.read_text(encoding="utf-8").splitlines() if STATUS.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), None)


def _cost(step: str, work: Callable[[], T]) -> tuple[Cost, T]:
    before, started = _peak(), time.perf_counter()
    result = work()
    return Cost(step, time.perf_counter() - started, _peak() - before), result


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _alone(work: Callable[..., T], *arguments: object) -> T:
    """What some work gives in a process of its own."""
    context = worker_context()
    answer, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, arguments))  # type: ignore[attr-defined]
    process.start()
    sender.close()
    try:
        return answer.recv()
    except EOFError:
        raise InputError("a process that was measured has died, perhaps for want of memory: try fewer rows") from None
    finally:
        process.join()


def _answer(sender: Connection, work: Callable[..., T], arguments: tuple[object, ...]) -> None:
    sender.send(work(*arguments))
