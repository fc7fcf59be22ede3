"""Pseudo-fakes of each method: FIA-USA, CBI and I2G, FWA, ADFD's variants."""

from collections import Counter

import cv2
import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from config.errors import InputError
from config.load import load_config
from config.pseudofake import Draw, PseudoFakeConfig
from preprocessing.clips import Image
from tests.training.pseudofakes.material import (
    ALL_POINTS,
    UNMOVED,
    Material,
    assert_is_a_blend,
    box_of,
    made_often,
)
from training.errors import PseudoFakeError
from training.pseudofakes import compose
from training.pseudofakes.blend import transfer_colour
from training.pseudofakes.blur import BoundaryBlur, blur_boundary
from training.pseudofakes.compose import make_pseudo_fake
from training.pseudofakes.masks import hull_mask, local_mask, mtms_mask

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
