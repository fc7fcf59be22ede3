"""`assay reconstruct`: the command on a small data set, and what it refuses."""

import gc
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from preprocessing.reconstruction.substitutes import SmallAutoencoder
from preprocessing.samples import FaceSet, open_faces
from tests.dfb import SIDE, write_ffpp

NAME = "FaceForensics++"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_ffpp(tmp_path / "data")
    return tmp_path / "data"


def reals(data: Path) -> FaceSet:
    rows = open_faces(data, [NAME], "train").rows
    return FaceSet(rows[rows["label"] == 0])


def test_both_kinds_are_made_and_their_makers_named(assay, data: Path):
    answer = assay("reconstruct", "FF-NT", "--data", data, "--device", "cpu")
    assert answer.code == 0, answer.err
    assert "small autoencoder, a substitute" in answer.out
    assert "FF-NT: 4 reconstructions of 2 faces made at" in answer.out
    faces = reals(data)
    assert {kind: model.is_substitute for kind, model in faces.reconstructions().items()} == {
        "autoencoder": True,
        "super_resolution": True,
    }
    assert faces.reconstruction(0, "super_resolution").shape == (SIDE, SIDE, 3)
    del faces  # a process opens a store either for reading or for writing
    answer = assay("reconstruct", NAME, "--data", data, "--device", "cpu")
    assert "0 reconstructions of 2 faces made\n" in answer.out


def test_one_kind_alone_and_another_model_only_by_overwriting(assay, data: Path, tmp_path: Path):
    torch.manual_seed(0)
    save_file(SmallAutoencoder().state_dict(), tmp_path / "mine.safetensors")
    options = ("--data", data, "--device", "cpu", "--kind", "autoencoder")
    assert assay("reconstruct", NAME, *options).code == 0
    assert set(reals(data).reconstructions()) == {"autoencoder"}
    before = reals(data).reconstruction(0, "autoencoder").tolist()
    options = (*options, "--autoencoder", tmp_path / "mine.safetensors")
    refused = assay("reconstruct", NAME, *options)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert reals(data).reconstruction(0, "autoencoder").tolist() == before
    gc.collect()  # the refusal's traceback holds the store, which a process opens either for reading or for writing
    assert assay("reconstruct", NAME, *options, "--overwrite").code == 0
    assert reals(data).reconstruction(0, "autoencoder").tolist() != before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Celeb"], "preprocessed data set 'Celeb'"),
        ([NAME, "--split", "dev"], "has nothing in split 'dev'"),
        ([NAME, "--device", "abacus"], "no such device"),
        ([NAME, "--autoencoder", "none.safetensors"], "no such weights file: none.safetensors"),
    ],
)
def test_mistakes_are_one_sentence(assay, data: Path, arguments: list[str], sentence: str):
    answer = assay("reconstruct", *arguments, "--data", data, *([] if "--device" in arguments else ["--device", "cpu"]))
    assert answer.code == 2
    assert sentence in answer.err
