"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a passing name, which becomes `path` in one step if nothing was raised.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "data")) as file:
    ...         _ = file.write(b"whole")
    ...     Path(folder, "data").read_bytes()
    b'whole'
    """
    passing = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with passing.open("wb") as file:
            yield file
        passing.replace(path)
    finally:
        passing.unlink(missing_ok=True)
