"""Photos as people have them: every format, damage and name."""

import io
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openfaceplus.errors import (
    PhotoTooLarge,
    StorageError,
    UnreadablePhoto,
    UnwritablePicture,
    UsageError,
)
from openfaceplus.images import as_photo, photos_in, read_photo, save_image, save_png, walk


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def scene(width=48, height=32):
    """Red to the right, green downwards, blue in the top left corner: shows every turn."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    pixels[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    pixels[: height // 4, : width // 4, 2] = 255
    return pixels


def close(photo, expected, tolerance=2, writeable=True):
    assert photo.pixels.shape == expected.shape
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous and photo.pixels.flags.writeable == writeable
    assert np.abs(photo.pixels.astype(int) - expected).max() <= tolerance


# --- finding ---------------------------------------------------------------------------------


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_walk_lists_people_and_their_photos_in_order(tmp_path):
    for name in ["b/2.jpg", "b/10.JPG", "B/1.txt", "a/deep/er/x", "a/y.png", "a b/z", "top.jpg"]:
        touch(tmp_path / name)
    touch(tmp_path / "a/.hidden.jpg")
    touch(tmp_path / ".git/x.jpg")
    touch(tmp_path / "a/Thumbs.db")
    touch(tmp_path / "a/desktop.ini")
    (tmp_path / "empty").mkdir()
    found = [(photo.person, photo.relative) for photo in walk(tmp_path)]
    assert found == [
        ("", "top.jpg"),
        ("B", "B/1.txt"),
        ("a", "a/deep/er/x"),
        ("a", "a/y.png"),
        ("a b", "a b/z"),
        ("b", "b/10.JPG"),
        ("b", "b/2.jpg"),
    ]
    assert all(photo.path == tmp_path / photo.relative for photo in walk(tmp_path))


def test_walk_keeps_odd_names(tmp_path):
    people = [
        "new\nline",
        "quo'te\"",
        "com,ma",
        "José 王",
        "\udcff\udcfe",
        " space ",
        "back\\slash",
    ]
    for person in people:
        touch(tmp_path / person / "a\n1.jpg")
    found = walk(str(tmp_path))
    assert [photo.person for photo in found] == sorted(people)
    assert all(photo.path.is_file() for photo in found)


def test_walk_follows_links_but_not_in_circles(tmp_path):
    root = tmp_path / "root"
    touch(root / "ann/1.jpg")
    touch(tmp_path / "elsewhere/2.jpg")
    (root / "bob").symlink_to(tmp_path / "elsewhere")
    (root / "ann/linked.jpg").symlink_to(tmp_path / "elsewhere/2.jpg")
    (root / "ann/up").symlink_to(root)
    (root / "ann/self").symlink_to(root / "ann")
    (root / "ann/gone.jpg").symlink_to("nowhere")
    (root / "ann/round.jpg").symlink_to("round.jpg")
    assert [photo.relative for photo in walk(root)] == [
        "ann/1.jpg",
        "ann/gone.jpg",
        "ann/linked.jpg",
        "ann/round.jpg",
        "bob/2.jpg",
    ]


def test_walk_needs_a_folder(tmp_path):
    touch(tmp_path / "file")
    for name in ["file", "missing"]:
        with pytest.raises(UsageError, match=name):
            walk(tmp_path / name)


def test_photos_in_expands_folders_and_keeps_the_given_order(tmp_path):
    for name in ["d/b.jpg", "d/a/c.jpg", "z.jpg"]:
        touch(tmp_path / name)
    given = [tmp_path / "z.jpg", str(tmp_path / "d"), "missing.jpg"]
    expected = [tmp_path / "z.jpg", tmp_path / "d/a/c.jpg", tmp_path / "d/b.jpg"]
    assert photos_in(given) == [*expected, Path("missing.jpg")]


# --- formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 100, "subsampling": 0}, 4),
        ("JPEG", {"quality": 100, "subsampling": 0, "progressive": True}, 4),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_deflate", "big_tiff": True}, 0),
        ("BMP", {}, 0),
        ("PPM", {}, 0),
        ("JPEG2000", {"irreversible": False}, 0),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 4),
    ],
)
@pytest.mark.parametrize("ending", [".JPG", ".txt", ""])
def test_formats_are_known_by_content(tmp_path, kind, options, tolerance, ending):
    Image.fromarray(scene()).save(tmp_path / f"p{ending}", kind, **options)
    photo = read_photo(tmp_path / f"p{ending}")
    close(photo, scene(), tolerance)
    assert (photo.width, photo.height, photo.scale) == (48, 32, 1.0)
    assert photo.path == tmp_path / f"p{ending}"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_frames(tmp_path, kind):
    red, blue = (Image.new("RGB", (20, 10), colour) for colour in ["red", "blue"])
    options = {"lossless": True} if kind == "WEBP" else {}
    red.save(tmp_path / "p", kind, save_all=True, append_images=[blue], **options)
    close(read_photo(tmp_path / "p"), np.full((10, 20, 3), (255, 0, 0)))


GREY = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (8, 1))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("PNG", GREY),
        ("JPEG", GREY),
        ("PNG", GREY.astype(np.uint16) * 257),
        ("TIFF", GREY.astype(np.uint16) * 257),
        ("PPM", GREY.astype(np.uint16) * 257),
        ("TIFF", GREY.astype(np.int32) * 257),
        ("TIFF", GREY.astype(np.int32) * 70000 - 9_000_000),
        ("TIFF", GREY.astype(np.float32) / 255),
        ("TIFF", GREY.astype(np.float32)),
        ("TIFF", GREY.astype(np.float32) * 257),
        ("TIFF", GREY.astype(np.float32) * 1e6 - 3e7),
    ],
)
def test_greys_of_any_depth(tmp_path, kind, values):
    Image.fromarray(values).save(tmp_path / "p", kind)
    close(read_photo(tmp_path / "p"), np.repeat(GREY[..., None], 3, axis=2), 2)


def test_dark_sixteen_bits_stay_dark_and_not_a_number_is_no_crash(tmp_path):
    Image.fromarray(np.full((4, 4), 25700, np.uint16)).save(tmp_path / "dark.png")
    close(read_photo(tmp_path / "dark.png"), np.full((4, 4, 3), 100), 0)
    Image.fromarray(np.array([[np.nan, np.inf, 1, 0]], np.float32)).save(tmp_path / "nan.tif")
    assert read_photo(tmp_path / "nan.tif").pixels.shape == (1, 4, 3)


def test_sixteen_bits_of_each_colour(tmp_path):
    import cv2

    values = scene().astype(np.uint16) * 257
    for name in ["p.png", "p.tif"]:
        assert cv2.imwrite(str(tmp_path / name), values[..., ::-1])
        close(read_photo(tmp_path / name), scene(), 1)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(tmp_path, kind):
    Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK").save(tmp_path / "p", kind)
    close(read_photo(tmp_path / "p"), np.full((16, 16, 3), (200, 40, 90)), 4)


def test_palette_bilevel_ycbcr_and_lab(tmp_path):
    red = Image.new("RGB", (16, 16), (250, 10, 10))
    expected = np.full((16, 16, 3), (250, 10, 10))
    red.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "p.png")
    red.convert("YCbCr").save(tmp_path / "y.tif")
    red.convert("LAB").save(tmp_path / "l.tif")
    for name in ["p.png", "y.tif", "l.tif"]:
        close(read_photo(tmp_path / name), expected, 12)
    Image.new("1", (9, 5), 1).save(tmp_path / "1.png")
    close(read_photo(tmp_path / "1.png"), np.full((5, 9, 3), 255), 0)


def test_what_is_transparent_is_white(tmp_path):
    half = Image.new("RGBA", (4, 4), (200, 0, 0, 255))
    half.putpixel((0, 0), (0, 0, 0, 0))
    half.putpixel((1, 0), (0, 0, 0, 128))
    expected = np.full((4, 4, 3), (200, 0, 0))
    expected[0, 0] = 255
    expected[0, 1] = 127
    half.save(tmp_path / "rgba.png")
    half.save(tmp_path / "rgba.webp", lossless=True)
    half.save(tmp_path / "rgba.tif")
    for name in ["rgba.png", "rgba.webp", "rgba.tif"]:
        close(read_photo(tmp_path / name), expected, 1)
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "la.png")
    palette = Image.new("P", (4, 4), 3)
    palette.putpalette([0, 0, 0] * 3 + [9, 9, 9])
    palette.save(tmp_path / "p.png", transparency=3)
    palette.save(tmp_path / "p.gif", transparency=3)
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "key.png", transparency=(9, 9, 9))
    for name in ["la.png", "p.png", "p.gif", "key.png"]:
        close(read_photo(tmp_path / name), np.full((4, 4, 3), 255), 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation(tmp_path, kind, orientation):
    upright = scene()
    stored = {  # what a camera held so writes for an upright scene, by the EXIF standard
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif}
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "p", kind, **options)
    photo = read_photo(tmp_path / "p")
    assert photo.pixels.shape == upright.shape  # on average, as JPEG smears the blue corner
    assert np.abs(photo.pixels.astype(int) - upright).mean() < 3
    assert (photo.width, photo.height) == (48, 32)
    small = read_photo(tmp_path / "p", working_pixels=400)
    assert (small.width, small.height) == (48, 32)
    assert small.pixels.shape[1] > small.pixels.shape[0]


def test_damaged_exif_and_orientation_out_of_range(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 99
    Image.fromarray(scene()).save(tmp_path / "99.jpg", exif=exif)
    Image.fromarray(scene()).save(tmp_path / "bad.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    warnings.simplefilter("ignore")  # Pillow speaks of the damage
    for name in ["99.jpg", "bad.jpg"]:
        assert read_photo(tmp_path / name).pixels.shape == (32, 48, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 100_000), (100_000, 1)])
def test_extreme_shapes(tmp_path, size):
    Image.new("RGB", size, "red").save(tmp_path / "p.png")
    assert read_photo(tmp_path / "p.png").pixels.shape == (size[1], size[0], 3)
    small = read_photo(tmp_path / "p.png", working_pixels=50_000)
    assert small.pixels.size <= 3 * 100_000


# --- size ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_large_photos_are_reduced_and_say_by_how_much(tmp_path, kind, mode):
    Image.fromarray(scene(960, 640)).convert(mode).save(tmp_path / "p", kind)
    photo = read_photo(tmp_path / "p", working_pixels=30_000)
    height, width, _ = photo.pixels.shape
    assert 25_000 < width * height <= 30_000
    assert (photo.width, photo.height) == (960, 640)
    assert photo.scale == pytest.approx(960 / width) == pytest.approx(640 / height, rel=0.01)
    expected = Image.fromarray(scene(960, 640)).convert(mode).convert("RGB").resize((width, height))
    assert np.abs(photo.pixels.astype(int) - np.asarray(expected)).mean() < 3


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_can_be_reduced(tmp_path, mode):
    image = Image.new("L", (300, 200), 255)
    values = {"I;16": np.uint16(65535), "F": np.float32(1)}.get(mode)
    image = image.convert("RGB").convert(mode) if values is None else image
    if values is not None:
        image = Image.fromarray(np.full((200, 300), values))
    image.save(tmp_path / "p", "TIFF")
    photo = read_photo(tmp_path / "p", working_pixels=600)
    close(photo, np.full((20, 30, 3), 255), 1)
    assert photo.scale == 10


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    Image.new("L", (300, 200)).save(tmp_path / "p.png")
    content = (tmp_path / "p.png").read_bytes()
    (tmp_path / "p.png").write_bytes(content[: content.index(b"IDAT") + 4])
    with pytest.raises(PhotoTooLarge, match=r"p\.png: 300 x 200 .*allow 60000 pixels"):
        read_photo(tmp_path / "p.png", max_pixels=59_999)
    with pytest.raises(PhotoTooLarge):
        as_photo(np.zeros((300, 200), np.uint8), max_pixels=59_999)


def header(kind, side):
    """An image file that claims to be ``side`` pixels square and holds next to nothing."""
    file = io.BytesIO()
    Image.new("L", (16, 16)).save(file, kind)
    content, size = bytearray(file.getvalue()), side.to_bytes(4, "big")
    if kind == "PNG":
        import zlib

        content[16:24] = size * 2
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    elif kind == "JPEG":
        start = content.index(b"\xff\xc0")
        content[start + 5 : start + 9] = side.to_bytes(2, "big") * 2
    elif kind == "GIF":
        content[6:10] = side.to_bytes(2, "little") * 2
    elif kind == "BMP":
        content[18:26] = side.to_bytes(4, "little") * 2
    return bytes(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_decompression_bombs(tmp_path, kind):
    before = Image.MAX_IMAGE_PIXELS
    (tmp_path / "bomb").write_bytes(header(kind, 40_000))
    with pytest.raises(PhotoTooLarge, match="1600000000"):
        read_photo(tmp_path / "bomb")
    if kind in ("PNG", "BMP"):  # the others may hold that much of one colour in a few bytes
        (tmp_path / "bomb").write_bytes(header(kind, 15_000))  # between Pillow's limit and ours
        assert "damaged" in message_of(tmp_path / "bomb")
    assert before == Image.MAX_IMAGE_PIXELS


def test_pillows_own_limit_is_neither_used_nor_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for kind in ["JPEG", "PNG", "TIFF", "BMP", "GIF", "PPM"]:
        Image.fromarray(scene()).save(tmp_path / "p", kind)
        assert read_photo(tmp_path / "p").pixels.shape == (32, 48, 3)
    exif = {0x0112: 6}
    Image.fromarray(scene()).save(tmp_path / "p", "TIFF", tiffinfo=exif, compression="tiff_lzw")
    assert read_photo(tmp_path / "p").pixels.shape == (48, 32, 3)
    Image.fromarray(scene()).save(tmp_path / "p", "WEBP")
    with pytest.raises(PhotoTooLarge, match="save it smaller"):
        read_photo(tmp_path / "p")
    assert Image.MAX_IMAGE_PIXELS == 100


MEMORY = """
import sys
from openfaceplus.images import read_photo
photo = read_photo(sys.argv[1])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(photo.width, photo.height, photo.pixels.size, int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize(("kind", "megabytes"), [("JPEG", 450), ("PNG", 850)])
def test_a_hundred_megapixels_in_bounded_memory(tmp_path, kind, megabytes):
    options = {"quality": 30} if kind == "JPEG" else {"compress_level": 1}
    Image.new("RGB", (11_648, 8_736), (90, 60, 30)).save(tmp_path / "p", kind, **options)
    arguments = [sys.executable, "-c", MEMORY, str(tmp_path / "p")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    width, height, size, peak = map(int, done.stdout.split())
    assert (width, height) == (11_648, 8_736)
    assert 70_000_000 < size <= 72_000_000
    assert peak < megabytes


# --- damage ----------------------------------------------------------------------------------


def message_of(path, **limits):
    with pytest.raises(UnreadablePhoto) as caught:
        read_photo(path, **limits)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and ";" in message
    assert caught.value.status == "unreadable"
    return message


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("GIF", {}),
        ("PPM", {}),
        ("AVIF", {}),
        ("JPEG2000", {}),
    ],
)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_short(tmp_path, kind, options, share):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "p", kind, **options)
    content = (tmp_path / "p").read_bytes()
    (tmp_path / "p").write_bytes(content[: int(len(content) * share)])
    assert str(tmp_path / "p") in message_of(tmp_path / "p")
    assert "damaged" in message_of(tmp_path / "p", working_pixels=5_000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF"])
def test_random_damage_is_an_error_or_a_picture(tmp_path, kind):
    Image.fromarray(scene()).save(tmp_path / "p", kind)
    content = (tmp_path / "p").read_bytes()
    chance = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(content)
        for place in chance.integers(0, len(broken), 4):
            broken[place] = chance.integers(256)
        (tmp_path / "p").write_bytes(broken)
        try:
            read_photo(tmp_path / "p", max_pixels=1_000_000)
        except (UnreadablePhoto, PhotoTooLarge) as error:
            assert str(tmp_path / "p") in str(error)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff", "damaged"),
        (b"hello, this is a letter", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", "not an image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "HEIC"),
    ],
)
def test_files_that_are_no_photo(tmp_path, content, reason):
    (tmp_path / "photo.jpg").write_bytes(content)
    assert reason in message_of(tmp_path / "photo.jpg")


