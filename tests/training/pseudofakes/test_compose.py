"""Pseudo-fakes of every composition that ships, on real pictures' faces: what holds for all and what for each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, binary_erosion

from config.errors import InputError
from config.load import config_names, load_config, variant_names
from config.pseudofake import LAL_KINDS, MTMS_KINDS, Draw, PseudoFakeConfig
from config.schema import Profile
from preprocessing.clips import Image
from preprocessing.faces import Face, FaceCropper
from preprocessing.landmarks import find_predictor
from tests.faces import still
from training.errors import PseudoFakeError
from training.pseudofakes import compose
from training.pseudofakes.blend import transfer_colour
from training.pseudofakes.blur import BoundaryBlur, blur_boundary
from training.pseudofakes.compose import Attributes, PseudoFake, make_pseudo_fake
from training.pseudofakes.masks import FEATURES, hull_mask, lal_mask, local_mask, mtms_mask

COMPOSITIONS = [
    name for preset in config_names(PseudoFakeConfig) for name in (preset, *variant_names(PseudoFakeConfig, preset))
]
BLENDED, SWAPPED = Attributes(), Attributes(identity=True)
GENERATED = Attributes(generative=True)
UNMOVED = ("displacement.affine=false", "displacement.elastic=false")
ALL_POINTS = "mask.inner_prob=0"
ROUNDING = 0.51  # levels: half of one, and what float32 adds


@dataclass(frozen=True, slots=True)
class Material:
    """A face, and what compositions may ask for beside it."""

    image: Image
    landmarks: np.ndarray
    partner: Image

    def make(self, composition: str | PseudoFakeConfig, seed: int = 0, *overrides: str) -> PseudoFake:
        config = composition
        if isinstance(config, str):
            config = load_config(PseudoFakeConfig, config, overrides)
        rng = np.random.default_rng(seed)
        return make_pseudo_fake(
            self.image, self.landmarks, config, rng, partner=self.partner, reconstruct=self.reconstruct
        )

    def reconstruct(self, kind: str) -> Image:
        """Stands for a network; each kind changes every pixel, and differently."""
        return cv2.flip(self.image, 1) if kind == "autoencoder" else 255 - self.image

    def copies(self) -> list[np.ndarray]:
        return [self.image.copy(), self.landmarks.copy(), self.partner.copy()]

    def reduced(self, size: int) -> "Material":
        images = (cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in (self.image, self.partner))
        image, partner = images
        return Material(image, self.landmarks * size / self.image.shape[0], partner)


@pytest.fixture(scope="module")
def faces() -> list[Material]:
    """Three pictures' faces in crops of 256 pixels, each with the next one as its partner."""
    profile = load_config(Profile, "dfb").model_copy(update={"mode": "fast"})
    cropper = FaceCropper(profile, find_predictor(environ={}))
    found = [face for face in (cropper.crop(still(number)) for number in range(3)) if isinstance(face, Face)]
    crops = [cv2.cvtColor(face.crop, cv2.COLOR_BGR2RGB) for face in found]
    return [
        Material(crop, face.landmarks, crops[number - 1])
        for number, (crop, face) in enumerate(zip(crops, found, strict=True))
    ]


@pytest.fixture
def face(faces) -> Material:
    return faces[0]


def made_often(face: Material, composition: str, times: int, *overrides: str) -> Iterator[PseudoFake]:
    config = load_config(PseudoFakeConfig, composition, overrides)
    return (face.make(config, seed) for seed in range(times))


def pixels_of(made: PseudoFake) -> list[np.ndarray]:
    return [made.fake, made.real, made.source, made.mask]


def box_of(made: PseudoFake, rim: int = 0) -> tuple[slice, slice]:
    """Around the mask, outside of which no source is shown, and so many pixels further in."""
    rows, columns = (np.flatnonzero(made.mask.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0] + rim, rows[-1] + 1 - rim), slice(columns[0] + rim, columns[-1] + 1 - rim)


