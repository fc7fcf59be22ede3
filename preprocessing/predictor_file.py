"""dlib's shape predictor file: what its first bytes tell, and how to store its leaves in fewer bytes.

dlib writes an integer as one byte of length (high bit: negative) and that many bytes, least significant first; a real
number as two integers, mantissa and binary exponent. A predictor is: version 1; the mean shape; per cascade the trees,
each its splits (two pixels and a threshold) and its leaves (a shift of every point); per cascade the pixels that its
splits compare. A matrix begins with its rows and columns, both negated; a list with its length.
"""


def _unpack(content: bytes, at: int) -> tuple[int, int]:
    """The integer at an offset, and the offset behind it."""
    length = content[at] & 0x7F
    end = at + 1 + length
    value = int.from_bytes(content[at + 1 : end], "little")
    return (-value if content[at] & 0x80 else value), end


def _pack(value: int) -> bytes:
    magnitude = abs(value)
    length = max(1, (magnitude.bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + magnitude.to_bytes(length, "little")


def number_of_points(content: bytes) -> int | None:
    """How many points the predictor in `content` gives, told by its first bytes, or None if it is no predictor."""
    try:
        version, at = _unpack(content, 0)
        rows, at = _unpack(content, at)
        columns, _ = _unpack(content, at)
    except IndexError:
        return None
    if version != 1 or columns != -1 or rows >= 0 or rows % 2:
        return None
    return -rows // 2


class _Copy:
    """Reads one file from the front and writes each number behind the last."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at, self.copied = content, 0, bytearray()

    def integer(self) -> int:
        value, self.at = _unpack(self.content, self.at)
        self.copied += _pack(value)
        return value

    def real(self, bits: int = 24) -> None:
        mantissa, self.at = _unpack(self.content, self.at)
        exponent, self.at = _unpack(self.content, self.at)
        surplus = abs(mantissa).bit_length() - bits
        if surplus > 0:
            rounded = (abs(mantissa) + (1 << surplus - 1)) >> surplus
            if rounded >> bits:  # all ones, rounded up
                rounded, surplus = rounded >> 1, surplus + 1
            mantissa, exponent = rounded if mantissa > 0 else -rounded, exponent + surplus
        self.copied += _pack(mantissa) + _pack(exponent)

    def matrix(self, bits: int = 24) -> None:
        for _ in range(self.integer() * self.integer()):
            self.real(bits)


def shrink(content: bytes, bits: int = 8) -> bytes:
    """Rounds the leaves of a predictor to fewer mantissa bits; the file keeps its format and loses a third at 8 bits.

    Args:
        content: a file that `dlib.shape_predictor.save` wrote.
        bits: mantissa bits kept of dlib's 24; at 8 no leaf changes by more than 0.4 %. At 24 the result is `content`.

    Raises:
        ValueError: `content` is no shape predictor, or goes on behind its end.
    """
    if number_of_points(content) is None:
        raise ValueError("not a dlib shape predictor")
    copy = _Copy(content)
    copy.integer()  # version
    copy.matrix()  # mean shape
    for _cascade in range(copy.integer()):
        for _tree in range(copy.integer()):
            for _split in range(copy.integer()):
                copy.integer()
                copy.integer()
                copy.real()
            for _leaf in range(copy.integer()):
                copy.matrix(bits)
    for _cascade in range(copy.integer()):  # the landmark that each pixel is placed from
        for _pixel in range(copy.integer()):
            copy.integer()
    for _cascade in range(copy.integer()):  # and its offset from there
        for _pixel in range(copy.integer()):
            copy.real()
            copy.real()
    if copy.at != len(content):
        raise ValueError(f"not a dlib shape predictor: it ends after {copy.at} of {len(content)} bytes")
    return bytes(copy.copied)