def test_paths_that_are_no_photo(tmp_path):
    assert "no such file" in message_of(tmp_path / "missing.jpg")
    assert "folder" in message_of(tmp_path)
    assert "device" in message_of("/dev/zero")
    os.mkfifo(tmp_path / "p.jpg")
    assert "pipe" in message_of(tmp_path / "p.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    assert "no such file" in message_of(tmp_path / "gone.jpg")
    (tmp_path / "round.jpg").symlink_to("round.jpg")
    assert "symbolic links" in message_of(tmp_path / "round.jpg")
    assert "null" in message_of("nu\0ll.jpg")
    (tmp_path / "odd\n\udcff.jpg").write_bytes(b"x")
    assert r"odd\n\udcff.jpg" in message_of(tmp_path / "odd\n\udcff.jpg")


def test_no_permission(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    touch(tmp_path / "p.jpg")
    (tmp_path / "p.jpg").chmod(0)
    assert "permission" in message_of(tmp_path / "p.jpg")


# --- other sources and writing ---------------------------------------------------------------


def test_as_photo_takes_whatever_holds_one(tmp_path):
    save_png(tmp_path / "p.png", scene())
    content = (tmp_path / "p.png").read_bytes()
    image = Image.open(tmp_path / "p.png")
    rgba = np.dstack([scene(), np.full((32, 48), 255, np.uint8)])
    path = tmp_path / "p.png"
    sources = [path, str(path), content, io.BytesIO(content), memoryview(content), image]
    for source in [*sources, rgba]:
        close(as_photo(source), scene(), 0)
    # The caller's own pixels, which nobody is to change.
    for source in (scene(), scene().copy(order="F")):
        close(as_photo(source), scene(), 0, writeable=False)
    photo = as_photo(scene())
    assert as_photo(photo) is photo
    assert photo.path is None
    close(as_photo(GREY), np.repeat(GREY[..., None], 3, axis=2), 0)


def test_as_photo_leaves_its_source_alone(tmp_path):
    pixels = scene(960, 640)
    save_image(tmp_path / "p.jpg", pixels)
    with Image.open(tmp_path / "p.jpg") as image:
        assert as_photo(image, working_pixels=9_000).scale > 8
        assert image.size == (960, 640)
    with pytest.raises(ValueError, match="read-only"):
        as_photo(pixels).pixels[:] = 7
    assert (pixels == scene(960, 640)).all()


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        b"",
        b"no image",
        None,
        7,
    ],
)
def test_as_photo_says_what_it_wants(source):
    with pytest.raises(UnreadablePhoto):
        as_photo(source)


