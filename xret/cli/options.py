"""Options that several commands share, so that each is spelt and explained in one place."""

from typing import Annotated, Literal

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
IndexArgument = Annotated[str, typer.Argument(metavar="INDEX", help="Name or folder of an index.")]
EncoderOption = Annotated[
    str, typer.Option("--encoder", help="Name of an encoder, or the folder of one.")
]
LangPolicyOption = Annotated[
    Literal["strict", "nearest", "default"],
    typer.Option("--lang-policy", help="For a language that the encoder has no adapter for."),
]
RerankOption = Annotated[
    str | None,
    typer.Option(
        "--rerank",
        metavar="NAME[@depth]",
        help="Let this reranker put the first documents in order: an encoder or a cross-encoder, "
        "by name or folder; 100 of them, or as many as are named.",
    ),
]
CalibrateOption = Annotated[
    Literal["off", "fixed", "z"] | None,
    typer.Option(
        "--calibrate",
        help="Make scores compare across languages: z, by what the question gives to a sample of "
        "each (the default where there are several); fixed, by what languages differ in for any "
        "question; or off.",
        show_default=False,
    ),
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16", "int8"] | None,
    typer.Option(
        "--precision",
        help="Arithmetic of a transformer, by default what it was made for; auto: bf16 where that "
        "is fastest; int8 by torch changes ranks too, not speed alone.",
        show_default=False,
    ),
]
