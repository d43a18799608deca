"""Event files for TensorBoard (torch.utils.tensorboard), written by the package tensorboardX."""

from __future__ import annotations

from typing import Any

from lenetc.tensors.tensor import Tensor


def _hosted(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().numpy()
    if isinstance(value, (list, tuple)):
        return type(value)(map(_hosted, value))
    if isinstance(value, dict):
        return {key: _hosted(item) for key, item in value.items()}
    return value


class SummaryWriter:
    """tensorboardX's SummaryWriter, whose methods take tensors (torch.utils.tensorboard.SummaryWriter).

    log_dir: a folder; where it is None one under `runs/` that is named for the time. Raises ImportError, with what to
    install, where tensorboardX is missing.
    """

    def __init__(self, log_dir: str | None = None, *args: Any, **kwargs: Any) -> None:
        try:
            import tensorboardX  # heavy, and for those who write event files only
        except ImportError:
            raise ImportError(
                "SummaryWriter writes its files by the package tensorboardX, which is not installed: "
                "pip install tensorboardX"
            ) from None
        self._writer = tensorboardX.SummaryWriter(log_dir, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_writer":
            raise AttributeError(name)
        method = getattr(self._writer, name)
        if not callable(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            return method(*_hosted(args), **_hosted(kwargs))

        return call

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()
