"""`xret module`: masks, ranking adapters and transforms, learnt, shown, added and applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.retriever.models.module_card import ModuleCard
    from xret.retriever.training.modules.transforms import FittedTransforms

__all__ = ["app"]

app = typer.Typer(
    help="Masks and adapters that change what a model does, learnt apart and added.",
    no_args_is_help=True,
)

ModelOption = Annotated[
    str, typer.Option("--model", help="Name or folder of the model that it is learnt on.")
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="File of the module.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="File of a module.")]


@app.callback()
def module() -> None:
    """Masks and adapters that change what a model does, learnt apart and added."""


@app.command("learn")
def learn(
    kind: Annotated[
        Literal["ranking", "mask", "language", "transform"],
        typer.Argument(
            help="ranking: an adapter behind each layer (for a reranker that searches load: xret "
            "train rerank); mask: a few weights; language: MAD-X's adapter of a language in each "
            "layer; transform: of the finished vectors, by language."
        ),
    ],
    model: ModelOption,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File of the module; a transform has none."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Rows of query, positive, negatives; for a transform documents."
        ),
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", help="Lines of a language, for its mask or adapter.")
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", help="The language of the data or text.")
    ] = None,
    keep: Annotated[
        str, typer.Option("--keep", help="Weights that a mask changes: 5%, or a number.")
    ] = "5%",
    bottleneck: Annotated[
        int, typer.Option("--bottleneck", min=1, max=4096, help="Width of an adapter.")
    ] = 48,
    invertible: Annotated[
        bool,
        typer.Option(
            "--invertible", help="A language adapter also bends the embeddings, and undoes it."
        ),
    ] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of each phase.")] = 500,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rows a step.")] = 16,
    rate: Annotated[
        float | None, typer.Option("--rate", help="Learning rate; else what suits the kind.")
    ] = None,
    l1: Annotated[
        float, typer.Option("--l1", min=0.0, help="Penalty on a mask's distance from the base.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What chance follows from.")] = 0,
    parallel: Annotated[
        Path | None,
        typer.Option("--parallel", help="Translations, onto whose language a transform projects."),
    ] = None,
    whiten: Annotated[
        bool, typer.Option("--whiten", help="A transform whitens, not only centres.")
    ] = False,
    outliers: Annotated[
        float | None,
        typer.Option(
            "--outliers", min=0, help="Standard deviations above which a dimension is left out."
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            help="Questions and passages, as --data of a ranking has them: a transform that does "
            "not rank these better is not installed.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn ranking, or a language, as a module of its own; a transform lies beside its model.

    A ranking adapter learnt here can be shown, added to and kept; what --rerank loads is a folder
    made by: xret train rerank --train adapter
    """
    from xret.errors import ConfigError, MissingLibraryError
    from xret.retriever.models.location import model_location
    from xret.retriever.training.common.kept_weights import kept_weights

    if kind == "transform":
        _learn_transform(
            model,
            data,
            parallel,
            lang,
            whiten=whiten,
            outliers=outliers,
            held_out=held_out,
            as_json=as_json,
        )
        return
    if output is None:
        raise ConfigError("name the file that the module becomes: --output FILE")
    kept = kept_weights(keep)
    try:
        from xret.retriever.training.common.fitting import FitSettings
        from xret.retriever.training.modules.learning import ModuleLearning, learn_module
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"learning a module needs {error.name}; install it with: pip install 'xret[train]'"
        ) from error
    learning = ModuleLearning(
        kind=kind,
        model=model_location(model),
        data=data,
        text=text,
        lang=lang,
        keep=kept,
        bottleneck=bottleneck,
        invertible=invertible,
        l1=l1,
        rate=rate,
        fit=FitSettings(steps=steps, batch_size=batch_size, seed=seed),
    )
    show_progress(learn_module(learning, output))
    _show(output, as_json=as_json)
    if kind == "ranking":
        message(f"{output} is a file; a folder for --rerank is made by: xret train rerank")