def same(first: PseudoFake, second: PseudoFake) -> bool:
    said = [(made.region, made.ratio, made.attributes) for made in (first, second)]
    return said[0] == said[1] and all(
        np.array_equal(*pair) for pair in zip(pixels_of(first), pixels_of(second), strict=True)
    )


def assert_is_a_blend(made: PseudoFake, shape: tuple[int, int]) -> None:
    """What holds for any pseudo-fake of an image of this height and width."""
    assert made.mask.dtype == np.float32
    assert made.mask.shape == shape
    assert 0 <= made.mask.min() <= made.mask.max() <= 1
    for image in (made.fake, made.real, made.source):
        assert image.dtype == np.uint8
        assert image.shape == (*shape, 3)
    np.testing.assert_array_equal(made.fake[made.mask == 0], made.real[made.mask == 0])
    whole = made.mask * np.float32(made.ratio) == 1
    np.testing.assert_array_equal(made.fake[whole], made.source[whole])
    assert (made.fake >= np.minimum(made.source, made.real)).all()
    assert (made.fake <= np.maximum(made.source, made.real)).all()


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_every_composition_is_a_blend_that_its_seed_decides(faces, composition):
    config = load_config(PseudoFakeConfig, composition)
    changed = 0
    for seed, face in enumerate(faces):
        before = face.copies()
        made = face.make(config, seed)
        assert_is_a_blend(made, face.image.shape[:2])
        assert made.ratio in config.ratios
        assert same(made, face.make(config, seed))
        assert not np.array_equal(made.mask, face.make(config, seed + 10).mask) or config.mask.kind == "mtms"
        changed += not np.array_equal(made.fake, made.real)
        for value, old in zip((face.image, face.landmarks, face.partner), before, strict=True):
            np.testing.assert_array_equal(value, old)
    assert changed


def test_the_order_of_calls_changes_nothing(face):
    names = ["sbi", "cbi", "adfd", "fia_usa", "fwa", "i2g"]
    there = [face.make(name, seed) for seed, name in enumerate(names)]
    back = [face.make(name, seed) for seed, name in reversed(list(enumerate(names)))][::-1]
    assert all(same(*pair) for pair in zip(there, back, strict=True))


@pytest.mark.parametrize("composition", ["sbi", "adfd", "cbi", "fia_usa"])
def test_other_seeds_give_other_fakes(face, composition):
    fakes = {made.fake.tobytes() for made in made_often(face, composition, 12)}
    assert len(fakes) == 12


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_a_face_that_nothing_happens_to_is_its_own_fake(face, composition):
    config = load_config(PseudoFakeConfig, composition)
    nothing = PseudoFakeConfig.model_validate(
        {
            **config.model_dump(),
            "source": "self",
            "reconstruction": {},
            "face_sizes": None,
            "changes": {"colour": False, "frequency": False},
            "displacement": {"affine": False, "elastic": False},
        }
    )
    made = face.make(nothing, 3)
    np.testing.assert_array_equal(made.fake, face.image)
    np.testing.assert_array_equal(made.real, face.image)
    assert made.mask.any()


@pytest.mark.parametrize("composition", ["sbi", "adfd", "cbi"])
@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75])
def test_the_ratio_scales_the_difference(face, composition, ratio):
    whole, part = (face.make(composition, 5, f"ratios=[{value}]") for value in (1.0, ratio))
    np.testing.assert_array_equal(part.mask, whole.mask)
    np.testing.assert_array_equal(part.real, whole.real)
    difference = whole.fake.astype(float) - whole.real
    assert np.abs(difference).max() > 20
    error = np.abs(part.fake.astype(float) - part.real - ratio * difference)
    assert error.max() <= ROUNDING * (1 + ratio)


def test_ratios_come_as_often_as_they_are_listed(face):
    small, times = face.reduced(64), 600
    drawn = Counter(made.ratio for made in made_often(small, "sbi", times))
    assert set(drawn) == {0.25, 0.5, 0.75, 1.0}
    for ratio, share in ((0.25, 1 / 6), (0.5, 1 / 6), (0.75, 1 / 6), (1.0, 1 / 2)):
        assert drawn[ratio] / times == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / times))
    assert {made.ratio for made in made_often(small, "adfd_table7/alpha", 20)} == {1.0}


