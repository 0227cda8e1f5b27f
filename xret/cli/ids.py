"""Ids of documents as a shell takes them: one with a tab or a line break is quoted."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["typable", "typed"]

_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\", "'": "\\'"}
_QUOTED = re.compile(r"\$'((?:[^\\']|\\.)*)'")
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|(.))")


def typable(doc_id: str) -> str:
    """An id as it can be typed in bash, zsh and ksh, and given to `xret delete --from`.

    >>> print(typable("a-1"), typable("a\\tb"))
    a-1 $'a\\tb'
    """
    if not doc_id.startswith("$'") and not any(map(_is_control, doc_id)):
        return doc_id
    escaped = (_NAMED.get(c) or (f"\\u{ord(c):04x}" if _is_control(c) else c) for c in doc_id)
    return f"$'{''.join(escaped)}'"


def typed(line: str) -> str:
    """The id that a line names, quoted by `typable` or as it is.

    >>> typed("$'a\\\\tb'")
    'a\\tb'
    """
    quoted = _QUOTED.fullmatch(line)
    if quoted is None:
        return line
    plain = {escape[1]: character for character, escape in _NAMED.items()}
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else plain.get(m[2], m[0]), quoted[1])


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")
