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
    public: Annotated[
        bool,
        typer.Option(
            "--public", help="Listen where other machines reach it though no key is asked for."
        ),
    ] = False,
    keys: Annotated[
        str | None,
        typer.Option("--keys", help="File of keys; `xret key` says where the usual one is."),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option("--cors-origin", help="A page's origin that may ask from a browser."),
    ] = None,
    tls_cert: Annotated[
        str | None, typer.Option("--tls-cert", help="Certificate in PEM, for HTTPS.")
    ] = None,
    tls_key: Annotated[str | None, typer.Option("--tls-key", help="Its private key.")] = None,
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

    settings = ServerSettings(
        rerank=routed_reranker(rerank, pair_routing),
        keys=keys,
        cors_origins=tuple(cors_origin or ()),
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    if deadline_ms is not None:
        settings = dataclasses.replace(settings, deadline_ms=deadline_ms)
    run(indexes, host=host, port=port, announce=message, allow_public=public, settings=settings)
