"""`assay reconstruct`: reconstructions of a preprocessed data set's faces, made once and read by training."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.loading import device_named
from benchmark.progress import progress
from preprocessing.reconstruction.autoencoder import load_autoencoder
from preprocessing.reconstruction.run import Reconstructed, reconstruct
from preprocessing.reconstruction.stored import KINDS
from preprocessing.reconstruction.super_resolution import load_super_resolver


def reconstruct_dataset(
    dataset: str,
    data: Path,
    *,
    profile: str = "dfb",
    split: str = "train",
    autoencoder: Path | None = None,
    super_resolver: Path | None = None,
    kinds: Sequence[str] = (),
    frames: int | None = None,
    compression: str | None = None,
    every_label: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    console: Console,
) -> Reconstructed:
    """`assay reconstruct`: make the reconstructions and say by what, how many and how fast.

    Args:
        dataset: a preprocessed data set or a part of one.
        data: folder of stores and manifests.
        profile: name of the preprocessing profile.
        split: train, val or test.
        autoencoder: weights; None takes the substitute.
        super_resolver: weights; None takes the substitute.
        kinds: only these; none for all.
        frames: at most so many of each video.
        compression: only this level.
        every_label: fakes as well.
        overwrite: first delete what there is of these kinds.
        device: where the networks run.
        console: where progress is shown.
    """
    on = device_named(device)
    load = {"autoencoder": (load_autoencoder, autoencoder), "super_resolution": (load_super_resolver, super_resolver)}
    wanted = [load[kind][0](load[kind][1], on) for kind in kinds or KINDS]
    for one in wanted:
        console.print(f"{one.kind}: {one.model}", highlight=False)
    with progress(f"reconstruct {dataset}", console) as report:
        result = reconstruct(
            data,
            dataset,
            wanted,
            split=split,
            profile=profile,
            frames=frames,
            compression=compression,
            every_label=every_label,
            overwrite=overwrite,
            on_progress=report,
        )
    speed = f" at {result.made / result.seconds:.1f} images/s on {on}" if result.made else ""
    broken = f", {result.broken} faces could not be read" if result.broken else ""
    console.print(
        f"{dataset}: {result.made} reconstructions of {result.faces} faces made{speed}{broken}", highlight=False
    )
    return result
