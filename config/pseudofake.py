"""Schema of pseudo-fakes: of which steps a fake is made out of a real face; config/pseudofakes/*.yaml.

The order is ADFD's: a mask, what is done to source and target, the blend. The source is what comes in where the mask is
high, the target what stays elsewhere.
"""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from config.base import Probability, Schema

LalKind = Literal["dfl_full", "extended", "components", "facehull"]
MtmsKind = Literal["hull", "rectangle", "eyes", "mouth", "eyes_mouth"]
BbmgForm = Literal["glo", "narrowed", "full"]
BlurKind = Literal["gaussian", "average", "median"]
AppliedTo = Literal["source", "target", "both", "either"]
LAL_KINDS: tuple[LalKind, ...] = get_args(LalKind)
MTMS_KINDS: tuple[MtmsKind, ...] = get_args(MtmsKind)

Ratio = Annotated[float, Field(gt=0, le=1)]


class Draw(Schema):
    """How a mask is drawn: the settings that ADFD compares in its Table 3.

    Whatever the value, the mask comes out as 0 and 1 of its type; what LINE_AA draws between 0 and 255 becomes 0, as an
    integer division would have it. OpenCV smooths the edges of 8-bit images only: in float32 both line types give the
    same pixels.

    Attributes:
        line: OpenCV's line type of the edge.
        dtype: of the mask; the blur that follows rounds to it.
        value: what the inside is drawn with.
    """

    line: Literal["line_8", "line_aa"] = "line_8"
    dtype: Literal["uint8", "float32"] = "float32"
    value: Literal[1, 255] = 1


class MaskSettings(Schema):
    """Where a face is changed.

    `kind` is the hull of all landmarks, one of the landmark library's masks (`lal`, out of the kinds listed), SLADD's
    facial features, one of the last two, FIA-USA's macro and micro masks (`mtms`, out of the kinds listed), or ADFD's
    BBMG in a form of its Table 12. `draw` is how; null is float32, as in the landmark library. With `inner_prob` only
    the 68 landmarks without the forehead count, as in SBI. `inverted` changes all but the mask: Algorithm 1 of FIA-USA
    as printed.
    """

    kind: Literal["hull", "lal", "local", "lal_or_local", "mtms", "bbmg"] = "lal"
    lal: tuple[LalKind, ...] = Field(LAL_KINDS, min_length=1)
    mtms: tuple[MtmsKind, ...] = Field(MTMS_KINDS, min_length=1)
    bbmg: BbmgForm = "full"
    draw: Draw | None = None
    inner_prob: Probability = 0.25
    inverted: bool = False


class BoundarySettings(Schema):
    """How the mask's boundary becomes soft: SBI's two passes, the first of which erodes.

    `erode` leaves that one out. An odd `kernel` instead blurs once, with this size, what is outside of the mask, and
    the mask itself stays 1 (ADFD, Figure 5).
    """

    blur: BlurKind = "gaussian"
    erode: bool = True
    kernel: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _kernel_has_a_centre(self) -> "BoundarySettings":
        if self.kernel is not None and self.kernel % 2 == 0:
            raise ValueError(f"kernel: expected an odd number of pixels, not {self.kernel}")
        return self


class Reconstruction(Schema):
    """How often the source is a reconstruction of the face: by an autoencoder, or shrunk and made larger again."""

    autoencoder: Probability = 0.0
    super_resolution: Probability = 0.0

    @model_validator(mode="after")
    def _is_a_distribution(self) -> "Reconstruction":
        if self.autoencoder + self.super_resolution > 1:
            raise ValueError("the probabilities of autoencoder and super_resolution add up to more than 1")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those that occur."""
        return tuple(kind for kind in type(self).model_fields if getattr(self, kind) > 0)


class Changes(Schema):
    """What makes source and target differ before the blend (SBI; ADFD, Tables 5 and 6).

    `colour`: red, green and blue by up to 20 levels each in 3 of 10 draws, hue, saturation and value by up to 0.3 and
    brightness and contrast by up to 0.1 in each draw. `frequency`: detail of a half or a quarter of the size, or
    sharpening. `applied_to: either` is the source or the target, each half of the time; with `both` each has a draw of
    its own, as one in common would leave two copies of an image alike.
    """

    colour: bool = True
    frequency: bool = True
    applied_to: AppliedTo = "either"


class Displacement(Schema):
    """How the source is moved against the target: translation and scale of source and mask, and an elastic mask."""

    affine: bool = True
    elastic: bool = True


class Final(Schema):
    """Probabilities of what real and fake have in common after the blend, in one draw for both.

    Red, green and blue by up to 20 levels, hue, saturation and value, brightness and contrast by up to 0.3, a JPEG
    round trip of quality 40 to 100 (SBI); one black hole of at most a quarter of the side, Gaussian noise with a
    standard deviation of at most 0.03 (FIA-USA, which gives no figures); a median blur of 3, 5 or 7 pixels, a turn by
    up to 10 degrees (ProDet, likewise without figures).
    """

    rgb: Probability = 0.3
    hsv: Probability = 0.3
    light: Probability = 0.3
    median: Probability = 0.0
    noise: Probability = 0.0
    jpeg: Probability = 0.5
    rotate: Probability = 0.0
    cutout: Probability = 0.0


class PseudoFakeConfig(Schema):
    """A composition: config/pseudofakes/NAME.yaml.

    `source` is the face itself, or a partner out of the `nearest` faces of other videos by their landmarks (Face
    X-ray). `face_sizes` are widths in pixels to which a source's face is shrunk before it is smoothed and enlarged
    again (FWA). `colour_transfer` gives the source the target's mean and deviation inside the mask. Of `ratios` one
    scales the mask.
    """

    title: str = ""
    source: Literal["self", "partner"] = "self"
    nearest: int = Field(3, ge=1)
    reconstruction: Reconstruction = Reconstruction()
    face_sizes: tuple[int, int] | None = None
    mask: MaskSettings = MaskSettings()
    boundary: BoundarySettings = BoundarySettings()
    changes: Changes = Changes()
    displacement: Displacement = Displacement()
    colour_transfer: bool = False
    ratios: tuple[Ratio, ...] = Field((0.25, 0.5, 0.75, 1.0, 1.0, 1.0), min_length=1)
    final: Final = Final()

    @model_validator(mode="after")
    def _has_one_source(self) -> "PseudoFakeConfig":
        if self.source == "partner" and self.reconstruction.kinds:
            raise ValueError("reconstruction: a partner's face is not reconstructed")
        if self.face_sizes and not 1 <= self.face_sizes[0] <= self.face_sizes[1]:
            raise ValueError(f"face_sizes: expected the smallest and the largest width, not {list(self.face_sizes)}")
        return self
