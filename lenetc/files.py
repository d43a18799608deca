"""Files that are whole, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: str | Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file so that whoever reads it, even after a power cut, finds the old content or the new, whole.

    The content goes to a temporary file in the same folder, is synced to the disk and renamed over `path`;
    then the folder is synced. A symbolic link stays, and the file that it leads to is replaced.

    Args:
        path: the file; its folder exists.
        content: the bytes, or a function that writes them to the open binary file which it is given.

    Raises:
        OSError: the disk is full, the folder missing or not writable. As after any other error raised while
            writing, the previous file is untouched and the temporary file gone.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(6)}.tmp")
    # Not tempfile, whose files are private: a checkpoint gets the permissions that any new file gets.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened, nor synced
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
