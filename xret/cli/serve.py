"""`xret serve`: indices over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from xret.cli.options import DeviceOption, PairRoutingOption, RerankOption, routed_reranker
from xret.cli.output import message
from xret.cli.serving import settings_of, with_settings

__all__ = ["serve"]


@with_settings
def serve(
    indexes: Annotated[
        list[str],
        typer.Argument(metavar="INDEX...", help="Names or folders of indices, or NAME=FOLDER."),
    ],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks one.")
    ] = 8080,
    public: Annotated[
        bool,
        typer.Option(
            "--public", help="Listen where other machines reach it though no key is asked for."
        ),
    ] = False,
    device: DeviceOption = None,
    rerank: RerankOption = None,
    pair_routing: PairRoutingOption = None,
    **settings: Any,
) -> None:
    """Serve indices over HTTP until interrupted; see /openapi.json for the interface."""
    from xret.server.logs import set_up_logs
    from xret.server.serve import serve as run
    from xret.server.settings import ServerSettings

    reranker = routed_reranker(rerank, pair_routing)
    wanted = ServerSettings(device=device, rerank=reranker, **settings_of(settings))
    set_up_logs(wanted)
    run(indexes, host=host, port=port, announce=message, allow_public=public, settings=wanted)
