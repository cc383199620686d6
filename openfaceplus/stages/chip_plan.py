"""Which chips a recipe takes: those that lie there, or new ones, cut from the photos."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from openfaceplus.embedding import kind_of
from openfaceplus.errors import PhotoError, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.files import shown
from openfaceplus.images import read_photo
from openfaceplus.manifest import Manifest
from openfaceplus.recipe import Recipe, profile_for
from openfaceplus.remote import location
from openfaceplus.store.tables import Row


def plan(
    recipe: Recipe | None,
    made: Manifest | None,
    spec: ChipSpec,
    rows: Sequence[Row],
    views: int | None,
) -> tuple[Recipe, bool, list[str]]:
    """The full recipe, whether chips are cut anew from the photos, and what to tell the user."""
    found = {k: made.settings[k] for k in ("detector", "landmarks", "predictor")} if made else {}
    native = spec.template == Recipe().chip.template
    recipe = replace(recipe or profile_for(spec), **found)
    recipe = recipe if views is None else replace(recipe, views=views)
    if recipe.chip == spec and recipe.views <= 2:
        return recipe, False, []
    if spec.template in kind_of(recipe.embedder).also:
        return replace(recipe, chip=spec), False, []
    # Rows copied from a fallback folder have no landmarks to cut by.
    if any(row.get("landmarks") and location(row["photo"]).is_file() for row in rows):
        remark = f"chips for {recipe.embedder} are cut from the photos themselves, not from {spec}"
        return recipe, True, [] if native else [remark]
    if recipe.views > 2 or native:
        raise UsageError(
            f"{rows[0]['chip']}: a {spec} chip serves neither {recipe.embedder} nor {recipe.views} "
            "views, and the photos it came from are gone",
            remedy="align the photos again",
        )
    remark = (
        f"warning: the photos are gone, so {spec} chips are warped into dlib's frame; expect about "
        "93.5 instead of 98.8% on LFW pairs. Keep the photos, or use the network of such chips"
    )
    return replace(recipe, through=spec), False, [remark]


def spec_of(rows: Sequence[Row]) -> ChipSpec:
    """What chips of unknown origin must be, from their size: OpenFace's 96 or dlib's 150 pixels.

    Raises UsageError if none can be read.
    """
    native = Recipe().chip
    for row in rows:
        with contextlib.suppress(PhotoError):
            size = read_photo(row["chip"]).width
            return native if size == native.size else ChipSpec(size, "outerEyesAndNose")
    raise UsageError(
        f"{shown(rows[0]['chip'])}: no chip can be read", remedy="align the photos again"
    )
