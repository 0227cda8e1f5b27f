"""`xret serve`: indices over HTTP."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from xret.cli.options import PairRoutingOption, RerankOption, routed_reranker
from xret.cli.output import message

__all__ = ["serve"]


def serve(
    indexes: Annotated[
        list[str], typer.Argument(metavar="INDEX...", help="Names or folders of indices.")
    ],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks one.")
    ] = 8080,
    rerank: RerankOption = None,
    pair_routing: PairRoutingOption = None,
    deadline_ms: Annotated[
        float | None,
        typer.Option("--deadline-ms", help="When the reranker stops reading; requests may say."),
    ] = None,
) -> None:
    """Serve indices over HTTP until interrupted; see /openapi.json for the interface."""
    from xret.server.serve import serve as run
    from xret.server.settings import ServerSettings

    settings = ServerSettings(rerank=routed_reranker(rerank, pair_routing))
    if deadline_ms is not None:
        settings = dataclasses.replace(settings, deadline_ms=deadline_ms)
    run(indexes, host=host, port=port, announce=message, settings=settings)
