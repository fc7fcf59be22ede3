"""Reconstructions in the FaceStore: beside the faces, which stay; made once, by one model, and read by training."""

from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pandas as pd
import pytest

from config.errors import InputError
from preprocessing.clips import Image
from preprocessing.manifest import manifest_meta, manifest_sha256, read_manifest, write_manifest
from preprocessing.pipeline import manifest_path
from preprocessing.reconstruction.reconstructor import Reconstructor
from preprocessing.reconstruction.run import Reconstructed, reconstruct
from preprocessing.reconstruction.stored import ReconstructionModel, ReconstructionWriter, model_of
from preprocessing.samples import BrokenSampleError, FaceSet, open_faces
from preprocessing.store import FaceStore, FaceStoreWriter, reconstruction_key
from tests.dfb import META, write_ffpp

NAME = "FaceForensics++"
STORE = Path("dfb") / f"{NAME}_lmdb"


def negative(image: Image) -> Image:
    return 255 - image


def mirrored(image: Image) -> Image:
    return image[:, ::-1]


AUTOENCODER = Reconstructor("autoencoder", ReconstructionModel("negative", "a" * 64, True), negative)
UPSCALER = Reconstructor("super_resolution", ReconstructionModel("mirror", "b" * 64, False), mirrored)
BOTH = (AUTOENCODER, UPSCALER)
OTHER = replace(AUTOENCODER, model=ReconstructionModel("other", "c" * 64, False), apply=mirrored)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_ffpp(tmp_path)
    return tmp_path


def values(data: Path) -> dict[str, bytes]:
    store = FaceStore(data / STORE)
    return {key: store.get(key) for key in store.keys()}  # noqa: SIM118


def reals(data: Path, split: str = "train") -> FaceSet:
    faces = open_faces(data, [NAME], split)
    return FaceSet(faces.rows[faces.rows["label"] == 0])


def counts(result: Reconstructed) -> tuple[int, int, int]:
    return result.faces, result.made, result.broken


def test_reals_of_the_split_get_what_the_models_make(data: Path):
    assert counts(reconstruct(data, NAME, BOTH)) == (2, 4, 0)
    faces = reals(data)
    for index in range(len(faces)):
        image = faces.read(index).image
        np.testing.assert_array_equal(faces.reconstruction(index, "autoencoder"), negative(image))
        np.testing.assert_array_equal(faces.reconstruction(index, "super_resolution"), mirrored(image))
    assert faces.reconstructions() == {"autoencoder": AUTOENCODER.model, "super_resolution": UPSCALER.model}


def test_all_else_in_store_and_manifest_stays(data: Path):
    before, meta, sha256 = values(data), FaceStore(data / STORE).meta(), reals(data).sha256
    rows = manifest_sha256(read_manifest(manifest_path(data, "dfb", NAME)))
    reconstruct(data, NAME, BOTH)
    after = values(data)
    new = {key for key in after if key not in before}
    assert {key: after[key] for key in before} == before
    assert new == {
        f"{NAME}/original_sequences/youtube/c23/{kind}/000/{frame:03d}.png"
        for kind in ("autoencoder", "super_resolution")
        for frame in (0, 12)
    }
    assert FaceStore(data / STORE).meta() == meta
    assert reals(data).sha256 == sha256
    assert manifest_sha256(read_manifest(manifest_path(data, "dfb", NAME))) == rows
    FaceStoreWriter(data / STORE, META).close()  # preprocessing still takes it for its own


def test_a_second_run_makes_only_what_is_missing(data: Path):
    assert reconstruct(data, NAME, [AUTOENCODER], frames=1).made == 1
    assert reconstruct(data, NAME, BOTH).made == 3
    after = values(data)
    assert reconstruct(data, NAME, BOTH).made == 0
    assert values(data) == after


def test_a_run_that_dies_leaves_whole_videos_and_the_next_goes_on(data: Path):
    seen: list[Image] = []

    def dies(image: Image) -> Image:
        seen.append(image)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return negative(image)

    with pytest.raises(KeyboardInterrupt):
        reconstruct(data, NAME, [replace(AUTOENCODER, apply=dies)], every_label=True)
    made = [key for key in values(data) if "/autoencoder/" in key]
    assert len(made) == 2  # the first of three videos of two faces each; one face of the second was computed
    assert len({Path(key).parent for key in made}) == 1
    assert reconstruct(data, NAME, [AUTOENCODER], every_label=True).made == 4


def test_another_model_is_refused_before_anything_is_computed(data: Path):
    reconstruct(data, NAME, BOTH)
    before = values(data)
    with pytest.raises(InputError, match=r"negative, a substitute \(sha256 a+\) made .* not other .*--overwrite"):
        reconstruct(data, NAME, [OTHER], split="test")
    assert values(data) == before


def test_overwriting_deletes_what_there_was_of_that_kind_in_all_splits(data: Path):
    reconstruct(data, NAME, BOTH, split="train")
    reconstruct(data, NAME, BOTH, split="test")
    assert reconstruct(data, NAME, [OTHER], overwrite=True).made == 2
    train, test = reals(data), reals(data, "test")
    np.testing.assert_array_equal(train.reconstruction(0, "autoencoder"), mirrored(train.read(0).image))
    assert train.reconstructions() == {"autoencoder": OTHER.model, "super_resolution": UPSCALER.model}
    test.reconstruction(0, "super_resolution")
    with pytest.raises(BrokenSampleError, match=r"no value under .* 'assay reconstruct .*' makes what is missing"):
        test.reconstruction(0, "autoencoder")


