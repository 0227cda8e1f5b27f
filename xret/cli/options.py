"""Options that several commands share, so that each is spelt and explained in one place."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
IndexArgument = Annotated[str, typer.Argument(metavar="INDEX", help="Name or folder of an index.")]
EncoderOption = Annotated[
    str, typer.Option("--encoder", help="Name of an encoder, or the folder of one.")
]