def test_what_has_each_attribute(face):
    seen = {name: {made.attributes for made in made_often(face.reduced(48), name, 20)} for name in COMPOSITIONS}
    for name, attributes in seen.items():
        preset = name.partition("/")[0]
        expected = {"cbi": {SWAPPED}, "i2g": {SWAPPED}, "fia_usa": {BLENDED, GENERATED}}
        assert attributes == expected.get(preset, {BLENDED}), name


def test_the_region_says_which_mask_was_drawn(face):
    """Without blur and displacement the mask is that region's, drawn again from its name."""
    shape, plain = face.image.shape[:2], (*UNMOVED, ALL_POINTS, "boundary.kernel=1")
    for made in made_often(face, "adfd_table2/lal_or_local", 20, *plain):
        if made.region in LAL_KINDS:
            expected = lal_mask(made.region, face.landmarks, shape)
        else:
            expected = local_mask(made.region.split(", "), face.landmarks, shape, Draw())
        np.testing.assert_array_equal(made.mask, expected)
    assert {made.region for made in made_often(face, "fia_usa", 60)} == set(MTMS_KINDS)
    assert {made.region for made in made_often(face, "fwa", 3)} == {"hull"}
    for made in made_often(face, "adfd", 10):
        whole, _, features = made.region.partition("; ")
        assert whole in LAL_KINDS
        assert set(features.split(", ")) <= set(FEATURES)


# Changes of source and target (ADFD, Tables 5 and 6)


def test_who_is_changed(face):
    """Without displacement the source shows the image itself where nothing was done to it."""
    changed = {
        applied_to: {
            (
                not np.array_equal(made.source[box_of(made)], face.image[box_of(made)]),
                not np.array_equal(made.real, face.image),
            )
            for made in made_often(face, f"adfd_table6/{applied_to}", 20, *UNMOVED)
        }
        for applied_to in ("source", "target", "both", "either")
    }
    assert changed["source"] == {(True, False)}
    assert changed["target"] == {(False, True)}
    assert changed["both"] == {(True, True)}
    assert changed["either"] == {(True, False), (False, True)}


def test_source_and_mask_move_alike(face):
    """An image that is white where its face is shows where the source has gone; the hull of all, where the mask has."""
    hull = hull_mask(face.landmarks, face.image.shape[:2], Draw())
    white = np.dstack([(hull * 255).astype(np.uint8)] * 3)
    options = ("boundary.kernel=1", "mask.kind=hull", ALL_POINTS, "changes.colour=false", "changes.frequency=false")
    shares = []
    for seed in range(10):
        made = Material(white, face.landmarks, face.partner).make("sbi", seed, "displacement.elastic=false", *options)
        shown, inside, before = made.source[..., 0] > 127, made.mask == 1, hull == 1
        assert (shown & inside).sum() > 0.98 * (shown | inside).sum()
        shares.append((before & inside).sum() / (before | inside).sum())
    assert np.mean(shares) < 0.97


def test_the_elastic_part_moves_the_mask_alone(face):
    hull = hull_mask(face.landmarks, face.image.shape[:2], Draw())
    options = ("boundary.kernel=1", "mask.kind=hull", ALL_POINTS, "changes.applied_to=target")
    made = face.make("sbi", 0, "displacement.affine=false", *options)
    np.testing.assert_array_equal(made.source[box_of(made)], face.image[box_of(made)])
    assert 0.95 < (made.mask * hull).sum() / np.maximum(made.mask, hull).sum() < 1


def test_without_displacement_the_mask_stays_on_the_face(face):
    config = load_config(PseudoFakeConfig, "adfd_table5/no_affine", ["mask.kind=hull", "boundary.kernel=3"])
    hull = hull_mask(face.landmarks, face.image.shape[:2], Draw())
    inner = hull_mask(face.landmarks[:68], face.image.shape[:2], Draw())
    for seed in range(6):
        inside = face.make(config, seed).mask == 1
        assert np.array_equal(inside, hull) or np.array_equal(inside, inner)