def test_a_part_is_reconstructed_in_the_stores_of_the_whole(data: Path):
    assert counts(reconstruct(data, "FF-NT", BOTH, every_label=True)) == (4, 8, 0)
    assert model_of(FaceStore(data / STORE), "autoencoder") == AUTOENCODER.model
    assert counts(reconstruct(data, NAME, BOTH, every_label=True)) == (6, 4, 0)  # but for FF-DF


def test_without_reconstructions_the_command_is_named(data: Path):
    faces = reals(data)
    assert faces.reconstructions() == {}
    with pytest.raises(InputError, match=r"no reconstructions by autoencoder; .*'assay reconstruct FaceForensics\+\+'"):
        faces.reconstruction(0, "autoencoder")
    with pytest.raises(InputError, match="did you mean 'autoencoder'"):
        faces.reconstruction(0, "autoencoders")


def test_a_face_that_cannot_be_read_is_counted_and_left_out(data: Path):
    faces = reals(data)
    first, second = faces.rows["key"]
    writer = FaceStoreWriter(data / STORE, META)
    writer.add("damage", {first: b"no image"}, [])
    writer.close()
    assert counts(reconstruct(data, NAME, BOTH)) == (2, 2, 1)
    store = FaceStore(data / STORE)
    assert not store.has(reconstruction_key(first, "autoencoder"))
    assert store.has(reconstruction_key(second, "autoencoder"))


def test_a_damaged_reconstruction_is_a_broken_sample(data: Path):
    reconstruct(data, NAME, BOTH)
    key = reconstruction_key(reals(data).rows["key"][0], "autoencoder")
    writer = ReconstructionWriter(data / STORE, {})
    writer.store({key: b"no image"})
    writer.close()
    with pytest.raises(BrokenSampleError, match=r"autoencoder/000/000\.png: the value is not an image"):
        reals(data).reconstruction(0, "autoencoder")


def test_an_lmdb_of_another_program_gets_nothing(data: Path, tmp_path: Path):
    with lmdb.open(str(tmp_path / "other")) as env, env.begin(write=True) as txn:
        txn.put(b"D\\frames\\v\\000.png", b"pixels")
    with pytest.raises(InputError, match="not made by this project"):
        ReconstructionWriter(tmp_path / "other", {"autoencoder": AUTOENCODER.model})


def test_data_sets_made_by_different_models_do_not_go_together(data: Path):
    write_ffpp(data, seed=1, dataset="Other")
    reconstruct(data, NAME, BOTH)
    assert open_faces(data, [NAME, "Other"], "train").reconstructions() == {}  # one of the stores has none
    reconstruct(data, "Other", [OTHER, UPSCALER])
    with pytest.raises(InputError, match="different models made the reconstructions by autoencoder"):
        open_faces(data, [NAME, "Other"], "train").reconstructions()


def test_a_store_without_reals_is_not_asked(data: Path):
    write_ffpp(data, seed=1, dataset="Other")
    reconstruct(data, NAME, BOTH)
    rows = open_faces(data, [NAME, "Other"], "train").rows
    faces = FaceSet(
        pd.concat([rows[rows["dataset"] == NAME], rows[(rows["dataset"] == "Other") & (rows["label"] == 1)]])
    )
    assert set(faces.reconstructions()) == {"autoencoder", "super_resolution"}


def test_progress_counts_faces(data: Path):
    seen: list[tuple[int, int]] = []
    reconstruct(data, NAME, BOTH, every_label=True, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 6), (4, 6), (6, 6)]


def test_a_split_without_such_faces_says_so(data: Path):
    path = manifest_path(data, "dfb", NAME)
    rows = read_manifest(path)
    write_manifest(path, rows[(rows["label"] == 1) | (rows["split"] == "test")].to_dict("records"), manifest_meta(path))
    with pytest.raises(InputError, match="no stored real face in split 'train' of FF-NT"):
        reconstruct(data, "FF-NT", BOTH)


def test_every_real_face_must_have_one_where_training_needs_it(data: Path):
    reconstruct(data, NAME, [AUTOENCODER], frames=1)
    faces = open_faces(data, [NAME], "train")
    assert faces.whole_reconstructions(()) == {}
    with pytest.raises(
        InputError, match=r"^1 of 2 real faces have no reconstruction by autoencoder; .*'assay reconstruct"
    ):
        faces.whole_reconstructions(["autoencoder"])
    assert open_faces(data, [NAME], "train", frames=1).whole_reconstructions(["autoencoder"]) == {
        "autoencoder": AUTOENCODER.model
    }
    with pytest.raises(InputError, match=r"^1 of 1 real faces have no reconstruction by super_resolution"):
        open_faces(data, [NAME], "train", frames=1).whole_reconstructions(["autoencoder", "super_resolution"])


def test_without_a_real_face_nothing_was_reconstructed_and_nothing_is_missing(data: Path):
    rows = open_faces(data, [NAME], "train").rows
    fakes = FaceSet(rows[rows["label"] == 1])
    assert fakes.reconstructions() == {}
    assert fakes.whole_reconstructions(["autoencoder"]) == {}
