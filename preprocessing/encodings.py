"""How crops are stored: as PNG, JPEG or BMP files, which a reader tells apart by their content."""

from dataclasses import dataclass

import cv2

from preprocessing.clips import Image


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to write an image.

    Attributes:
        name: what stores and manifests call it.
        suffix: of such files, by which OpenCV knows it.
        options: of OpenCV's writer.
    """

    name: str
    suffix: str
    options: tuple[int, ...] = ()

    def encode(self, image: Image) -> bytes:
        """An image (H, W) or (H, W, 3) BGR as a file's bytes."""
        return cv2.imencode(self.suffix, image, self.options)[1].tobytes()


PNG = Encoding("png", ".png")
# Chroma at full resolution, so that the store adds less of its own to the colours.
_FULL_CHROMA = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
JPEG = Encoding("jpeg 95 4:4:4", ".jpg", (cv2.IMWRITE_JPEG_QUALITY, 95, *_FULL_CHROMA))
BMP = Encoding("bmp", ".bmp")
ENCODINGS = {"png": PNG, "jpeg": JPEG, "bmp": BMP}
