"""Style sheet, script and icon, at addresses that name their content and so never grow old."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

__all__ = ["Asset", "read_assets"]

TYPES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """path: where it is served; media_type: what it is."""

    path: str
    media_type: str
    content: bytes


def read_assets() -> dict[str, Asset]:
    """All of them, by the names of their files."""
    folder = files("xret.server.page").joinpath("static")
    found = {}
    for name, media_type in TYPES.items():
        content = folder.joinpath(name).read_bytes()
        stem, _, ending = name.partition(".")
        digest = hashlib.sha256(content).hexdigest()[:12]
        found[name] = Asset(f"/static/{stem}.{digest}.{ending}", media_type, content)
    return found
