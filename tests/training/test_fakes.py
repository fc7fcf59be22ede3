"""Batch recipes that make their fakes: what is in a batch, and what the images of a sample have in common."""

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from config.errors import InputError
from config.load import load_config
from config.processes import Group
from config.pseudofake import PseudoFakeConfig
from config.schema import DetectorConfig
from preprocessing.margins import tight_crop
from preprocessing.operators import flip, rotate, to_network_mask, to_network_size
from preprocessing.samples import BrokenSampleError, Sample
from tests.training.portraits import SIDE, PortraitFaces, make_rows
from tests.training.stand_in import make_config
from training import RECIPE
from training.data import EpochSampler, Loader
from training.fakes import targets

RECIPES = {"real_with_pseudofake": 2, "aligned_triplet": 3, "aligned_quadruplet": 4}
LABELS = {2: [0, 1], 3: [0, 1, 1], 4: [0, 1, 1, 1]}
UNJITTERED = "changes={colour: false, frequency: false}"
UNCHANGED = ["final={rgb: 0, hsv: 0, light: 0, jpeg: 0}"]


def settings(name: str = "sbi", *overrides: str) -> PseudoFakeConfig:
    return load_config(PseudoFakeConfig, name, overrides)


def config(
    recipe: str = "real_with_pseudofake", fake: PseudoFakeConfig | None = None, **keys: object
) -> DetectorConfig:
    defaults = {"dataset_type": recipe, "pseudofake": fake or settings(), "resolution": SIDE, "with_mask": True}
    return make_config(**({"train_batchSize": 12} | defaults | keys))


def recipe(name: str = "real_with_pseudofake", faces: PortraitFaces | None = None, **keys: object):
    return RECIPE[name](faces or PortraitFaces(), config(name, **keys))


@pytest.mark.parametrize(("name", "members"), RECIPES.items())
def test_a_batch_holds_all_reals_then_all_fakes_of_each_kind(name, members):
    made = recipe(name, with_landmark=True)
    batch = made.batches(np.random.default_rng(0))[0]
    assert len(batch) == 12 // members
    samples = [made.sample(index, np.random.default_rng(index)) for index in batch.tolist()]
    together = made.collate(samples)
    assert together["label"].tolist() == np.repeat(LABELS[members], len(batch)).tolist()
    assert together["mask"].shape == (12, 1, SIDE, SIDE)
    assert together["landmark"].shape == (12, 81, 2)
    for key, value in together.items():
        for number, sample in enumerate(samples):
            np.testing.assert_array_equal(value[number :: len(batch)], sample[key])


@pytest.mark.parametrize("name", RECIPES)
def test_an_epoch_shows_each_real_face_or_each_fake_once(name):
    faces = PortraitFaces(make_rows(people=4, frames=6))
    shown = np.concatenate(recipe(name, faces).batches(np.random.default_rng(0)))
    assert set(faces.labels[shown]) == {int(name == "aligned_quadruplet")}
    assert Counter(shown.tolist()) == Counter(set(shown.tolist()))
    assert len(shown) == 24


@pytest.mark.parametrize("name", RECIPES)
def test_real_and_fake_are_equal_outside_of_the_mask_and_differ_inside(name):
    made = recipe(name, fake=settings("sbi", *UNCHANGED, "ratios=[1]"))
    for seed in range(6):
        sample = made.sample(1 if name != "aligned_quadruplet" else 4, np.random.default_rng(seed))
        real = sample["image"][0]
        assert not sample["mask"][0].any()
        for fake, mask in zip(sample["image"][1:3], sample["mask"][1:3], strict=False):
            outside = mask[0] == 0
            np.testing.assert_array_equal(fake[outside], real[outside])
            assert (fake[mask[0] == 1] != real[mask[0] == 1]).any()


def test_what_an_image_has_of_a_deepfake_follows_its_kind():
    sample = recipe("aligned_quadruplet").sample(4, np.random.default_rng(0))
    assert sample["attributes"].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    inside = recipe(fake=settings("fia_usa", "reconstruction.super_resolution=0", "reconstruction.autoencoder=1"))
    assert inside.sample(0, np.random.default_rng(0))["attributes"].tolist() == [[0, 0, 0], [1, 0, 1]]


