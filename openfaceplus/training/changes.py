"""Small changes of chips that leave a person who they are: of geometry, light and sharpness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_TURN, _ZOOM, _SHIFT = 0.14, 0.08, 0.08  # radians; share; share of half a side
_LIGHT, _CONTRAST, _COLOUR, _GAMMA = 0.2, 0.3, 0.4, 0.3
_GREY, _SOFT, _COVERED = 0.1, 0.25, 0.2  # shares of chips
_PATCH = (0.15, 0.4)  # of the side


def changed(chips: Tensor, generator: torch.Generator) -> Tensor:
    """(n, size, size, 3) float32 0..255, each turned, zoomed, shifted and mirrored a little, in
    other light, some softer, grey or partly covered."""
    n, device = len(chips), chips.device

    def draw(*shape: int, least: float = -1, most: float = 1) -> Tensor:
        made = torch.rand(shape, generator=generator) * (most - least) + least
        return made.to(device)

    x = _moved(chips.permute(0, 3, 1, 2) / 255, draw(5, n))
    soft = F.interpolate(F.avg_pool2d(x, 2, ceil_mode=True), x.shape[-2:], mode="bilinear")
    x = torch.where(_some(draw(n), _SOFT), soft, x)
    grey = x.mean(1, keepdim=True)
    colour = torch.where(_some(draw(n), _GREY), 0, 1 + _COLOUR * draw(n, 1, 1, 1))
    x = grey + (x - grey) * colour
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * (1 + _CONTRAST * draw(n, 1, 1, 1)) + _LIGHT * draw(n, 1, 1, 1)
    x = x.clamp(0, 1) ** torch.exp(_GAMMA * draw(n, 1, 1, 1))
    x = x * ~(_patches(draw(4, n, least=0), x.shape[-1]) & _some(draw(n), _COVERED))
    return x.permute(0, 2, 3, 1) * 255


def _moved(x: Tensor, drawn: Tensor) -> Tensor:
    """(n, 3, size, size) by one affine map each; beyond the edge the picture is mirrored."""
    angle, zoom, right, down, side = drawn
    scale = 1 + _ZOOM * zoom
    cosine, sine = scale * torch.cos(_TURN * angle), scale * torch.sin(_TURN * angle)
    mirror = torch.where(side < 0, -1.0, 1.0)
    rows = [
        torch.stack([mirror * cosine, -sine, _SHIFT * right], 1),
        torch.stack([mirror * sine, cosine, _SHIFT * down], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _some(drawn: Tensor, share: float) -> Tensor:
    """(n, 1, 1, 1) true for that share, of numbers between -1 and 1."""
    return (drawn < 2 * share - 1).reshape(-1, 1, 1, 1)


def _patches(drawn: Tensor, size: int) -> Tensor:
    """(n, 1, size, size) true within one rectangle each."""
    width, height = (_PATCH[0] + (_PATCH[1] - _PATCH[0]) * drawn[:2]) * size
    left, top = drawn[2] * (size - width), drawn[3] * (size - height)
    at = torch.arange(size, device=drawn.device)
    across = (at >= left[:, None]) & (at < (left + width)[:, None])
    along = (at >= top[:, None]) & (at < (top + height)[:, None])
    inside: Tensor = along[:, :, None] & across[:, None, :]
    return inside.unsqueeze(1)
