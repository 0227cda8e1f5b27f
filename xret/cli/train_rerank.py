"""`xret train rerank`: a cross-encoder for --rerank, whole, by an adapter, or by a mask."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from xret.cli.fields import options_of
from xret.cli.options import AsJson
from xret.cli.output import message, print_json, show_progress
from xret.retriever.training.rerankers.settings import RerankTraining

__all__ = ["train_rerank"]


@options_of(RerankTraining)
def train_rerank(
    output: Annotated[Path, typer.Option("--output", help="Folder for the reranker.")],
    resume: Annotated[
        bool, typer.Option("--resume/--anew", help="Go on with a broken run, or start over.")
    ] = True,
    as_json: AsJson = False,
    **fields: Any,
) -> None:
    """Train a reranker that reads question and passage together; run again to go on.

    The ranking adapter (or mask) learns on top of the encoder's language modules, so that what is
    learnt in some languages serves the others; any search loads the folder with --rerank.
    """
    from xret.errors import MissingLibraryError

    try:
        from xret.retriever.training.rerankers.run import train_reranker
    except ImportError as error:
        raise MissingLibraryError(
            f"training needs {error.name}; install it with: pip install 'xret[train]'"
        ) from error
    training = RerankTraining(output=output, **fields)
    with closing(train_reranker(training, resume=resume)) as steps:
        show_progress(steps)
    if as_json:
        print_json({"model": str(output), "card": str(output / "README.md")})
    message(f"trained: {output}; try it with: xret search INDEX QUERY --rerank {output}@20")