def test_lal_or_local_is_either_half_of_the_time(face):
    """The landmark library's masks have the chin; features are too far from it."""
    x, y = face.landmarks[8]
    times, options = 200, (*UNMOVED, "boundary.kernel=1")
    chins = [made.mask[y, x] for made in made_often(face, "adfd_table2/lal_or_local", times, *options)]
    assert set(chins) == {0, 1}
    assert np.mean(chins) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / times))


# FIA-USA


@pytest.mark.parametrize(
    ("variant", "autoencoder", "super_resolution"),
    [("", 0.3, 0.2), ("/wo_sr", 0.3, 0.0), ("/wo_ae", 0.0, 0.2), ("/two_draws", 0.3, 0.14)],
)
def test_reconstructions_come_as_often_as_configured(face, variant, autoencoder, super_resolution):
    small, times, asked = face.reduced(48), 800, Counter[str]()
    config = load_config(PseudoFakeConfig, "fia_usa" + variant)

    def reconstruct(kind: str) -> Image:
        asked[kind] += 1
        return small.reconstruct(kind)

    for seed in range(times):
        before = asked.total()
        rng = np.random.default_rng(seed)
        made = make_pseudo_fake(small.image, small.landmarks, config, rng, reconstruct=reconstruct)
        assert asked.total() - before == made.attributes.generative
    for kind, share in (("autoencoder", autoencoder), ("super_resolution", super_resolution)):
        assert asked[kind] / times == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / times))


def test_the_reconstruction_comes_in_inside_the_mask_and_outside_of_it_by_algorithm_1(face):
    """One draw decides kind, region, changes and kernels of both, so they differ in nothing but the side."""
    always = ("reconstruction.super_resolution=0", "reconstruction.autoencoder=1", "changes.applied_to=source")
    for seed in range(8):
        inside, outside = (face.make(name, seed, *always) for name in ("fia_usa", "fia_usa/algorithm_1"))
        box = box_of(inside)
        apart = np.abs(inside.source[box].astype(int) - outside.source[box])  # OpenCV's HSV differs at the ends of rows
        assert apart.mean() < 0.5
        np.testing.assert_array_equal(inside.real, outside.real)
        np.testing.assert_array_equal(outside.mask, 1 - inside.mask)
        far = inside.mask == 0
        np.testing.assert_array_equal(inside.fake[far], face.image[far])
        np.testing.assert_array_equal(outside.fake[far], outside.source[far])
        assert (outside.fake[far] != face.image[far]).any(axis=-1).mean() > 0.5


def test_the_macro_mask_alone(face):
    """Without eroding and softening, of every hull what is left is the hull itself."""
    hull = hull_mask(face.landmarks, face.image.shape[:2], Draw())
    for made in made_often(face, "fia_usa/wo_mtms", 10, "boundary.kernel=1"):
        np.testing.assert_array_equal(made.mask, hull)


@pytest.mark.parametrize("region", ["eyes", "mouth", "eyes_mouth"])
@pytest.mark.parametrize("size", [256, 96])
def test_micro_masks_are_not_eroded_away(face, region, size):
    face = face.reduced(size)
    hard = mtms_mask(region, face.landmarks, face.image.shape[:2], Draw()).astype(bool)
    for made in made_often(face, "fia_usa", 20, f"mask.mtms=[{region}]"):
        assert made.mask[hard].mean() > 0.6
        assert (made.mask > 0.5).sum() > 0.8 * hard.sum()


def test_macro_masks_are_eroded(face):
    hull = hull_mask(face.landmarks, face.image.shape[:2], Draw()).astype(bool)
    sizes = [(made.mask > 0.99).sum() / hull.sum() for made in made_often(face, "fia_usa/wo_mtms", 20)]
    assert max(sizes) < 1


