"""The substitutes: how they are trained and measured, and that the committed files are what their card says."""

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from preprocessing.clips import Image
from preprocessing.reconstruction import autoencoder, super_resolution
from preprocessing.reconstruction.autoencoder import load_autoencoder
from preprocessing.reconstruction.substitutes import SmallAutoencoder
from preprocessing.reconstruction.super_resolution import load_super_resolver
from preprocessing.reconstruction.train import (
    Settings,
    aligned,
    loss,
    main,
    measure,
    patches,
    psnr,
    resample,
    run,
    sharpness,
    train,
    write,
)
from preprocessing.train_landmarks import read_labels, split_identities
from tests.faces import still

CPU = torch.device("cpu")
TINY = Settings(steps=12, batch=2, patch=32, crop=64)
ASSETS = Path(__file__).resolve().parents[3].parent / "shared" / "assets" / "faces"
COMMITTED = (autoencoder.SUBSTITUTE, super_resolution.SUBSTITUTE)


def report(path: Path) -> dict:
    return json.loads(path.with_suffix(".json").read_text())


def stills(count: int = 4, side: int = 256) -> list[Image]:
    """GAN faces, of which none was trained on."""
    return [cv2.resize(still(number)[..., ::-1], (side, side), interpolation=cv2.INTER_AREA) for number in range(count)]


def test_psnr_is_that_of_a_constant_error():
    image = np.full((4, 5, 3), 100, np.uint8)
    assert psnr(image + 5, image) == pytest.approx(20 * np.log10(255 / 5))


def test_blur_costs_sharpness():
    face = stills(1)[0]
    blurred = cv2.GaussianBlur(face, (0, 0), 1.0)
    assert sharpness(blurred) < 0.5 * sharpness(face)


def test_the_loss_weighs_pixels_and_edges():
    wanted = torch.zeros(1, 1, 2, 2)
    made = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])  # half of the pixels off by 1, both edges across, none down
    assert loss(made, wanted, 0).item() == pytest.approx(0.5)
    assert loss(made, wanted, 2).item() == pytest.approx(0.5 + 2 * 1)
    assert loss(made + 3, made, 9).item() == pytest.approx(3)  # another level has the same edges


def test_squares_come_from_the_faces_and_repeat_themselves():
    faces = [np.full((64, 64, 3), level, np.uint8) for level in (50, 200)]
    one, two = (patches(faces, TINY, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == (2, 3, 32, 32)
    assert {round(value.item() * 255) for value in one.flatten(1)[:, 0]} <= {50, 200}


def test_training_learns():
    torch.manual_seed(0)
    network = SmallAutoencoder()
    faces = stills(2, 64)
    before = measure_loss(network, faces)
    train(network, faces, replace(TINY, steps=30), reduced=1, rng=np.random.default_rng(0))
    assert measure_loss(network, faces) < 0.8 * before


def measure_loss(network: nn.Module, faces: list[Image]) -> float:
    images = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        return loss(network(images), images, 1).item()


def labels_and_pictures(folder: Path) -> Path:
    """Photographs of five people with made-up landmarks."""
    (folder / "real_congress_pd").mkdir()
    labels = {}
    rng = np.random.default_rng(0)
    for number in range(5):
        name = f"real_congress_pd/{number:03d}.png"
        cv2.imwrite(str(folder / name), still(number))
        labels[name] = rng.uniform(100, 300, (81, 2)).round().tolist()
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder / "labels.json"


def test_the_script_writes_what_loads_and_repeats_itself(tmp_path: Path):
    labels = labels_and_pictures(tmp_path)
    results = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        results.append(run(labels, tmp_path, tmp_path / name, replace(TINY, steps=4)))
    for path in COMMITTED:
        one, two = ((tmp_path / name / path.name).read_bytes() for name in ("one", "two"))
        assert one == two
        assert set(results[0][path.stem]) == set(report(path))
    assert load_autoencoder(tmp_path / "one" / COMMITTED[0].name, CPU).model.is_substitute
    assert load_super_resolver(tmp_path / "one" / COMMITTED[1].name, CPU).model.is_substitute


def test_a_missing_file_of_labels_ends_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as error:
        main(["--labels", str(tmp_path / "x"), "--images", str(tmp_path), "--out", str(tmp_path)])
    assert error.value.code == 2
    assert "cannot be read as a JSON" in capsys.readouterr().err


def test_weights_are_stored_in_half_precision(tmp_path: Path):
    network = nn.Conv2d(3, 3, 1)
    write(network, tmp_path / "x.safetensors")
    assert tmp_path.joinpath("x.safetensors").stat().st_size < 12 * 4 + 200


@pytest.mark.parametrize("load", [load_autoencoder, load_super_resolver])
def test_the_committed_networks_reconstruct_faces_that_they_have_not_seen(load):
    """Close, smoother than the face, and far from a mere blur."""
    figures = measure(load(None, CPU), stills())
    assert figures["PSNR, mean (dB)"] > 28
    assert 0.3 < figures["Laplacian kept"] < 1


def test_the_committed_upscaler_earns_its_place():
    learned = measure(load_super_resolver(None, CPU), stills())
    plain = measure(partial(resample, cv2.INTER_CUBIC), stills())
    for figure in ("PSNR, mean (dB)", "Laplacian kept"):
        assert learned[figure] > plain[figure]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_model_card_quotes_the_report(path: Path):
    about, card = report(path), (path.parent / "RECONSTRUCTORS.md").read_text()
    for name, figures in about["held out"].items():
        row = [
            figures[key] for key in ("PSNR, mean (dB)", "PSNR, lowest of twenty (dB)", "Laplacian kept", "ms per face")
        ]
        assert f"| {name} | {' | '.join(map(str, row))} |" in card
    for key, value in about["settings"].items():
        if key != "sources":
            assert f"`{key}` {value}" in card
    assert about["bytes"] == path.stat().st_size < 1.5e6
    assert about["settings"] == json.loads(json.dumps(asdict(Settings())))  # the defaults make the committed model


@pytest.mark.assets
@pytest.mark.skipif(not ASSETS.is_dir(), reason="needs ../shared/assets/faces, the labelled photographs")
@pytest.mark.parametrize(("load", "name"), [(load_autoencoder, "autoencoder"), (load_super_resolver, "upscaler")])
def test_the_committed_networks_are_as_good_as_their_report_says(load, name: str):
    settings = Settings()
    labels = read_labels(ASSETS / "landmarks81.json", settings.sources)
    _, held_out = split_identities(labels, settings.held_out, np.random.default_rng(settings.seed))
    faces = [aligned(cv2.imread(str(ASSETS / one))[..., ::-1], labels[one], settings.crop) for one in held_out]
    reconstructor = load(None, CPU)
    stated = report(COMMITTED[name == "upscaler"])["held out"][name]["PSNR, mean (dB)"]
    assert np.mean([psnr(reconstructor(face), face) for face in faces]) == pytest.approx(stated, abs=0.02)