def test_the_deepfake_of_a_quadruplet_is_the_stored_face_beside_its_targets_face():
    faces = PortraitFaces()
    plain = settings("sbi", *UNCHANGED, UNJITTERED)
    made = recipe("aligned_quadruplet", faces, fake=plain, data_aug={"flip_prob": 0})
    sample = made.sample(4, np.random.default_rng(0))  # person 000's second fake frame
    np.testing.assert_array_equal(sample["image"][3], faces.read(4).image)
    np.testing.assert_array_equal(sample["image"][0], faces.read(1).image)
    np.testing.assert_array_equal(sample["mask"][3], np.ones((1, SIDE, SIDE)))


def test_all_images_are_mirrored_together_and_as_often_as_asked_for():
    faces = PortraitFaces()
    plain = settings("sbi", *UNCHANGED, UNJITTERED)
    made = recipe("aligned_quadruplet", faces, fake=plain, data_aug={"flip_prob": 0.5})
    mirrored = []
    for seed in range(60):
        images = made.sample(4, np.random.default_rng(seed))["image"]
        is_mirrored = np.array_equal(images[3], flip(faces.read(4).image))
        assert is_mirrored or np.array_equal(images[3], faces.read(4).image)
        assert np.array_equal(images[0], flip(faces.read(1).image)) == is_mirrored
        mirrored.append(is_mirrored)
    assert 0.3 < np.mean(mirrored) < 0.7
    still = recipe("aligned_quadruplet", faces, fake=plain, use_data_augmentation=False)
    assert all(
        np.array_equal(still.sample(4, np.random.default_rng(seed))["image"][3], faces.read(4).image)
        for seed in range(10)
    )


def test_a_mirrored_face_has_a_mirrored_mask():
    faces = PortraitFaces()
    fixed = settings("adfd_table2/global", *UNCHANGED, "mask.inner_prob=0", "boundary.kernel=1")
    fixed = fixed.model_copy(update={"displacement": settings("adfd_table5/no_affine").displacement})
    masks = [
        recipe(faces=faces, fake=fixed, data_aug={"flip_prob": flipped}).sample(0, np.random.default_rng(0))["mask"][1]
        for flipped in (0, 1)
    ]
    apart = masks[0][..., ::-1] != masks[1]
    assert masks[0].any()
    assert apart.mean() < 0.01  # pixels of the edge, where corners at half pixels are rounded the other way


def test_reconstructions_come_in_and_are_mirrored_with_the_face():
    class Shaded(PortraitFaces):
        def reconstruction(self, index: int, kind: str) -> np.ndarray:
            return np.tile(np.arange(SIDE, dtype=np.uint8)[None, :, None], (SIDE, 1, 3))

    plain = ["changes={colour: false, frequency: false}", "final={rgb: 0, hsv: 0, light: 0, jpeg: 0}"]
    fake = settings("fia_usa", *plain, "reconstruction={autoencoder: 1, super_resolution: 0}", "mask.mtms=[hull]")
    for flipped, expected in ((0, np.arange(SIDE)), (1, np.arange(SIDE)[::-1])):
        sample = recipe(faces=Shaded(), fake=fake, data_aug={"flip_prob": flipped}).sample(0, np.random.default_rng(0))
        rows, columns = np.nonzero(sample["mask"][1][0] == 1)
        assert (sample["image"][1][rows, columns, 0] == expected[columns]).all()
        assert len(columns) > 500


def test_a_partner_is_of_another_video():
    faces = PortraitFaces(make_rows(people=5, frames=4))
    made = recipe("aligned_triplet", faces)
    for face in np.flatnonzero(faces.labels == 0).tolist():
        drawn = {made.partners.draw(face, np.random.default_rng(seed)) for seed in range(30)}
        assert len(drawn) == made.settings.nearest
        assert faces.rows["video_id"].iloc[face] not in set(faces.rows["video_id"].iloc[list(drawn)])
        assert set(faces.labels[list(drawn)]) == {0}


