"""Errors of the compiler. All derive from `LenetcError`, which is a RuntimeError as PyTorch's are."""

from __future__ import annotations


class LenetcError(RuntimeError):
    """Base of every error raised on purpose. `where` is added once, by whoever knows it first."""

    located = False

    def at(self, where: str) -> LenetcError:
        """The same error with `where` (module path, user's line) appended, unless it has a place already."""
        if not self.located and where:
            self.args = (f"{self.args[0]}\n  at {where}", *self.args[1:])
            self.located = True
        return self


class ShapeError(LenetcError, ValueError):
    """Operand shapes do not fit an operation."""


class BoundsError(LenetcError, IndexError):
    """An axis, or an index, that a value does not have."""


class DTypeError(LenetcError, TypeError):
    """Operand dtypes do not fit an operation."""


class UnsupportedError(LenetcError, NotImplementedError):
    """PyTorch has this and lenetc does not; the message says what to use instead."""


class SymbolicDimError(LenetcError, TypeError):
    """A concrete number was needed where only a symbolic dim is known."""


class ParseError(LenetcError, ValueError):
    """The text is not a graph of the IR's grammar."""


class VerifyError(LenetcError):
    """A graph breaks a rule of the IR; the message names the node and the passes that ran."""
