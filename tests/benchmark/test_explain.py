"""`assay explain`: what a sheet shows of which faces, and that a seed decides it."""

import gc
import re
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import benchmark.explain.pseudofakes as command
from benchmark.explain.faces import Photographs, Reconstructions, photographs, stored_faces
from config.load import config_names, load_config, variant_names
from config.pseudofake import PseudoFakeConfig
from config.schema import Profile
from evaluation.plots.sheets import StepRows
from preprocessing.landmarks import find_predictor
from preprocessing.reconstruction.substitutes import SmallAutoencoder
from preprocessing.samples import open_faces
from tests.dfb import write_ffpp
from tests.faces import still

PEOPLE = 3
PAGE = Path(__file__).resolve().parents[2] / "docs" / "pseudofakes.md"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three stills, and a picture of nothing among them."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(PEOPLE):
        cv2.imwrite(str(folder / f"person_{number}.png"), still(number))
    cv2.imwrite(str(folder / "nobody.png"), np.full((80, 80, 3), 90, np.uint8))
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[StepRows]:
    """What the command has drawn."""
    groups: list[StepRows] = []
    sheet = command.step_sheet

    def remember(given, steps, caption):
        groups.extend(given)
        return sheet(given, steps, caption)

    monkeypatch.setattr(command, "step_sheet", remember)
    return groups