def test_images_are_written_without_loss_or_as_asked(tmp_path):
    save_png(tmp_path / "deep" / "p.png", scene())
    close(read_photo(tmp_path / "deep/p.png"), scene(), 0)
    save_png(tmp_path / "grey.png", GREY)
    close(read_photo(tmp_path / "grey.png"), np.repeat(GREY[..., None], 3, axis=2), 0)
    for name in ["p.jpg", "p.PNG", "p.webp"]:
        save_image(tmp_path / name, scene())
        assert read_photo(tmp_path / name).pixels.shape == (32, 48, 3)
    with pytest.raises(UsageError, match="ending"):
        save_image(tmp_path / "p.xyz", scene())
    with pytest.raises(StorageError, match=r"p\.png"):
        save_image(tmp_path / "p.jpg" / "p.png", scene())


def test_photos_can_be_read_in_threads(tmp_path):
    save_png(tmp_path / "p.png", scene())
    results = []

    def work():
        results.extend(read_photo(tmp_path / "p.png") for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80 and all((r.pixels == scene()).all() for r in results)


def test_importing_loads_no_image_library():
    program = "import sys, openfaceplus.images; sys.exit(bool({'PIL', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize(("name", "width"), [("w.jpg", 70_000), ("w.webp", 16_384)])
def test_what_a_format_cannot_hold_is_said(tmp_path, name, width, capfd):
    with pytest.raises(UnwritablePicture, match=f"{name}: .*{width} x 4 pixels.*png"):
        save_image(tmp_path / name, np.zeros((4, width, 3), np.uint8))
    assert not list(tmp_path.iterdir()) and capfd.readouterr() == ("", "")


def test_a_png_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("cv2.imencode", lambda *_: (False, None))
    with pytest.raises(UnwritablePicture, match="png"):
        save_image(tmp_path / "w.png", scene())