@pytest.mark.parametrize("name", RECIPES)
def test_loose_crops_are_cut_alike_for_all_images(name):
    plain = settings("sbi", *UNCHANGED, "ratios=[1]")
    made = recipe(name, PortraitFaces(is_loose=True), fake=plain, resolution=64)
    for seed in range(4):
        sample = made.sample(4 if name == "aligned_quadruplet" else 1, np.random.default_rng(seed))
        outside = sample["mask"][1][0] == 0
        assert sample["image"].shape == (RECIPES[name], 64, 64, 3)
        assert outside.any()
        apart = np.abs(sample["image"][0].astype(int) - sample["image"][1])[outside]
        assert np.quantile(apart, 0.9) <= 1  # both were resized, which carries the fake's inside outwards


def test_a_hole_is_a_share_of_what_is_seen_of_a_loose_crop():
    class White(PortraitFaces):
        def read(self, index: int) -> Sample:
            face = super().read(index)
            return replace(face, image=np.full_like(face.image, 255))

    still = ["changes={colour: false, frequency: false}", "displacement={affine: false, elastic: false}"]
    fake = settings("sbi", *UNCHANGED, *still, "final.cutout=1")
    made = recipe(faces=White(is_loose=True), fake=fake, resolution=64)
    sides = []
    for seed in range(60):
        sample = made.sample(0, np.random.default_rng(seed))
        black = (sample["image"] < 128).all(axis=-1)
        np.testing.assert_array_equal(black[0], black[1])
        sides += [black[0].any(axis=0).sum(), black[0].any(axis=1).sum()]
    assert max(sides) <= 17  # a quarter, and what rounding adds
    assert np.mean(sides) == pytest.approx(8, abs=2)


@pytest.mark.parametrize("is_loose", [False, True])
def test_all_images_turn_together_with_landmarks_and_masks_about_the_middle_of_what_is_seen(is_loose):
    faces, degrees = PortraitFaces(is_loose=is_loose), []
    fakes = [settings("sbi", *UNCHANGED, UNJITTERED, f"final.rotate={on}") for on in (0, 1)]
    keys = {"data_aug": {"flip_prob": 0}, "margins": {"train": (0.1, 0.1)}, "with_landmark": True}
    made = [recipe("aligned_quadruplet", faces, fake=fake, **keys) for fake in fakes]
    for seed in range(6):
        still, turned = (one.sample(4, np.random.default_rng(seed)) for one in made)
        for row, index in ((0, 1), (3, 4)):  # both show a stored face as it is
            face = tight_crop(faces.read(index), [0.1] * 4) if is_loose else faces.read(index)
            by = angle(still["landmark"][row], turned["landmark"][row], *face.image.shape[:2])
            expected = to_network_size(rotate(face.image, by), SIDE)
            assert np.abs(turned["image"][row].astype(int) - expected).max() <= 1  # the angle has lost some decimals
            degrees.append(by)
        assert degrees[-2] == pytest.approx(degrees[-1], abs=1e-3)
        if not is_loose:
            before = np.rint(255 * still["mask"][1][0]).astype(np.uint8)
            apart = turned["mask"][1] != to_network_mask(rotate(before, by, cv2.INTER_NEAREST), SIDE)
            assert apart.mean() < 1e-3
    assert -10 < min(degrees) < -1
    assert 1 < max(degrees) < 10


def angle(before: np.ndarray, after: np.ndarray, height: int, width: int) -> float:
    """Degrees counter-clockwise about the middle of a crop of this size by which a network's landmarks were turned."""
    scale, middle = SIDE / np.array([width, height]), (np.array([width, height]) - 1) / 2
    planes = [((points + 0.5) / scale - 0.5 - middle) @ [1, -1j] for points in (before, after)]
    turns = planes[1] / planes[0]
    np.testing.assert_allclose(turns, turns.mean(), atol=1e-3)
    assert abs(turns.mean()) == pytest.approx(1, abs=1e-5)
    return float(np.angle(turns.mean(), deg=True))


@pytest.mark.parametrize("name", RECIPES)
def test_batches_are_the_same_with_any_number_of_processes_and_workers(name):
    faces = PortraitFaces(make_rows(people=4, frames=2))

    def batches(workers: int) -> list[dict]:
        loader = Loader(recipe(name, faces), seed=3, workers=workers)
        return [{key: value.clone() for key, value in batch.items()} for batch in loader.epoch(1)]

    alone, with_worker = batches(0), batches(1)
    for first, second in zip(alone, with_worker, strict=True):
        assert all((first[key] == second[key]).all() for key in first)


