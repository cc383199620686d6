"""Pages that open without a server: what they show is in the file itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.extras import require
from openfaceplus.files import MARK, atomic_write

if TYPE_CHECKING:
    import numpy as np

PAGE = "index.html"


def write(path: Path, template: str, values: Mapping[str, Any], *, extra: str, what: str) -> Path:
    """Write a template of this folder, filled in, to ``path`` and return it.

    Raises UsageError without Jinja2, which ``extra`` brings for ``what``; InTheWay for a file of
    somebody else's.
    """
    require("jinja2", extra, what)
    import jinja2

    loader = jinja2.PackageLoader("openfaceplus.stages")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template(template).render(values, mark=MARK)
    with atomic_write(path) as file:
        file.write(page.encode("utf-8", "replace"))
    return path


def inline(pixels: np.ndarray, long_side: int = 1000) -> str:
    """(height, width, 3) RGB uint8 pixels as an address that holds them, as JPEG, made smaller
    where they are longer than ``long_side``."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()