@pytest.mark.parametrize(
    ("composition", "missing", "sentence"),
    [
        ("cbi", "partner", "needs a partner's face"),
        ("i2g", "partner", "needs a partner's face"),
        ("fia_usa", "autoencoder", "needs the face's reconstruction 'autoencoder'"),
        ("fia_usa", "super_resolution", "needs the face's reconstruction 'super_resolution'"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(face, composition, missing, sentence):
    config = load_config(PseudoFakeConfig, composition)
    if missing != "partner":
        config = config.model_copy(update={"reconstruction": type(config.reconstruction)(**{missing: 1.0})})
    with pytest.raises(InputError, match=sentence) as raised:
        make_pseudo_fake(face.image, face.landmarks, config, np.random.default_rng(0))
    assert not isinstance(raised.value, PseudoFakeError)  # another draw of the mask would not help


# Partners: CBI and I2G


@pytest.mark.parametrize("shape", [(100, 140), (300, 256), (512, 512)])
def test_a_partner_of_another_size_is_brought_to_the_faces(face, shape):
    config = load_config(PseudoFakeConfig, "cbi", ["colour_transfer=false", "displacement.affine=false"])
    partner = cv2.resize(face.partner, shape[::-1])
    made = make_pseudo_fake(face.image, face.landmarks, config, np.random.default_rng(0), partner=partner)
    assert_is_a_blend(made, face.image.shape[:2])
    assert np.abs(made.source.astype(float) - face.partner)[box_of(made)].mean() < 5


def test_i2g_is_a_partner_in_the_faces_colours_under_an_elastic_hull(face):
    hull = hull_mask(face.landmarks[:68], face.image.shape[:2], Draw()).astype(bool)
    masks = set()
    for made in made_often(face, "i2g", 8):
        assert made.ratio == 1
        np.testing.assert_array_equal(made.real, face.image)
        middle = made.mask > 0.9
        for channel in range(3):  # by another linear map of the levels for each channel
            x, y = face.partner[middle, channel].astype(float), made.source[middle, channel].astype(float)
            unclipped = (y > 0) & (y < 255)
            assert np.corrcoef(x[unclipped], y[unclipped])[0, 1] > 0.99
        mine, its, before = (one[middle].mean(axis=0) for one in (face.image, made.source, face.partner))
        assert np.abs(mine - its).sum() < np.abs(mine - before).sum() / 2
        # not eroded: half of the softened edge is still on the hull's, but for the displacement
        assert 0.93 < (made.mask > 0.5).sum() / hull.sum() < 1.07
        masks.add(made.mask.tobytes())
    assert len(masks) == 8


def test_cbi_transfers_the_colours_of_the_moved_partner(face):
    made = face.make("cbi", 2, *UNMOVED, "boundary.kernel=1")
    hard = made.mask.astype(np.uint8)
    assert set(np.unique(made.mask)) == {0, 1}
    expected = transfer_colour(face.partner, face.image, hard)
    np.testing.assert_array_equal(made.source[box_of(made)], expected[box_of(made)])


# FWA


def test_fwa_takes_resolution_from_the_face_in_its_own_place(face):
    def detail(image: Image, inside: np.ndarray) -> float:
        return float(np.abs(cv2.Laplacian(image, cv2.CV_32F))[inside].mean())

    fakes = [face.make("fwa", 1, f"face_sizes=[{width},{width}]") for width in (16, 32, 96)]
    inside = binary_erosion(fakes[0].mask == 1)
    details = [detail(made.fake, inside) for made in fakes]
    assert 0 < details[0] < details[1] < details[2] < detail(face.image, inside)
    for made in fakes:
        assert made.ratio == 1
        np.testing.assert_array_equal(made.real, face.image)
        np.testing.assert_array_equal(made.mask, fakes[0].mask)
    for made in fakes[1:]:
        shifts, box = [(x, y) for x in (-2, 0, 2) for y in (-2, 0, 2)], box_of(made, rim=2)
        shifted = [np.roll(made.source, shift, (1, 0))[box] for shift in shifts]
        fits = [np.corrcoef(image.ravel(), face.image[box].ravel())[0, 1] for image in shifted]
        assert shifts[int(np.argmax(fits))] == (0, 0)


# ADFD


def inside_of_the_face(face: Material, rim: int) -> np.ndarray:
    """Pixels that lie farther than the rim from the edge of the landmarks' hull."""
    hull = hull_mask(face.landmarks[:68], face.image.shape[:2], Draw())
    return cv2.erode(hull, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0


def test_bbmg_has_boundaries_inside_of_the_face(faces):
    """The hull is 1 beyond the reach of its rim: half of both kernels, at 192 for 256 pixels at the least."""
    lal = "mask.lal=[facehull]"
    for face in faces:
        deep = inside_of_the_face(face, 33)
        assert deep.sum() > 1000
        for seed in range(5):
            assert (face.make("adfd_table2/lal", seed, *UNMOVED, ALL_POINTS, lal).mask[deep] > 0.999).all()
            assert face.make("adfd", seed, *UNMOVED, ALL_POINTS, lal).mask[deep].min() < 0.95


def test_parts_of_bbmg_are_blurred_at_one_size_with_kernels_of_their_own(face, monkeypatch):
    blurs: list[BoundaryBlur] = []
    monkeypatch.setattr(compose, "blur_boundary", lambda mask, blur: blurs.append(blur) or blur_boundary(mask, blur))
    for _ in made_often(face, "adfd", 10):
        pass
    pairs = list(zip(blurs[::2], blurs[1::2], strict=True))
    assert all((one.height, one.width, one.kind) == (two.height, two.width, two.kind) for one, two in pairs)
    assert sum(one.erosion == two.erosion for one, two in pairs) < 5


def test_forms_of_bbmg_differ_in_the_features_alone(faces):
    """Form glo leaves them out, narrowed has less of them back than full, and far from them all are the same."""
    for face in faces:
        shape = face.image.shape[:2]
        every = local_mask(["left_eye", "right_eye", "nose", "mouth"], face.landmarks, shape, Draw())
        far = ~binary_dilation(every, iterations=34)
        for seed in range(5):
            glo, narrowed, full = (
                face.make(f"adfd_table12/mask{number}", seed, *UNMOVED, ALL_POINTS).mask for number in (1, 2, 3)
            )
            assert (glo <= narrowed).all()
            assert (glo <= full).all()
            assert (full - glo).max() > 0.9
            assert narrowed.sum() < full.sum()
            np.testing.assert_array_equal(glo[far], full[far])
            np.testing.assert_array_equal(glo[far], narrowed[far])


def test_bytes_keep_more_of_the_mask_than_floats(faces):
    """ADFD, Table 3: the first two rows are the same masks, and so are those that differ in a float's line."""
    kept = Counter[str]()
    for seed in range(12):
        face = faces[seed % 3]
        rows = {
            name: face.make(f"adfd_table3/{name}", seed).mask
            for name in ("line_8_uint8_1", "line_8_uint8_255", "line_8_float32_1", "line_aa_float32_255")
        }
        np.testing.assert_array_equal(rows["line_8_uint8_1"], rows["line_8_uint8_255"])
        np.testing.assert_array_equal(rows["line_8_float32_1"], rows["line_aa_float32_255"])
        assert rows["line_8_float32_1"].sum() < rows["line_8_uint8_1"].sum()
        hard = face.make("adfd_table3/line_8_uint8_1", seed, "boundary.kernel=1").mask
        kept.update({name: rows[name].sum() / hard.sum() / 12 for name in rows})
    assert kept["line_8_uint8_1"] > 0.97
    assert kept["line_8_float32_1"] < 0.85


def test_the_boundarys_reach_grows_with_its_kernel_around_a_mask_that_stays(face):
    reach = []
    for kernel in (3, 7, 11, 15, 19, 23, 27):
        made = face.make(f"adfd_figure5/kernel_{kernel}", 4)
        hard = face.make(f"adfd_figure5/kernel_{kernel}", 4, "boundary.kernel=1").mask == 1
        assert (made.mask[hard] == 1).all()
        beyond = cv2.distanceTransform((~hard).astype(np.uint8), cv2.DIST_C, 3)
        reach.append(beyond[made.mask > 0].max())
    assert reach == [kernel // 2 for kernel in (3, 7, 11, 15, 19, 23, 27)]


def test_a_median_leaves_the_boundary_hard(faces):
    """ADFD, Table 4: its values between 0 and 1 come from resizing alone, and lie beside both of them."""
    between = Counter[str]()
    for seed in range(9):
        for blur in ("gaussian", "average", "median"):
            mask = faces[seed % 3].make(f"adfd_table4/{blur}", seed).mask
            soft = (mask > 0.01) & (mask < 0.99)
            between[blur] += int(soft.sum())
            if blur == "median":
                window = np.ones((7, 7), np.uint8)
                assert (cv2.dilate(mask, window)[soft] == 1).all()
                assert (cv2.erode(mask, window)[soft] == 0).all()
    assert between["median"] < min(between["gaussian"], between["average"]) / 3


# Faces that are hard to make fakes of

EVERY_METHOD = ["sbi", "cbi", "i2g", "fwa", "adfd", "fia_usa", "fia_usa/algorithm_1", "adfd_table3/line_8_uint8_1"]


@pytest.mark.parametrize("composition", EVERY_METHOD)
def test_68_landmarks_are_enough(face, composition):
    made = Material(face.image, face.landmarks[:68], face.partner).make(composition)
    assert_is_a_blend(made, face.image.shape[:2])


@pytest.mark.parametrize("composition", EVERY_METHOD)
@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(24, 150), st.integers(24, 150)),
    share=st.floats(0.05, 2.5),
    centre=st.tuples(st.floats(-0.6, 1.6), st.floats(-0.6, 1.6)),
)
def test_any_place_and_size_of_a_face_is_a_blend_or_a_reason(faces, composition, seed, shape, share, centre):
    """Tiny, cut by the border, larger than the image, or outside of it, in images of all proportions."""
    height, width = shape
    image, partner = (cv2.resize(one, (width, height)) for one in (faces[0].image, faces[0].partner))
    points = faces[0].landmarks - faces[0].landmarks.mean(axis=0)
    points = points / np.ptp(points) * share * min(shape) + np.array(centre) * (width, height)
    try:
        made = Material(image, points, partner).make(composition, seed)
    except PseudoFakeError:
        outside = (points < 0).any(axis=1) | (points > (width - 1, height - 1)).any(axis=1)
        assert outside.any() or np.ptp(points) < 25
    else:
        assert_is_a_blend(made, shape)


def test_a_mask_outside_of_the_image_is_drawn_again(face):
    """The mouth lies below the image, so that of two kinds of mask only the eyes are left."""
    lowered = face.landmarks + np.array([0, 275 - face.landmarks[48:68, 1].min()])
    assert (lowered[36:48, 1] < 256).all()
    for seed in range(20):
        made = Material(face.image, lowered, face.partner).make("fia_usa", seed, "mask.mtms=[mouth,eyes]")
        assert_is_a_blend(made, (256, 256))
        assert made.mask.any()
    with pytest.raises(PseudoFakeError, match="no pixel of the mask"):
        Material(face.image, lowered, face.partner).make("fia_usa", 0, "mask.mtms=[mouth]")


@pytest.mark.parametrize("composition", EVERY_METHOD)
def test_a_tiny_face_has_a_fake(face, composition):
    small = face.reduced(64)
    middle = small.landmarks.mean(axis=0)
    tiny = Material(small.image, (small.landmarks - middle) * 8 / np.ptp(small.landmarks[:, 0]) + 32, small.partner)
    for seed in range(10):
        assert_is_a_blend(tiny.make(composition, seed), (64, 64))


@pytest.mark.parametrize("composition", EVERY_METHOD)
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda points: points + 1000, "image of 256 x 256"),
        (lambda points: np.full_like(points, 90), "3 or more pixels"),
        (lambda points: np.where(np.arange(81)[:, None] == 40, np.nan, points), "not finite"),
        (lambda points: points[:5], "not an array of shape"),
    ],
    ids=["outside", "all equal", "NaN", "five points"],
)
def test_landmarks_of_no_face_are_refused_with_a_reason(face, composition, broken, reason):
    with pytest.raises(PseudoFakeError, match=reason):
        Material(face.image, broken(face.landmarks.astype(float)), face.partner).make(composition)
