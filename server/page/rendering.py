"""Templates to HTML. Whatever is put into them is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2

from xret.server.page.assets import Asset
from xret.server.page.interface import INTERFACES, Interface, interface_in
from xret.server.page.state import PageState

__all__ = ["PageTemplates"]

NAMES = (
    "alignment.html",
    "ask.html",
    "document.html",
    "failure.html",
    "hits.html",
    "layout.html",
    "results.html",
    "start.html",
)


class PageTemplates:
    """The templates, read once."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        folder = files("xret.server.page").joinpath("templates")
        sources = {name: folder.joinpath(name).read_text("utf-8") for name in NAMES}
        self._environment = jinja2.Environment(
            loader=jinja2.DictLoader(sources),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals["assets"] = {name: one.path for name, one in assets.items()}
        self._environment.globals["interfaces"] = [interface_in(lang) for lang in INTERFACES]

    def html(self, template: str, ui: Interface, state: PageState, **values: Any) -> str:
        """A whole page. values: what the template names beside the interface and the state."""
        return self._environment.get_template(template).render(ui=ui, state=state, **values)
