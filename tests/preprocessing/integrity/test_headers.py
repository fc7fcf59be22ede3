"""Headers against what wrote the files."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocessing.clips import UnreadableMediaError
from preprocessing.integrity.headers import Header, image_header, is_cut_off, luminance_table
from tests.media import write_video


def encoded(suffix: str, shape: tuple[int, ...] = (37, 53, 3), options: tuple[int, ...] = ()) -> bytes:
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    return cv2.imencode(suffix, image, options)[1].tobytes()


def header_of(content: bytes) -> Header | None:
    return image_header(io.BytesIO(content))


def cut_off(content: bytes) -> bool:
    try:
        image_header(io.BytesIO(content))
    except UnreadableMediaError as error:
        return str(error) == "cut off"
    return is_cut_off(io.BytesIO(content), len(content))


@pytest.mark.parametrize("quality", range(1, 101))
def test_the_quality_of_a_jpeg_is_what_opencv_was_asked_for(quality: int):
    header = header_of(encoded(".jpg", options=(cv2.IMWRITE_JPEG_QUALITY, quality)))
    assert header == Header("jpeg", 53, 37, jpeg_quality=quality)


@pytest.mark.parametrize("option", [cv2.IMWRITE_JPEG_PROGRESSIVE, cv2.IMWRITE_JPEG_OPTIMIZE])
def test_other_codings_of_a_jpeg_are_read_too(option: int):
    content = encoded(".jpg", options=(option, 1, cv2.IMWRITE_JPEG_QUALITY, 71))
    assert header_of(content) == Header("jpeg", 53, 37, jpeg_quality=71)


def test_tables_of_two_bytes_and_padding_and_a_long_comment_are_understood():
    content = encoded(".jpg", options=(cv2.IMWRITE_JPEG_QUALITY, 71))
    at = content.index(b"\xff\xdb")
    length = int.from_bytes(content[at + 2 : at + 4], "big")
    numbers = content[at + 5 : at + 5 + 64]
    wide = b"\x10" + b"".join(number.to_bytes(2, "big") for number in numbers)
    comment = b"\xff\xff\xfe" + (60_002).to_bytes(2, "big") + bytes(60_000)
    table = b"\xff\xdb" + (2 + len(wide)).to_bytes(2, "big") + wide
    rebuilt = content[:2] + comment + table + content[at + 2 + length :]
    assert header_of(rebuilt) == Header("jpeg", 53, 37, jpeg_quality=71)


def test_the_best_quality_does_not_quantise_and_50_is_the_standards_table():
    assert luminance_table(100).tolist() == [1] * 64
    assert luminance_table(50)[:8].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]


@pytest.mark.parametrize("shape", [(37, 53), (37, 53, 3), (37, 53, 4)])
def test_a_png_says_its_size(shape: tuple[int, ...]):
    assert header_of(encoded(".png", shape)) == Header("png", 53, 37)


def test_another_kind_has_no_header_here():
    assert header_of(encoded(".bmp")) is None
    assert header_of(b"") is None


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_header_that_ends_early_is_broken(suffix: str):
    content = encoded(suffix)
    for length in range(8, 24):
        with pytest.raises(UnreadableMediaError, match="broken"):
            header_of(content[:length])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_without_its_end_is_cut_off(suffix: str):
    content = encoded(suffix, (200, 200, 3))
    assert not cut_off(content)
    assert cut_off(content[:-20])
    assert cut_off(content[: len(content) // 2])


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_what_a_camera_appends_to_a_picture_is_no_damage(suffix: str):
    assert not cut_off(encoded(suffix) + bytes(5000))


def test_the_end_of_a_preview_in_the_header_is_not_the_pictures_end():
    content, preview = encoded(".jpg", (200, 200, 3)), encoded(".jpg", (8, 8, 3))
    with_preview = content[:2] + b"\xff\xe1" + (2 + len(preview)).to_bytes(2, "big") + preview + content[2:]
    assert not cut_off(with_preview)
    assert cut_off(with_preview[: len(with_preview) // 2])


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG")])
def test_a_video_without_its_end_is_cut_off(tmp_path: Path, name: str, codec: str):
    content = write_video(tmp_path / name, range(0, 250, 10), codec=codec).read_bytes()
    assert not cut_off(content)
    assert cut_off(content[:-1])
    assert not cut_off(content + bytes(64))
