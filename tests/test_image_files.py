"""Image files: every pixel mode becomes grey, and a bad file gives one error."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearprop.data.images.read_image import grey_levels, on_paper, read_grey, stretched
from clearprop.utils.errors import DataError

# a dark L on white paper: it looks different from every side
SHAPE = np.full((40, 30), 255, np.uint8)
SHAPE[6:34, 8:11] = 0
SHAPE[31:34, 8:22] = 0


def saved(folder: Path, image: Image.Image, ending: str, **options) -> Path:
    path = folder / f"image.{ending}"
    image.save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "gif", "tif", "webp", "pgm", "jpg"])
def test_every_kind_of_file_is_read(tmp_path: Path, ending: str) -> None:
    options = {"lossless": True} if ending == "webp" else {"quality": 100} if ending == "jpg" else {}
    grey = read_grey(saved(tmp_path, Image.fromarray(SHAPE), ending, **options))
    assert grey.dtype == np.uint8
    assert np.abs(grey.astype(int) - SHAPE).max() <= (8 if ending == "jpg" else 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"])
def test_every_mode_of_eight_bits_becomes_the_same_grey(mode: str) -> None:
    image = Image.fromarray(SHAPE).convert("RGB" if mode in ("LAB", "HSV", "PA") else "L")
    if mode == "LAB":
        from PIL import ImageCms

        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    elif mode == "PA":
        image = image.convert("RGBA").convert("PA")
    else:
        image = image.convert(mode)
    assert image.mode == mode
    assert np.abs(grey_levels(image).astype(int) - SHAPE).max() <= 2


@pytest.mark.parametrize("dtype", [np.uint16, np.dtype(">u2"), np.int32, np.float32])
def test_more_than_eight_bits_are_stretched_to_the_whole_range(tmp_path: Path, dtype: np.dtype) -> None:
    deep = (SHAPE.astype(dtype) + 1000).astype(dtype)
    path = saved(tmp_path, Image.fromarray(deep), "tif")
    assert (read_grey(path) == SHAPE).all()
    with pytest.raises(DataError, match=r"image.tif has more than 8 bits a pixel"):
        read_grey(path, deep=False)


def test_a_png_of_16_bits_is_not_clipped_to_white(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(SHAPE.astype(np.uint16) * 257), "png")
    assert (read_grey(path) == SHAPE).all()


def test_numbers_that_are_all_the_same_are_black() -> None:
    assert not stretched(np.full((3, 4), 7.5)).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_pixel_is_refused(tmp_path: Path, bad: float) -> None:
    pixels = np.zeros((9, 9), np.float32)
    pixels[3, 4] = bad
    with pytest.raises(DataError, match=r"image.tif holds NaN or infinite pixels"):
        read_grey(saved(tmp_path, Image.fromarray(pixels), "tif"))


@pytest.mark.parametrize(("ink", "paper"), [((10, 20, 90), 255), ((250, 250, 200), 0)])
def test_transparent_pixels_become_the_paper_with_more_contrast(ink: tuple[int, ...], paper: int) -> None:
    image = Image.new("RGBA", (30, 40), (*ink, 0))
    image.putalpha(Image.fromarray(255 - SHAPE))
    grey = grey_levels(image)
    assert (grey[SHAPE == 255] == paper).all()
    assert np.abs(grey[SHAPE == 0].astype(int) - paper).min() > 150


def test_the_transparent_colour_of_a_palette_is_paper(tmp_path: Path) -> None:
    image = Image.fromarray(SHAPE).convert("P")
    white = int(np.asarray(image)[0, 0])
    path = saved(tmp_path, image, "png", transparency=white)
    with Image.open(path) as palette:
        assert palette.mode == "P"
    assert (read_grey(path) == SHAPE).all()


def test_half_transparent_ink_is_half_as_dark() -> None:
    grey = np.asarray(on_paper(Image.new("RGBA", (2, 2), (0, 0, 0, 128)), 255).convert("L"))
    assert np.unique(grey).tolist() == [127]


def test_an_image_is_turned_as_its_exif_orientation_says(tmp_path: Path) -> None:
    # the ways a camera can have been held: what is stored, turned by the orientation, is what was seen
    stored = {
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
    }
    for orientation, turn in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = saved(tmp_path, Image.fromarray(SHAPE).transpose(turn), "png", exif=exif)
        assert (read_grey(path) == SHAPE).all()


def test_the_file_of_a_phone_with_a_second_picture_in_it_is_its_first(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    second = Image.new("L", (10, 10))
    Image.fromarray(SHAPE).save(path, "MPO", save_all=True, append_images=[second], quality=100)
    with Image.open(path) as both:
        assert both.n_frames == 2
    assert read_grey(path).shape == SHAPE.shape


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif"])
def test_an_animated_file_or_one_of_several_pages_is_refused(tmp_path: Path, ending: str) -> None:
    frames = [Image.new("L", (9, 9), colour) for colour in (0, 99, 255)]
    path = saved(tmp_path, frames[0], ending, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=rf"image.{ending} holds 3 pictures, but must hold one"):
        read_grey(path)


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


def bmp_of(width: int, height: int) -> bytes:
    return struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 90, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def webp_of(width: int, height: int) -> bytes:
    chunk = b"VP8X" + struct.pack("<II", 10, 0) + struct.pack("<I", width - 1)[:3]
    chunk += struct.pack("<I", height - 1)[:3]
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def gif_of(width: int, height: int) -> bytes:
    image = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + image


BOMBS = {
    "png": png_of(2**31 - 1, 2**31 - 1),
    "large.png": png_of(10_000, 10_000),
    "bmp": bmp_of(60_000, 60_000),
    "webp": webp_of(16_383, 16_383),
    "gif": gif_of(65_535, 65_535),
    "pgm": b"P5 100000 100000 255\n" + bytes(9),
}


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is one of POSIX")
@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    import subprocess

    path = tmp_path / f"bomb.{name}"
    path.write_bytes(BOMBS[name])
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from clearprop.utils.errors import DataError\n"
        "from clearprop.data.images.read_image import read_grey\n"
        "import PIL.Image, PIL.ImageOps, numpy; PIL.Image.init()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_grey(Path(sys.argv[1]))\n"
        "except DataError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True, timeout=60
    )
    sentence, kilobytes = done.stdout.splitlines()
    assert "bomb." in sentence
    assert sentence.count(". ") == 0
    assert int(kilobytes) < 30_000


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "tif", "webp"])
def test_file_cut_off_anywhere_is_read_or_refused(
    tmp_path: Path, ending: str, rng: np.random.Generator
) -> None:
    whole = saved(
        tmp_path, Image.fromarray(rng.integers(0, 255, (40, 40)).astype(np.uint8)), ending
    ).read_bytes()
    path = tmp_path / f"cut.{ending}"
    refused = []
    for length in range(0, len(whole), 1 + len(whole) // 60):
        path.write_bytes(whole[:length])
        try:
            read_grey(path)
        except DataError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all(f"cut.{ending} " in sentence and "\n" not in sentence for sentence in refused)


def test_file_that_is_not_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image at all")
    (tmp_path / "empty.png").touch()
    (tmp_path / "figure.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for name in ("notes.png", "empty.png", "figure.eps"):
        with pytest.raises(DataError, match=rf"{name} is damaged, or no image of a kind that is read"):
            read_grey(tmp_path / name)
    with pytest.raises(DataError, match="is a folder; give the image itself"):
        read_grey(tmp_path)
    for name in ("nowhere.png", "x" * 5000, "nul\0.png"):
        with pytest.raises(DataError, match="There is no image"):
            read_grey(tmp_path / name)


def test_pipe_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe.png is no file"):
        read_grey(tmp_path / "pipe.png")


def test_a_file_larger_than_any_photograph_is_not_even_opened(tmp_path: Path) -> None:
    with (tmp_path / "huge.webp").open("wb") as file:
        file.truncate(300_000_000)
    with pytest.raises(DataError, match=r"huge.webp has 300,000,000 bytes; make it smaller"):
        read_grey(tmp_path / "huge.webp")


def test_random_bytes_in_a_real_file_give_an_image_or_a_data_error(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    image = Image.fromarray(SHAPE)
    path = tmp_path / "image"
    refused = []
    for ending in ("png", "jpeg", "bmp", "gif", "tiff", "webp"):
        file = io.BytesIO()
        image.save(file, ending)
        for _ in range(40):
            content = bytearray(file.getvalue())
            for place in rng.integers(0, len(content), 4):
                content[place] = rng.integers(256)
            path.write_bytes(content)
            try:
                assert read_grey(path).dtype == np.uint8
            except DataError as error:
                refused.append(str(error))
    assert all(str(path) in sentence and "\n" not in sentence for sentence in refused)
