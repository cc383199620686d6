"""What an embedding network of somebody else's wants of its input: a preset, or a JSON file.

A JSON object with any of the fields of ``EmbedderSpec``; those left out are the preset's:

    {"size": 112, "layout": "NCHW", "colour": "RGB", "mean": 127.5, "std": 127.5,
     "standardise": false, "template": "arcface", "padding": null, "unit": false, "output": null}

Sources: ArcFace, insightface ``arcface_onnx.py``; AdaFace, mk-minchul/AdaFace ``inference.py``
(BGR); SFace, OpenCV's ``FaceRecognizerSF::feature``; FaceNet, facenet-pytorch's
``fixed_image_standardization``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from openfaceplus.errors import UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.weights.source import read_regular

_LARGEST = 1 << 20  # bytes of a JSON file
TEMPLATES = ("arcface", "box", "dlib", "outerEyesAndNose", "innerEyesAndBottomLip")
_PADDED = {"dlib": 0.25, "box": 0.125}  # templates that take a border, and how much by default


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """How chips become a network's input.

    ``size`` is the chip's side in pixels, ``template`` and ``padding`` how it is cut, ``layout``
    NCHW or NHWC, ``colour`` RGB or BGR. Pixels become (x - mean) / std, each a number or one a
    channel in the network's order; with ``standardise`` every chip's own mean and deviation
    instead. ``unit`` scales the vectors to unit length. ``output`` names the vector among several
    outputs.
    """

    size: int = 112
    layout: str = "NCHW"
    colour: str = "RGB"
    mean: float | tuple[float, ...] = 127.5
    std: float | tuple[float, ...] = 127.5
    standardise: bool = False
    template: str = "arcface"
    padding: float | None = None
    unit: bool = False
    output: str | None = None

    @property
    def chip(self) -> ChipSpec:
        """The chips it takes."""
        return ChipSpec(self.size, self.template, self.padding)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def read_spec(path: Path | str, preset: EmbedderSpec) -> EmbedderSpec:
    """The preset with what the JSON file changes.

    Raises ModelMissing for a file that cannot be read, UsageError for one that makes no sense.
    """
    try:
        found = json.loads(read_regular(path, _LARGEST))
    except (ValueError, RecursionError) as error:
        raise _wrong(f"{path}: is no JSON ({error})", "it takes an object of fields") from None
    if not isinstance(found, dict):
        raise _wrong(f"{path}: holds no JSON object", 'it takes one, such as {"size": 112}')
    return make_spec(found, preset, path)


def make_spec(values: Mapping[str, Any], preset: EmbedderSpec, origin: Path | str) -> EmbedderSpec:
    """``preset`` with ``values`` of ``origin``. Raises UsageError for what makes no sense."""
    known = [field.name for field in fields(EmbedderSpec)]
    if unknown := [key for key in values if key not in known]:
        raise _wrong(f"{origin}: has no field {unknown[0]!r}", f"known are: {', '.join(known)}")
    changes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    if "template" in changes and "padding" not in changes:
        changes["padding"] = _PADDED.get(str(changes["template"]))
    spec = replace(preset, **changes)
    for name, allowed in (
        ("layout", ("NCHW", "NHWC")),
        ("colour", ("RGB", "BGR")),
        ("template", TEMPLATES),
        ("standardise", (True, False)),
        ("unit", (True, False)),
    ):
        value = getattr(spec, name)
        if not any(value is one or (isinstance(one, str) and value == one) for one in allowed):
            takes = ", ".join(map(json.dumps, allowed))
            raise _wrong(f"{origin}: {name} is {value!r}", f"it takes {takes}")
    if not _is_number(spec.size) or spec.size != int(spec.size) or not 16 <= spec.size <= 2048:
        raise _wrong(f"{origin}: size is {spec.size!r}", "it takes 16 to 2048 pixels")
    for name in ("mean", "std"):
        value = getattr(spec, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if len(numbers) not in (1, 3) or not all(map(_is_number, numbers)):
            raise _wrong(f"{origin}: {name} is {value!r}", "it takes a number, or three")
        if name == "std" and not all(number > 0 for number in numbers):
            raise _wrong(f"{origin}: std is {value!r}", "it takes numbers above 0")
    padded = spec.template in _PADDED
    if spec.padding is not None and not (padded and _is_number(spec.padding) and spec.padding >= 0):
        words = f"{', '.join(_PADDED)} take a number from 0 up"
        raise _wrong(f"{origin}: padding is {spec.padding!r}", words)
    if padded and spec.padding is None:
        spec = replace(spec, padding=_PADDED[spec.template])
    if spec.output is not None and not isinstance(spec.output, str):
        raise _wrong(f"{origin}: output is {spec.output!r}", "it takes the name of an output")
    return replace(spec, size=int(spec.size))


def _wrong(problem: str, remedy: str) -> UsageError:
    return UsageError(problem, remedy=remedy, field="spec")


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value - value == 0  # neither infinite nor NaN
    )
