"""`assay explain pseudofakes --grid`: each mask and each source of a composition, with the same draws."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.explain.grid import by_mask, by_source, fake_grid
from benchmark.explain.material import Material, open_material
from config.load import load_config
from config.pseudofake import LAL_KINDS, MTMS_KINDS, PseudoFakeConfig
from tests.faces import still
from training.pseudofakes.compose import make_pseudo_fake

NO_NETWORK = ["reconstruction.autoencoder=0", "reconstruction.super_resolution=0"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        cv2.imwrite(str(folder / f"person_{number}.png"), still(number))
    return folder


def material(pictures: Path, composition: str) -> Material:
    return open_material(
        [composition],
        faces=pictures,
        data=pictures,
        train=None,
        profile="dfb",
        landmarks=None,
        rows=1,
        overrides=(),
        device="cpu",
    )


@pytest.fixture(scope="module")
def of_fia_usa(pictures: Path) -> Material:
    return material(pictures, "fia_usa")


@pytest.mark.parametrize(
    ("name", "masks", "sources"),
    [
        ("fia_usa", MTMS_KINDS, ("autoencoder", "super_resolution", "the face itself")),
        ("fia_usa/wo_sr", MTMS_KINDS, ("autoencoder", "the face itself")),
        ("fia_usa/wo_mtms", ("hull",), ("autoencoder", "super_resolution", "the face itself")),
        ("sbi", LAL_KINDS, ("the face itself",)),
        ("adfd", LAL_KINDS, ("the face itself",)),
        ("cbi", LAL_KINDS, ("a partner",)),
        ("adfd_table2/local", ("local",), ("the face itself",)),
    ],
)
def test_masks_and_sources_are_those_that_a_composition_draws_from(name: str, masks, sources):
    settings = load_config(PseudoFakeConfig, name)
    assert tuple(by_mask(settings)) == masks
    assert tuple(by_source(settings)) == sources


def test_a_source_that_is_always_a_network_leaves_none_for_the_face_itself():
    settings = load_config(PseudoFakeConfig, "fia_usa", ["reconstruction.autoencoder=0.8"])
    assert tuple(by_source(settings)) == ("autoencoder", "super_resolution")


def test_a_row_differs_by_its_source_and_a_column_by_its_mask_alone(of_fia_usa: Material):
    columns, (group,) = fake_grid(of_fia_usa, 1, 2)
    assert columns == ["mask", "autoencoder", "super_resolution", "the face itself"]
    assert group.labels == ["what comes in", "hull", "rectangle", "eyes", "mouth", "eyes mouth"]
    face = of_fia_usa.faces.read(0)
    empty, *sources = group.images[0]
    assert empty is None
    np.testing.assert_array_equal(sources[0], of_fia_usa.reconstructions.of(0, "autoencoder"))
    np.testing.assert_array_equal(sources[1], of_fia_usa.reconstructions.of(0, "super_resolution"))
    np.testing.assert_array_equal(sources[2], face.image)
    for kind, (mask, *fakes) in zip(MTMS_KINDS, group.images[1:], strict=True):
        for fake in fakes[:2]:
            np.testing.assert_array_equal(fake[mask == 0], fakes[2][mask == 0])
            assert (fake[mask > 0.5] != fakes[2][mask > 0.5]).any()
        settings = load_config(PseudoFakeConfig, "fia_usa", [*NO_NETWORK, f"mask.mtms=[{kind}]"])
        made = make_pseudo_fake(face.image, face.landmark, settings, np.random.default_rng([2, 0]), apart=True)
        np.testing.assert_array_equal(fakes[2], made.fake)
        np.testing.assert_array_equal(mask, made.mask)
    nowhere = np.all([rows[0] == 0 for rows in group.images[1:]], axis=0)
    assert nowhere.mean() > 0.2
    for column in range(1, 4):
        assert len({rows[column][nowhere].tobytes() for rows in group.images[1:]}) == 1


@pytest.mark.parametrize("name", ["cbi", "i2g", "fwa"])
def test_compositions_of_other_papers_have_a_grid_too(pictures: Path, name: str):
    opened = material(pictures, name)
    columns, (group,) = fake_grid(opened, 1, 0)
    assert all(len(row) == len(columns) for row in group.images)
    assert len(group.images) == len(group.labels) == 1 + len(by_mask(opened.settings[name]))


def test_the_command_draws_the_grid_of_one_composition(assay, pictures: Path, tmp_path: Path):
    out = tmp_path / "grid.jpg"
    options = ("--faces", pictures, "--grid", "--rows", 1, "--out", out)
    answer = assay("explain", "pseudofakes", "fia_usa", "--set", "mask.mtms=[eyes]", *options)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(
        f"{out}: fia_usa\nFaces: {pictures.name}; autoencoder: small autoencoder, a substitute"
    )
    assert out.read_bytes().startswith(b"\xff\xd8\xff")
    answer = assay("explain", "pseudofakes", "fia_usa", "sbi", *options)
    assert (answer.code, answer.err) == (2, "assay: --grid: expected one composition, not 2; their columns differ\n")
