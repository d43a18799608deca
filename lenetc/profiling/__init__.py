"""How long a call takes, and where in the user's code that time goes.

It may import `compiler` and what that may.
"""

from typing import TYPE_CHECKING, Any

from lenetc.compiler.function import CompiledFunction

if TYPE_CHECKING:
    from lenetc.profiling.profile import Profile


def _measure(
    function: CompiledFunction, args: tuple[Any, ...], kwargs: dict[str, Any], scan: bool, steps: int | None
) -> "Profile":
    from lenetc.profiling.measure import measure  # brings onnx and rich in, which importing lenetc should not

    return measure(function, args, kwargs, scan, steps)


CompiledFunction.profiler = _measure