def test_a_sheet_shows_each_step_of_each_face(assay, pictures: Path, tmp_path: Path, drawn):
    out = tmp_path / "new" / "sheet.png"
    answer = assay("explain", "pseudofakes", "sbi", "adfd", "--faces", pictures, "--rows", 2, "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out == f"{out}: sbi, adfd\nFaces: pictures\n"
    assert out.read_bytes().startswith(b"\x89PNG")
    assert [group.title.split()[0] for group in drawn] == ["sbi", "adfd"]
    for group in drawn:
        assert [label.split("\n")[0] for label in group.labels] == ["person_0", "person_1"]
        assert all("ratio " in label for label in group.labels)
        for real, mask, source, target, fake, difference in group.images:
            for image in (real, source, target, fake, difference):
                assert image.shape == (256, 256, 3)
            assert mask.max() > 0
            np.testing.assert_array_equal(fake[mask == 0], target[mask == 0])
            moved = np.abs(fake.astype(int) - target) * command.AMPLIFIED
            np.testing.assert_array_equal(difference, moved.clip(max=255))
    for mine, its in zip(drawn[0].images, drawn[1].images, strict=True):
        np.testing.assert_array_equal(mine[0], its[0])


def test_the_seed_decides_the_file(assay, pictures: Path, tmp_path: Path):
    def sheet(name: str, seed: int) -> bytes:
        out = tmp_path / name
        assert assay("explain", "pseudofakes", "--faces", pictures, "--rows", 1, "--seed", seed, "--out", out).code == 0
        return out.read_bytes()

    assert sheet("first.jpg", 1) == sheet("again.jpg", 1) != sheet("other.jpg", 2)


def test_a_partner_comes_out_of_all_faces_at_hand(assay, pictures: Path, tmp_path: Path, drawn):
    options = ("--faces", pictures, "--rows", 1, "--out", tmp_path / "sheet.svg")
    refused = assay("explain", "pseudofakes", "cbi", *options)
    assert refused.code == 2
    assert "of 3 faces there are 2 of others" in refused.err
    settings = [f"--set={name}" for name in ("nearest=2", "colour_transfer=false", "displacement.affine=false")]
    assert assay("explain", "pseudofakes", "cbi", *settings, *options).code == 0
    (label,), (images,) = drawn[0].labels, drawn[0].images
    faces = cut_out(pictures)
    came_from = label.rpartition("from ")[2]
    assert came_from in ("person_1", "person_2")
    index = faces.rows["video_id"].tolist().index(came_from)
    shown = images[2].any(axis=-1)  # the source is black where the mask does not reach
    assert shown.sum() > 1000
    np.testing.assert_array_equal(images[2][shown], faces.read(index).image[shown])


def test_reconstructions_that_are_not_stored_are_the_substitutes(assay, pictures: Path, tmp_path: Path, drawn):
    sets = ("--set", "reconstruction.super_resolution=0", "--set", "reconstruction.autoencoder=1")
    options = ("--faces", pictures, "--rows", 1, "--out", tmp_path / "sheet.png", *sets)
    answer = assay("explain", "pseudofakes", "fia_usa", *options, "--set", "changes.applied_to=target")
    assert "autoencoder: small autoencoder, a substitute (sha256 " in answer.out
    (label,), (images,) = drawn[0].labels, drawn[0].images
    assert label.endswith("autoencoder")
    error = np.abs(images[2].astype(float) - images[0])[images[2].any(axis=-1)]
    assert 0 < error.mean() < 10


def test_stored_faces_and_stored_reconstructions(assay, tmp_path: Path, drawn):
    data = tmp_path / "data"
    write_ffpp(data)
    torch.manual_seed(0)
    save_file(SmallAutoencoder().state_dict(), tmp_path / "untrained.safetensors")
    mine = ("--kind", "autoencoder", "--autoencoder", tmp_path / "untrained.safetensors")
    assert assay("reconstruct", "FaceForensics++", "--data", data, *mine, "--device", "cpu").code == 0
    options = ("--data", data, "--train", "FaceForensics++", "--out", tmp_path / "sheet.png")
    answer = assay("explain", "pseudofakes", "fia_usa", *options)
    assert answer.code == 0, answer.err
    assert "Faces: FaceForensics++, split train" in answer.out
    faces = stored_faces(data, "FaceForensics++", "dfb")
    assert set(faces.labels) == {0}
    assert len(drawn[0].images) == len(faces)
    made = Reconstructions(faces, torch.device("cpu"))
    np.testing.assert_array_equal(made.of(0, "autoencoder"), faces.reconstruction(0, "autoencoder"))
    assert made.of(0, "super_resolution").shape == faces.read(0).image.shape
    assert set(made.makers) == {"autoencoder", "super_resolution"}
    assert made.makers["autoencoder"] == str(faces.reconstructions()["autoencoder"])
    others = Reconstructions(open_faces(data, ["FaceForensics++"], "test", labels=(0,)), torch.device("cpu"))
    others.of(0, "autoencoder")  # of these there is none in the store
    assert others.makers["autoencoder"] not in made.makers["autoencoder"]


def test_a_face_of_which_no_fake_can_be_made_is_named(assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = tmp_path / "data"
    write_ffpp(data)
    monkeypatch.setattr("benchmark.explain.material.landmarks_of", lambda face: np.full((81, 2), 5.0))
    options = ("--data", data, "--train", "FaceForensics++", "--out", tmp_path / "sheet.png")
    answer = assay("explain", "pseudofakes", "sbi", *options)
    assert answer.code == 2
    assert "no pseudo-fake 'sbi' can be made of FaceForensics++" in answer.err
    assert "3 or more pixels" in answer.err
    assert not (tmp_path / "sheet.png").exists()


def test_a_face_that_is_not_in_its_store_is_named(assay, tmp_path: Path):
    data = tmp_path / "data"
    write_ffpp(data)
    faces = stored_faces(data, "FaceForensics++", "dfb")
    key, (path,) = faces.rows["key"][0], set(faces.rows["store_path"])
    del faces  # a process opens a store either for reading or for writing
    gc.collect()
    with lmdb.open(path) as store, store.begin(write=True) as txn:
        assert txn.delete(key.encode())
    answer = assay(
        "explain", "pseudofakes", "--data", data, "--train", "FaceForensics++", "--out", tmp_path / "sheet.png"
    )
    assert answer.code == 2
    assert f"no value under '{key}'" in answer.err


def test_no_more_photographs_are_searched_than_are_shown(pictures: Path):
    faces = cut_out(pictures, 2)
    assert faces.rows["video_id"].tolist() == ["person_0", "person_1"]
    assert faces.landmarks(1).shape == (81, 2)
    assert not faces.is_loose


def test_the_page_names_every_composition_and_its_example_is_one(tmp_path: Path):
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `")]
    listed = {re.findall("`(.+?)`", row[0])[0]: re.findall("`(.+?)`", row[2]) for row in rows if len(row) == 3}
    assert listed == {
        name: [variant.partition("/")[2] for variant in variant_names(PseudoFakeConfig, name)]
        for name in config_names(PseudoFakeConfig)
    }
    mine = tmp_path / "mine.yaml"
    mine.write_text(page.split("```yaml\n")[1].split("```")[0])
    assert load_config(PseudoFakeConfig, mine / "soft").ratios == (0.5, 0.75)


def cut_out(folder: Path, count: int | None = None) -> Photographs:
    return photographs(folder, load_config(Profile, "dfb"), find_predictor(environ={}), count)
