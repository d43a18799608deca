"""Windows that slide over images: the one place that checks them, counts them, and takes images apart by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.dims import Dim, Shape
from ir.errors import ShapeError
from ir.types import Array, Type

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A window as Conv2d and MaxPool2d of PyTorch move it over an image, its attributes for height and width."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    @classmethod
    def of(cls, attrs: Mapping[str, Any], kernel: Shape | None = None) -> Window:
        """The window that the attributes of an op tell, the kernel perhaps told by a weight."""
        if kernel is None:
            kernel = attrs["kernel"]
        told = {key: attrs[key] for key in ("stride", "padding", "dilation", "ceil_mode") if key in attrs}
        return cls((int(kernel[0]), int(kernel[1])), **told)

    @property
    def span(self) -> Pair:
        """Pixels from the first to the last that one window sees."""
        (h, w), (p, q) = self.kernel, self.dilation
        return p * (h - 1) + 1, q * (w - 1) + 1

    def out(self, size: Shape) -> tuple[Dim, Dim]:
        """How many windows fit into an image of `size`, down and across (PyTorch's formulas).

        In ceil_mode a last window may start inside the input or its left padding and run over the end.
        """
        result: list[Dim] = []
        for n, span, s, p in zip(size, self.span, self.stride, self.padding, strict=True):
            room = n + 2 * p - span
            out = (room + (s - 1 if self.ceil_mode else 0)) // s + 1 if s > 1 else room + 1
            if self.ceil_mode and (out - 1) * s >= n + p:
                out = out - 1
            result.append(out)
        return result[0], result[1]

    def checked(self, what: str, x: Type) -> tuple[Dim, Dim]:
        """`out` for the image x[N,C,H,W]. Raises ShapeError, in the name of the op `what`, where no window fits."""
        out = self.out(x.shape[2:])
        if any(isinstance(size, int) and size < 1 for size in out):
            raise ShapeError(
                f"{what}: a window of {self.span[0]}x{self.span[1]} (kernel {self.kernel}, dilation {self.dilation}) "
                f"does not fit into {x} with padding {self.padding}"
            )
        return out

    def reach(self, out: Shape) -> tuple[Dim, Dim]:
        """Pixels from the first that the first of `out` windows sees to the last that the last one sees."""
        (oh, ow), (sh, sw), (h, w) = out, self.stride, self.span
        return (oh - 1) * sh + h, (ow - 1) * sw + w

    def patches(self, x: Array, fill: float = 0.0) -> Array:
        """The windows of x[N,C,H,W] as a copy [N,C,OH,OW,KH,KW], `fill` where they leave the image."""
        out = self.out(x.shape[2:])
        reach = zip(self.reach(out), x.shape[2:], self.padding, strict=True)
        extra = [(p, max(int(r) - n - p, 0)) for r, n, p in reach]
        padded = np.pad(x, ((0, 0), (0, 0), *extra), constant_values=fill)
        n, c, h, w = padded.strides
        (sh, sw), (dh, dw) = self.stride, self.dilation
        shape = (*x.shape[:2], *map(int, out), *self.kernel)
        return np.array(
            np.lib.stride_tricks.as_strided(padded, shape, (n, c, h * sh, w * sw, h * dh, w * dw))
        )

    def unpatches(self, windows: Array, size: Pair) -> Array:
        """The transpose of `patches`: windows [N,C,OH,OW,KH,KW] added up into [N,C,*size]."""
        n, c, oh, ow, kh, kw = windows.shape
        (sh, sw), (dh, dw), (top, left) = self.stride, self.dilation, self.padding
        full = [
            max(int(r), s + 2 * p) for r, s, p in zip(self.reach((oh, ow)), size, self.padding, strict=True)
        ]
        result = np.zeros((n, c, *full), windows.dtype)
        for i in range(kh):
            for j in range(kw):
                rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
                columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
                result[:, :, rows, columns] += windows[:, :, :, :, i, j]
        return result[:, :, top : top + size[0], left : left + size[1]]

    def counts(self, size: Pair, include_pad: bool) -> Array:
        """How many elements each window counts in an average, [OH,OW]: PyTorch clips windows at the padded input."""
        counts = []
        for n, k, s, p, o in zip(size, self.kernel, self.stride, self.padding, self.out(size), strict=True):
            start = np.arange(int(o)) * s - p
            stop = np.minimum(start + k, n + p)
            counts.append(stop - start if include_pad else np.minimum(stop, n) - np.maximum(start, 0))
        return np.outer(counts[0], counts[1])
