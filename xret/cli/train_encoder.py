"""`xret train contrastive | distil | align | mine`: any encoder trained on texts of one's own."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from xret.cli.fields import options_of
from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress
from xret.retriever.models.registry import DEFAULT_ENCODER
from xret.retriever.training.recipes.settings import OnError, Recipe

__all__ = ["FilesCommand"]

_SEVERAL = ("--data", "--parallel", "--switch", "--held-out")


class FilesCommand(TyperCommand):
    """Every word after an option for files, up to the next option, is one of its values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _spread(args))


def _spread(words: list[str]) -> list[str]:
    """The words with the option repeated before each of its values.

    >>> _spread(["--data", "a", "b", "--json"])
    ['--data', 'a', '--data', 'b', '--json']
    """
    spelt: list[str] = []
    inside = ""
    for word in words:
        if word.startswith("-"):
            inside = word if word in _SEVERAL else ""
        elif inside and spelt[-1] != inside:
            spelt.append(inside)
        spelt.append(word)
    return spelt


_READ: Any = {"exists": True, "dir_okay": False}
_NO_TEACHER = ("teacher", "loss")
_ONE_LANGUAGE = ("source_lang", "target_lang")
_FREE_BATCHES = ("n_negatives", "cross_lingual")

Output = Annotated[Path, typer.Option("--output", help="Folder for the trained model.")]
Resume = Annotated[
    bool, typer.Option("--resume/--anew", help="Go on with a broken run, or start over.")
]


@options_of(Recipe, leave_out=(*_NO_TEACHER, *_ONE_LANGUAGE))
def train_contrastive(
    output: Output, resume: Resume = True, as_json: AsJson = False, **fields: Any
) -> None:
    """Train on queries and their passages, with negatives from the batch and hard ones."""
    _train("contrastive", output, resume, as_json, **fields)


@options_of(Recipe)
def train_distil(
    output: Output,
    source: Annotated[
        Literal["scores", "vectors"],
        typer.Option(
            "--from",
            help="What is learnt of the teacher; for vectors, --data is "
            "parallel text of which it reads the first.",
        ),
    ],
    resume: Resume = True,
    as_json: AsJson = False,
    **fields: Any,
) -> None:
    """Train a student on a teacher's scores of passages, or on its vectors of texts."""
    _train(source, output, resume, as_json, **fields)


@options_of(
    Recipe,
    leave_out=(*_NO_TEACHER, *_FREE_BATCHES),
    flags={"data": "--parallel"},
    helps={
        "data": "JSON lines {source, target, source_lang, target_lang}, or TSV: text, text; lang, "
        "text, english; lang, lang, text, text. .gz or .zst too."
    },
)
def train_align(
    output: Output, resume: Resume = True, as_json: AsJson = False, **fields: Any
) -> None:
    """Train on parallel text: each side finds its translation, in both directions."""
    _train("align", output, resume, as_json, **fields)


def mine(
    queries: Annotated[
        Path, typer.Option("--queries", help="Queries and their passages, as --data.", **_READ)
    ],
    output: Annotated[
        Path, typer.Option("--output", dir_okay=False, help="JSON lines for training.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help=f"Encoder that ranks --corpus: a folder or a name; else {DEFAULT_ENCODER}.",
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="Name of a corpus, a file or a folder, to index."),
    ] = None,
    index: Annotated[
        str | None, typer.Option("--index", help="Name or folder of an index that is there.")
    ] = None,
    depth: Annotated[int, typer.Option("--depth", help="Documents looked at of a ranking.")] = 50,
    negatives: Annotated[int, typer.Option("--negatives", help="Kept for each query.")] = 8,
    margin: Annotated[
        float,
        typer.Option("--margin", help="A negative scores below the answer's by this share."),
    ] = 0.05,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; cuda where there is one.")
    ] = None,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="What to do with a line that cannot be read.")
    ] = "stop",
    as_json: AsJson = False,
) -> None:
    """Find hard negatives: what an index ranks high and does not answer the query."""
    from xret.retriever.training.recipes.mining import MiningRule, mine_steps

    summary = show_progress(
        mine_steps(
            queries,
            output,
            corpus=corpus,
            index=index,
            model=model,
            rule=MiningRule(depth, negatives, margin),
            device=device,
            on_error=on_error,
        )
    )
    _print_mined(summary, as_json)
    message(f"mined: {output}; train on it with: xret train contrastive --data {output} ...")


def _print_mined(summary: Any, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    rows = [
        ("queries", summary.queries),
        ("negatives", summary.negatives),
        ("known answers passed over", summary.answers),
        ("left out as too close to the answer", summary.too_close),
        ("queries with fewer than asked for", summary.short),
        ("queries with none", summary.without),
    ]
    print_table(("", "n"), [(name, f"{n:,}") for name, n in rows])


def _train(task: Any, output: Path, resume: bool, as_json: bool, **given: Any) -> None:
    """One recipe with progress; the libraries are looked for before anything is imported."""
    from xret.errors import MissingLibraryError

    try:
        from xret.retriever.training.recipes.recipe import run_recipe
    except ImportError as error:
        raise MissingLibraryError(
            f"training needs {error.name}; install it with: pip install xret[train]"
        ) from error
    recipe = Recipe(task=task, output=output, **given)
    with closing(run_recipe(recipe, resume=resume)) as steps:
        show_progress(steps)
    if as_json:
        print_json({"model": str(output), "card": str(output / "README.md")})
    message(f"trained: {output}; try it with: xret index --corpus demo --encoder {output}")
