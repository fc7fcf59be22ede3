"""DeeperForensics-1.0: fakes named TARGET_ACTOR.mp4, whose splits are lists of such names."""

from collections.abc import Iterator
from pathlib import Path

from config.errors import InputError
from config.schema import DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.media import SPLITS, class_folder, find_media


@LAYOUT.register_module(module_name="deeperforensics")
def deeperforensics(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """DeeperForensics-1.0; lists/splits/{train,val,test}.txt name the fakes.

    A real video takes the split of the fakes made from it: of its actor (first folder of source_videos), or of the
    target's number. One that no listed fake was made from is in no split.
    """
    splits = _splits(root)
    people = {part: split for name, split in splits.items() for part in name.split("_")}
    for entry in config.classes:
        folder = class_folder(config, root, entry)
        media = find_media(folder.path)
        for found in media:
            name = found.inner.name
            target, _, source = name.partition("_") if entry.label else (found.inner.parts[0], "", "")
            split = splits.get(name, "") if entry.label else people.get(target, "")
            yield folder.clip(found, split=split, identities=(target, source))
        if entry.label and media:
            for name in sorted(splits.keys() - {found.inner.name for found in media}):
                yield folder.absent(folder.path / f"{name}.mp4", splits[name])


def _splits(root: Path) -> dict[str, str]:
    """Name of a fake, without suffix, to its split."""
    split_of: dict[str, str] = {}
    for split in SPLITS:
        path = root / "lists" / "splits" / f"{split}.txt"
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").split()
        except FileNotFoundError:
            raise InputError(f"{path} is missing; it names the fakes of split {split}") from None
        split_of.update({Path(line.replace("\\", "/")).stem: split for line in lines})
    return split_of
