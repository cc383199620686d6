"""Results as tables: ``openfaceplus.to_frame``. pandas is imported only when one is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import UsageError
from openfaceplus.extras import require
from openfaceplus.faces import Box, Decision
from openfaceplus.model import Identified

if TYPE_CHECKING:
    import pandas as pd

_SIDES = ("left", "top", "right", "bottom")
_DECISION = ("photo", *_SIDES, *(f.name for f in dataclasses.fields(Decision) if f.name != "box"))
_MEASURED = ("measure", "group", "at", "value", "low", "high")


def to_frame(results: Any) -> pd.DataFrame:
    """A pandas DataFrame of what ``identify``, ``identify_many``, ``find`` or an evaluation gave.

    Of decisions: a row a face, from a list of them (one photo), a list of such lists (``photo``
    is then a number from 0), a mapping from photos to lists, or ``identify_many``'s results. Of a
    search: a row a face, or a photo without one. Of an evaluation: a row a number, with its
    ``group``, the rate it is ``at`` and the ``low`` and ``high`` end of its 95% interval; what is
    no number is in ``attrs``.

    Raises UsageError for anything else, or without pandas.
    """
    require("pandas", "frames", "a table")
    import pandas as pd

    if isinstance(results, Mapping) and "space" in results:
        frame = pd.DataFrame(_measured(results), columns=list(_MEASURED))
        frame.attrs = {key: value for key, value in results.items() if isinstance(value, str)}
        return frame
    if hasattr(results, "references") and hasattr(results, "results"):
        from openfaceplus.stages.find import COLUMNS, rows_of

        rows = [row for result in results.results for row in rows_of(result)]
        return pd.DataFrame(rows, columns=list(COLUMNS))
    decided = list(_decided(results))
    columns = list(_DECISION if any("photo" in row for row in decided) else _DECISION[1:])
    return pd.DataFrame(decided, columns=columns)


def _decided(results: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(results, Iterable):
        raise UsageError(
            f"a {type(results).__name__} is not a result that makes a table",
            remedy="give decisions, a search or an evaluation",
        )
    pairs = results.items() if isinstance(results, Mapping) else enumerate(results)
    for photo, result in pairs:
        if isinstance(result, Decision):
            yield _face(result)
        elif isinstance(result, Identified):
            yield from ({"photo": result.source} | _face(one) for one in result.decisions)
        else:
            yield from ({"photo": photo} | row for row in _decided(result))


def _face(decision: Decision) -> dict[str, Any]:
    rest = {f.name: getattr(decision, f.name) for f in dataclasses.fields(Decision)}
    box: Box | None = rest.pop("box")
    return (dict(zip(_SIDES, box.rounded(), strict=True)) if box else {}) | rest


def _measured(
    result: Mapping[str, Any], group: str | None = None, part: str = ""
) -> Iterator[dict[str, Any]]:
    def row(measure: str, value: Any, at: Any = None, interval: Any = None) -> dict[str, Any]:
        low, high = interval or (None, None)
        values = (part + measure, group, None if at is None else float(at), value, low, high)
        return dict(zip(_MEASURED, values, strict=True))

    for key, value in result.items():
        interval = result.get(f"{key}_interval")
        if key == "groups":
            for name, inner in value.items():
                yield from _measured(inner, name, part)
        elif key == "calibration":
            for rate in value:
                yield row(key, rate["achieved"], rate["requested"], rate["interval"])
        elif key == "all":
            yield from _measured(value, group, "all ")
        elif isinstance(value, Mapping) and not key.endswith("_interval"):
            for at, number in value.items():
                yield row(key, number, at, interval and interval[at])
        elif isinstance(value, (int, float)):
            yield row(key, value, None, interval)
