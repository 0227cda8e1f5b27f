"""`xret mcp`: indices as tools of a language model."""

from __future__ import annotations

from typing import Annotated

import typer

from xret.cli.options import PairRoutingOption, RerankOption, routed_reranker
from xret.cli.output import message

__all__ = ["mcp"]


def mcp(
    indexes: Annotated[
        list[str], typer.Argument(metavar="INDEX...", help="Names or folders of indices.")
    ],
    rerank: RerankOption = None,
    pair_routing: PairRoutingOption = None,
) -> None:
    """Serve indices to a language model as the tools search, fetch and languages.

    The program that runs the model starts this command, and speaks the Model Context Protocol
    with it over standard input and output. xret serve has the same tools at /mcp.
    """
    from xret.server.settings import ServerSettings
    from xret.server.stdio import serve_stdio

    settings = ServerSettings(rerank=routed_reranker(rerank, pair_routing))
    serve_stdio(indexes, announce=message, settings=settings)
