"""Opening data files, compressed or not, and the error for a file that cannot be read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import IO, Any, cast

from gradcode.errors import DataError, MissingExtra

__all__ = ["READ_ERRORS", "open_data", "plain_suffix", "unreadable"]

# Raised for a file that is missing, cut short, or not of the format that its name says.
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


def plain_suffix(path: str) -> str:
    """Return the suffix of a name, in lower case, without that of a compressed file.

    Examples
    --------
    >>> plain_suffix("employees.CSV.gz"), plain_suffix("a9a.bz2")
    ('.csv', '')
    """
    name = Path(path.lower())
    return Path(name.stem).suffix if name.suffix in _COMPRESSED else name.suffix


def open_data(path: str) -> IO[bytes]:
    """Open a file for reading, and decompress it if its name ends in .gz, .bz2, .xz or .zst.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    file object
        Binary and buffered. On a bad file it raises one of `READ_ERRORS`.

    Raises
    ------
    MissingExtra
        If the name ends in .zst and pyarrow, which decompresses it, is not installed.

    Examples
    --------
    >>> import gzip, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = str(Path(folder, "data.gz"))
    ...     _ = Path(path).write_bytes(gzip.compress(b"content"))
    ...     with open_data(path) as file:
    ...         file.read()
    b'content'
    """
    match Path(path).suffix.lower():
        case ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        case ".bz2":
            return cast(IO[bytes], bz2.open(path, "rb"))
        case ".xz":
            return lzma.open(path, "rb")
        case ".zst":
            return _open_zstandard(path)
    return Path(path).open("rb")


def _open_zstandard(path: str) -> IO[bytes]:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra("reading .zst files needs pyarrow", "parquet") from error
    stream: Any = pyarrow.input_stream(path, compression="zstd")
    return io.BufferedReader(stream)


def unreadable(path: str, error: Exception) -> DataError:
    """Return the error for a file that cannot be read, with the reason.

    Examples
    --------
    >>> unreadable("absent.svm", FileNotFoundError(2, "No such file or directory"))
    DataError('absent.svm: cannot be read: No such file or directory')
    """
    if Path(path).is_dir():
        return DataError(f"{path}: must be a file, got a directory")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(f"{path}: cannot be read: {reason}")