@pytest.mark.parametrize("name", RECIPES)
def test_processes_share_a_batch_by_whole_samples(name):
    faces = PortraitFaces(make_rows(people=4, frames=2))
    made = recipe(name, faces, train_batchSize=24)
    shares = [next(iter(EpochSampler(made, 3, Group(rank, 2)))) for rank in range(2)]
    alone = next(iter(EpochSampler(made, 3)))
    assert sorted(shares[0] + shares[1]) == sorted(alone)
    assert len(shares[0]) == len(shares[1]) == len(alone) // 2


@pytest.mark.parametrize(
    ("name", "keys", "sentence"),
    [
        ("real_with_pseudofake", {"pseudofake": None}, "needs a pseudofake, such as sbi"),
        ("real_with_pseudofake", {"train_batchSize": 7}, "needs a multiple of 2, not 7"),
        ("frames", {}, "batch recipe 'frames' makes no fakes; .* such as real_with_pseudofake"),
        ("aligned_triplet", {"train_batchSize": 8}, "needs a multiple of 3, not 8"),
        ("aligned_quadruplet", {"train_batchSize": 6}, "needs a multiple of 4, not 6"),
    ],
)
def test_what_cannot_be_batched_is_refused(name, keys, sentence):
    with pytest.raises(InputError, match=sentence):
        RECIPE[name](PortraitFaces(), config(name).model_copy(update=keys))


@pytest.mark.parametrize(
    ("name", "rows", "sentence"),
    [
        ("real_with_pseudofake", make_rows().query("label == 1"), "no training face is real"),
        ("aligned_triplet", make_rows(people=1, fakes=False), "of 3 faces there are 0 of others"),
        ("aligned_quadruplet", make_rows(fakes=False), "needs fakes whose target's own video"),
        (
            "aligned_quadruplet",
            make_rows().query("video_id != 'x' and (label == 1 or identity_target > '9')"),
            "no .*real",
        ),
    ],
)
def test_faces_that_do_not_do_are_refused(name, rows, sentence):
    with pytest.raises(InputError, match=sentence):
        RECIPE[name](PortraitFaces(rows.reset_index(drop=True)), config(name))


def test_landmarks_that_cannot_be_read_are_one_sentence():
    class Damaged(PortraitFaces):
        def landmarks(self, index: int) -> np.ndarray:
            raise BrokenSampleError("the_lmdb: no value under 'x.npy'")

    with pytest.raises(InputError, match="those of a face cannot be read: the_lmdb: no value"):
        recipe("aligned_triplet", Damaged())


def test_a_fake_goes_with_the_nearest_frame_of_its_targets_one_video():
    rows = make_rows(people=3, frames=2)  # reals at frames 0 and 10, fakes at 1 and 11
    found = targets(rows)
    fakes = rows["label"] == 1
    assert (found[~fakes] == -1).all()
    paired = rows.iloc[found[fakes]]
    assert paired["identity_target"].tolist() == rows.loc[fakes, "identity_target"].tolist()
    assert paired["frame"].tolist() == [0, 10] * 3
    assert (paired["label"] == 0).all()


def test_a_fake_without_one_target_is_left_out_and_counted(caplog):
    rows = make_rows(people=3, frames=2)
    second = rows[(rows["identity_target"] == "001") & (rows["label"] == 0)].assign(video_id="FF/real/001_again")
    rows = pd.concat([rows[(rows["identity_target"] != "000") | (rows["label"] == 1)], second], ignore_index=True)
    made = recipe("aligned_quadruplet", PortraitFaces(rows))
    assert set(rows["identity_target"].iloc[np.concatenate(made.batches(np.random.default_rng(0)))]) == {"002"}
    assert "4 of 6 fake faces are left out" in caplog.text


def test_other_compressions_and_data_sets_are_not_mixed():
    rows = make_rows(people=2, frames=1)
    rows.loc[rows["label"] == 1, "compression"] = "c40"
    assert (targets(rows) == -1).all()
    rows = make_rows(people=2, frames=1)
    rows.loc[rows["label"] == 1, "video_id"] = "DFD/x"
    assert (targets(rows) == -1).all()
