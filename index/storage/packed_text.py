"""A document's text as its row holds it: compressed where that makes it smaller.

A text that is packed is a blob: its length in UTF-8 as four bytes, little-endian, then DEFLATE
without header or checksum (RFC 1951), as the row has a hash of its own. Short texts, and those
that hardly shrink, stay text.
"""

from __future__ import annotations

import zlib

__all__ = ["packed_text", "unpacked_text"]

LEAST_BYTES = 200
LEAST_SAVED = 8
"""A text is packed where that saves one part in so many."""

LEVEL = 6
_LENGTH_BYTES = 4
_RAW = -15


def packed_text(text: str) -> str | bytes:
    """The text itself, or the same packed.

    >>> packed_text("short")
    'short'
    >>> len(packed_text("a long text, " * 100))
    30
    """
    content = text.encode()
    if not LEAST_BYTES <= len(content) < 1 << 8 * _LENGTH_BYTES:
        return text
    packed = zlib.compress(content, LEVEL, wbits=_RAW)
    if len(packed) + _LENGTH_BYTES > len(content) - len(content) // LEAST_SAVED:
        return text
    return len(content).to_bytes(_LENGTH_BYTES, "little") + packed


def unpacked_text(stored: str | bytes) -> str:
    """What `packed_text` was given; never longer than the blob says.

    Raises ValueError for a blob that it did not make.
    """
    if isinstance(stored, str):
        return stored
    length = int.from_bytes(stored[:_LENGTH_BYTES], "little")
    unpacking = zlib.decompressobj(_RAW)
    try:
        content = unpacking.decompress(stored[_LENGTH_BYTES:], length + 1)
    except zlib.error as error:
        raise ValueError(f"a packed text that is none ({error})") from error
    if len(content) != length or not unpacking.eof or unpacking.unused_data:
        raise ValueError("a packed text of another length")
    return content.decode()
