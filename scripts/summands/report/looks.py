"""Colours and shapes, which charts and figures have alike; no library is needed."""

from __future__ import annotations

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

GREY = "#777777"

# Shapes of points, by Vega's names, with matplotlib's. There is one more than there are
# colours, so that of forty estimators no two are drawn alike.
SHAPES = {
    "circle": "o",
    "square": "s",
    "triangle-up": "^",
    "diamond": "D",
    "triangle-down": "v",
    "triangle-left": "<",
    "triangle-right": ">",
}


def colour(number: int) -> str:
    """Colour of the estimator of this number."""
    return COLOURS[number % len(COLOURS)]


def shape(number: int) -> str:
    """Shape of the points of the estimator of this number, as Vega calls it."""
    return [*SHAPES][number % len(SHAPES)]


def marker(number: int) -> str:
    """Name the same shape as matplotlib does."""
    return SHAPES[shape(number)]
