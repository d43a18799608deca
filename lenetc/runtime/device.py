"""`lenetc.device`: a device name as PyTorch writes it."""

from __future__ import annotations


class device(str):
    """A device name ("cpu", "cuda", "cuda:0") with its parts (torch.device).

    Raises ValueError for what is not such a name.
    """

    def __new__(cls, name: str, index: int | None = None) -> device:
        kind, _, number = str(name).partition(":")
        if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise ValueError(f"unknown device {name!r}; use 'cpu' or 'cuda'")
        return super().__new__(cls, f"{kind}:{index}" if index is not None else str(name))

    @property
    def type(self) -> str:
        """ "cpu" or "cuda"."""
        return str(self).partition(":")[0]

    @property
    def index(self) -> int | None:  # type: ignore[override]
        """The device's number, None where the name has none."""
        number = str(self).partition(":")[2]
        return int(number) if number else None

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{number})"
