"""A file's bytes as a read-only array: checked, then read or mapped, with no file left open.

Python's `mmap` keeps a descriptor for each map up to version 3.12. An index has about ten files
a segment, so small ones are read and large ones are mapped by the system's own call.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import xxhash

from xret.errors import DamagedIndexError
from xret.index.storage.files import StoredFile

__all__ = ["DTYPES", "file_values"]

DTYPES = {
    "u8": "|u1",
    "i8": "|i1",
    "u16": "<u2",
    "bf16": "<u2",
    "i32": "<i4",
    "u32": "<u4",
    "i64": "<i8",
    "f32": "<f4",
}
"""The end of a file's name says what its values are."""

READ_BYTES = 1 << 14
"""Files up to this size are read: a map takes whole pages and as long to make."""

ADVICE = "restore it from a copy or build the index again"

Bytes = npt.NDArray[np.uint8]


def file_values(
    path: Path,
    file: StoredFile,
    *,
    verify: bool,
    dtype: str | None = None,
    in_memory: bool = False,
) -> npt.NDArray[Any]:
    """A file's values, mapped read-only once its size (and checksum) are as written.

    in_memory: read and not mapped. A mapped file that is cut kills who reads it (SIGBUS), and
    one that is written over changes under them; what was read and then found sound does neither.

    dtype: one of `DTYPES`, that of the name's ending where None. Size, checksum and map are
    of one open file, whatever becomes of its name meanwhile.
    Raises DamagedIndexError naming the file.
    """
    values = np.dtype(DTYPES[dtype or path.name.rpartition(".")[2]])
    try:
        with path.open("rb", buffering=0) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size != file.size_bytes:
                raise DamagedIndexError(
                    f"{path} has {size} bytes where {file.size_bytes} were written; {ADVICE}"
                )
            if in_memory or size <= READ_BYTES:
                content = np.fromfile(opened, np.uint8, size)
                if len(content) != size:
                    raise DamagedIndexError(f"{path} was cut while it was read; {ADVICE}")
            else:
                content = _mapped(opened, size)
    except FileNotFoundError as error:
        raise DamagedIndexError(f"{path} is missing; {ADVICE}") from error
    if verify and xxhash.xxh3_64_digest(content.data) != file.checksum:
        raise DamagedIndexError(f"{path} has changed since it was written (checksum); {ADVICE}")
    if size % values.itemsize:
        raise DamagedIndexError(f"{path} has {size} bytes, no whole number of values; {ADVICE}")
    array = content.view(values)
    array.flags.writeable = False
    return array


def _mapped(opened: BinaryIO, size: int) -> Bytes:
    """(size,) of an open file that may be closed then; size >= 1."""
    calls = _system_calls()
    if calls is None:
        if sys.version_info >= (3, 13):
            whole = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ, trackfd=False)
        else:
            whole = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(whole, np.uint8)
    make, take_away = calls
    address = make(None, size, mmap.PROT_READ, mmap.MAP_SHARED, opened.fileno(), 0)
    if address in (None, ctypes.c_void_p(-1).value):
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}, when it was mapped", str(opened.name))
    return np.asarray(_Map(address, size, take_away))


class _Map:
    """Mapped bytes, as NumPy takes them; they go with the last array that shows them."""

    def __init__(self, address: int, size: int, take_away: Callable[[int, int], int]) -> None:
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (size,),
            "data": (address, True),
        }
        end = weakref.finalize(self, take_away, address, size)
        end.atexit = False  # a thread may still read it when the program ends


@cache
def _system_calls() -> tuple[Callable[..., Any], Callable[[int, int], int]] | None:
    """`mmap` and `munmap`; None where Python's own is as good, or nothing else is known."""
    if os.name != "posix" or sys.version_info >= (3, 13) or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    try:
        library = ctypes.CDLL(None, use_errno=True)
        make, take_away = library.mmap, library.munmap
    except (OSError, AttributeError):
        return None
    make.restype = ctypes.c_void_p
    make.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int64,
    )
    take_away.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return make, take_away
