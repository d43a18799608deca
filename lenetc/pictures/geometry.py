"""The geometry of a drawn graph: a box for each node, a path for each edge."""

from __future__ import annotations

from dataclasses import dataclass

from lenetc.pictures.placement import Node, Placement
from lenetc.pictures.routes import Wire


@dataclass(frozen=True)
class Box:
    """A drawn rectangle: left, top, width, height."""

    left: float
    top: float
    width: float
    height: float

    @property
    def x(self) -> float:
        """Centre, horizontally."""
        return self.left + self.width / 2

    @property
    def y(self) -> float:
        """Centre, vertically."""
        return self.top + self.height / 2

    @property
    def right(self) -> float:
        """The right side."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower side."""
        return self.top + self.height


@dataclass
class Drawing:
    """Geometry in SVG user units: a box per node, a path per edge, and the extent of each row and lane.

    A path is a list of points; `curved[i]` of an edge says that the piece from point i to i + 1 is an S-curve
    with vertical ends rather than a straight line.
    """

    placement: Placement
    boxes: dict[Node, Box]
    wires: dict[tuple[Node, Node], Wire]
    paths: dict[tuple[Node, Node], list[tuple[float, float]]]
    curved: dict[tuple[Node, Node], list[bool]]
    row_top: list[float]
    row_bottom: list[float]
    lane_span: dict[int, tuple[float, float]]
    main_left: float
    main_right: float
    width: float
    height: float