def _learn_transform(
    model: str,
    data: Path | None,
    parallel: Path | None,
    lang: str | None,
    *,
    whiten: bool,
    outliers: float | None,
    held_out: Path | None,
    as_json: bool,
) -> None:
    from xret.retriever.modules.transform_fitting import TransformSettings
    from xret.retriever.training.modules.transforms import TransformLearning, learn_transforms

    settings = TransformSettings(whiten=whiten, outliers=outliers)
    learning = TransformLearning(model, data, parallel, lang, settings, held_out)
    _print_transforms(show_progress(learn_transforms(learning)), as_json)


def _print_transforms(fitted: FittedTransforms, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "folder": str(fitted.folder),
                "vectors": fitted.vectors,
                "before": fitted.before,
                "after": fitted.after,
            }
        )
        return
    print_table(("language", "vectors"), [(code, f"{n:,}") for code, n in fitted.vectors.items()])
    for said, figures in (("before", fitted.before), ("after", fitted.after)):
        if figures is not None:
            message(
                f"{said}: MRR@10 {figures.mrr:.4f}, mean cosine {figures.mean_cosine:.3f}, share "
                f"of languages {figures.language_share:.3f}"
            )
    message(f"{fitted.folder} is applied from now on; the model is another one by content")


@app.command("show")
def show(file: FileArgument, as_json: AsJson = False) -> None:
    """What a module is, how it was learnt, and what it gained."""
    _show(file, as_json=as_json)


@app.command("add")
def add(
    first: Annotated[Path, typer.Argument(metavar="A", help="File of a module.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another, of kind and base alike.")],
    output: OutputOption,
    as_json: AsJson = False,
) -> None:
    """Compose two modules by addition: a language's mask and a task's, or two adapters."""
    from xret.retriever.modules.composing import add_modules

    add_modules([first, second], output)
    _show(output, as_json=as_json)


@app.command("apply")
def apply(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name or folder of the base.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of masks.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the new model.")],
    as_json: AsJson = False,
) -> None:
    """Write a copy of a model with the sum of some masks in its weights."""
    from xret.retriever.models.location import model_location
    from xret.retriever.modules.composing import apply_masks

    changed, n_bytes = apply_masks(model_location(model), files, output)
    if as_json:
        print_json({"model": str(output), "weights_changed": changed, "bytes": n_bytes})
        return
    print_table(
        ("", "value"),
        [("model", str(output)), ("weights changed", f"{changed:,}"), ("bytes", f"{n_bytes:,}")],
    )
    message(f"it is another model by content; look at it with: xret model check {output}")


def _show(file: Path, *, as_json: bool) -> None:
    from xret.retriever.models.module_card import read_card

    card = read_card(file)
    n_bytes = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": n_bytes, **card.described()})
        return
    print_table(("", "value"), [("file", str(file)), ("bytes", f"{n_bytes:,}"), *_rows(card)])


def _rows(card: ModuleCard) -> list[tuple[str, str]]:
    from xret.retriever.models.module_card import NAMES

    sizes = {"mask": "weights changed", "ranking": "bottleneck", "language": "bottleneck"}
    used = {
        "mask": "by xret module apply",
        "ranking": "in a folder of: xret train rerank",
        "language": "by xret train rerank --language-adapters, or in MODEL/language-adapters",
    }
    rows: list[tuple[str, Any]] = [
        ("kind", NAMES[card.kind]),
        ("used", used[card.kind]),
        ("language", card.lang),
        ("task", card.task),
        (sizes[card.kind], f"{card.size:,}"),
        ("invertible", {True: "yes", False: "no", None: None}[card.invertible]),
        ("base", card.base),
        ("vocabulary", f"{card.vocabulary:,}" if card.vocabulary else None),
        ("data", card.data),
        ("steps", f"{card.steps:,}"),
        ("seed", card.seed),
        *((name.replace("_", " "), f"{value:.4f}") for name, value in card.results.items()),
    ]
    if card.weight != 1:
        rows.append(("weight", f"{card.weight:g}"))
    for part in card.parts:
        said = " ".join(filter(None, [part.lang, part.task]))
        rows.append(("part", f"{said or '–'}, weight {part.weight:g}: {part.data}"))
    return [(name, str(value)) for name, value in rows if value not in (None, "")]
