"""Files are written whole: synced before they are renamed, and with the permissions and links of any file."""

import os
from pathlib import Path

import pytest

from lenetc.files import atomic_write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.safetensors"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_order_of_events(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Content synced, then renamed, then the folder synced: any other order can lose both files."""
    events = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(descriptor: int) -> None:
        events.append("sync folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "sync file")
        fsync(descriptor)

    def spy_replace(source: Path, target: Path) -> None:
        assert Path(source).read_bytes() == b"content"
        assert Path(source).parent == Path(target).parent
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    atomic_write(path, b"content")
    assert events == ["sync file", "rename", "sync folder"]


def test_bytes_and_writer(path: Path):
    atomic_write(path, b"one")
    assert path.read_bytes() == b"one"
    atomic_write(str(path), lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"


@pytest.mark.skipif(os.name != "posix", reason="needs permissions and links")
def test_permissions_and_links_are_those_of_any_file(path: Path):
    plain, link = path.with_name("plain"), path.with_name("link")
    plain.touch()
    link.symlink_to(path.name)
    atomic_write(link, b"content")
    assert link.is_symlink()
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode == plain.stat().st_mode


def test_long_name(tmp_path: Path):
    path = tmp_path / ("x" * 255)
    atomic_write(path, b"content")
    assert path.read_bytes() == b"content"
