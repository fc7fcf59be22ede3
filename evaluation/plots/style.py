"""What all figures share: the look, and the ways to write them.

Colours are Okabe and Ito's, which colour-blind readers tell apart; curves differ in dash as well, for print in grey.
The figures are matplotlib objects without a window or global state, and give the same bytes whenever they are saved.
"""

import hashlib
import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text

from config.errors import InputError
from config.files import atomic_path

BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
REAL_COLOUR, FAKE_COLOUR = BLUE, VERMILION
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#444444")
DASHES = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)))
HATCHES = ("", "////", "++", "\\\\\\\\", "xxxx", "----")  # no dots: in SVG each is a circle of curves
MARKERS = "osD^vPX<>*p"
INK, FAINT = "#333333", "#D9D9D9"
WHITE = "#FFFFFF"

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": "#8C8C8C",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": "#8C8C8C",
    "ytick.color": "#8C8C8C",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.dpi": 150,
    "svg.hashsalt": "assay",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one of several curves, or series of bars, is told from the others.

    Attributes:
        colour: of lines, markers and bars.
        dash: of a line.
        marker: of its points.
        hatch: of bars.
    """

    colour: str
    dash: Any
    marker: str
    hatch: str

    def line(self) -> dict[str, Any]:
        """Matplotlib's options of a line."""
        return {"color": self.colour, "linestyle": self.dash}

    def bar(self) -> dict[str, Any]:
        """Matplotlib's options of a bar."""
        return {"facecolor": paler(self.colour, 0.6), "hatch": self.hatch, "edgecolor": WHITE, "linewidth": 0}


def looks(number: int) -> list[Look]:
    """So many looks, of which no two are alike before the colours have met every dash."""
    endless = zip(cycle(COLOURS), cycle(DASHES), cycle(MARKERS), cycle(HATCHES), strict=False)
    return [Look(*each) for each in islice(endless, number)]


def paler(colour: str, share: float) -> str:
    """A colour mixed with white, of which it is a share: viewers of PDF draw hatches that let light through opaque."""
    mixed = (round(share * int(colour[at : at + 2], 16) + (1 - share) * 255) for at in (1, 3, 5))
    return f"#{''.join(f'{part:02X}' for part in mixed)}"


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's own defaults with our style on top, whatever the user's matplotlibrc says."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def set_title(axes: Axes, title: str, pad: float = 10) -> None:
    """Head a plot; an empty title leaves it without."""
    if title:
        plain(axes.set_title(title, loc="left", fontsize=10, fontweight="bold", pad=pad))


def wrapped(caption: str, width: float) -> list[str]:
    """The lines of a caption below a figure of some width in inches."""
    return textwrap.wrap(caption, int(18 * width))  # letters of its size on an inch


def set_caption(figure: Figure, caption: str) -> None:
    """Write small lines below a figure, as wide as it is; an empty caption leaves it without."""
    if caption:
        lines = wrapped(caption, figure.get_figwidth())
        plain(figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6.5, color=INK))


def add_to_caption(figure: Figure, notes: Sequence[str]) -> None:
    """Write notes after a figure's caption, but those that it has; the figure becomes higher for them."""
    caption, width = " ".join(figure.get_supxlabel().split()), figure.get_figwidth()
    new = [f"{note.rstrip('.')}." for note in notes if note not in caption]
    whole = " ".join([*([f"{caption.rstrip('.')}."] if caption else []), *new])
    more = len(wrapped(whole, width)) - len(wrapped(caption, width))
    figure.set_figheight(figure.get_figheight() + 0.12 * more)
    set_caption(figure, whole)


def plain(drawn: Text | Legend) -> None:
    """Take the words as they are: a dollar sign in a name is no formula."""
    for text in drawn.get_texts() if isinstance(drawn, Legend) else [drawn]:
        text.set_parse_math(False)


def abreast_in_legend(names: Sequence[str], width: float) -> int:
    """How many names of a legend stand side by side in a figure of some width in inches."""
    return max(1, int(width / (0.8 + 0.08 * max(map(len, names)))))


def share_legend(figure: Figure, place: Literal["outside upper left", "outside right upper"], columns: int = 1) -> None:
    """One legend for all axes of a figure, each name once."""
    named = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    plain(figure.legend(list(named.values()), list(named), loc=place, ncols=columns))


def add_legend_below(figure: Figure, lines: Sequence[Line2D], names: Sequence[str], title: str) -> None:
    """A legend below all axes, for which the figure becomes higher; long names are broken."""
    letters = int(12.5 * (figure.get_figwidth() - 0.7))
    broken = [textwrap.fill(name, letters, subsequent_indent=" " * 14, replace_whitespace=False) for name in names]
    height = sum(1 + name.count("\n") for name in broken)
    figure.set_figheight(figure.get_figheight() + 0.25 + 0.19 * height)
    plain(figure.legend(lines, broken, loc="outside lower left", title=title, alignment="left"))


def png_bytes(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    return _bytes(figure, "png", {"Software": None}, dpi)


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG with its letters as outlines; the same figure gives the same bytes."""
    svg = _bytes(figure, "svg", {"Date": None, "Creator": None}, 150)
    for name, shape in _CLIP_PATH.findall(svg):
        svg = svg.replace(name, b"p" + hashlib.sha256(shape).hexdigest()[:10].encode())
    return svg


def jpeg_bytes(figure: Figure) -> bytes:
    """The figure as JPEG, for sheets of photographs; the same figure gives the same bytes."""
    return _bytes(figure, "jpeg", None, 150, pil_kwargs={"quality": 88, "optimize": True})


# Matplotlib names a clip path by a hash of its corners, of which the layout's last bits change from figure to figure.
_CLIP_PATH = re.compile(rb'<clipPath id="(\w+)">(.*?)</clipPath>', re.DOTALL)

FORMS = {".png": png_bytes, ".jpg": jpeg_bytes, ".svg": svg_bytes}


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in one of `FORMS`, by the suffix of `path`.

    Raises:
        InputError: another suffix, or the file cannot be written.
    """
    check_form(path)
    with atomic_path(path) as partial:
        partial.write_bytes(FORMS[path.suffix](figure))


def check_form(path: Path) -> None:
    """See that a figure can be written under this name, before work is done for it.

    Raises:
        InputError: it has another suffix.
    """
    if path.suffix not in FORMS:
        raise InputError(f"{path}: a figure cannot be written as '{path.suffix}'; valid are: {', '.join(FORMS)}")


def _bytes(figure: Figure, form: str, metadata: dict[str, str | None] | None, dpi: int, **options: Any) -> bytes:
    out = io.BytesIO()
    with styled():
        figure.savefig(out, format=form, metadata=metadata, dpi=dpi, facecolor="white", **options)
    return out.getvalue()
