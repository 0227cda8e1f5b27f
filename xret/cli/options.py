"""Options that several commands share, so that each is spelt and explained in one place."""

import re
from typing import Annotated, Literal

import typer

from xret.errors import ConfigError


def known_device(device: str | None) -> str | None:
    """The name of a device; whether it is there is seen when it is used."""
    if device is not None and not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise typer.BadParameter(f"{device!r} is no device; use cpu, cuda or cuda:<number>")
    return device


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsWrittenOption = Annotated[
    bool,
    typer.Option(
        "--as-written",
        help="Leave Latin letters as they are: no question is read as a romanised one.",
    ),
]
IndexArgument = Annotated[str, typer.Argument(metavar="INDEX", help="Name or folder of an index.")]
EncoderOption = Annotated[
    str, typer.Option("--encoder", help="Name of an encoder, or the folder of one.")
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|cuda|cuda:N",
        callback=known_device,
        help="Where texts are encoded and documents scored; by default texts are on a GPU where "
        "torch sees one, and documents on the CPU. XRET_DEVICE sets it for all commands that "
        "have it.",
        show_default=False,
    ),
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
        help="Let this reranker put the first documents in order: an encoder (xret-modular@50 over "
        "an index by xret-static is what we recommend) or a cross-encoder, by name or folder; 100 "
        "of them, or as many as are named.",
    ),
]
PairRoutingOption = Annotated[
    Literal["qlang", "dlang", "split", "none"] | None,
    typer.Option(
        "--pair-routing",
        help="A reranker with language adapters or masks: through the question's language, the "
        "document's, each text through its own, or past them; by default as it was trained.",
        show_default=False,
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


def routed_reranker(name: str | None, routing: str | None) -> str | None:
    """`NAME[@depth]` with how its pairs are routed, as a search takes it.

    >>> routed_reranker("folder@20", "qlang")
    'folder#qlang@20'
    """
    if routing is None:
        return name
    if name is None:
        raise ConfigError("--pair-routing says how a reranker reads; name it with --rerank")
    plain, at, depth = name.rpartition("@")
    if not at or not depth.isdecimal():
        return f"{name}#{routing}"
    return f"{plain}#{routing}@{depth}"
