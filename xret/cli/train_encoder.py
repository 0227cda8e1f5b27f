"""`xret train contrastive | distil | align | mine`: any encoder trained on texts of one's own."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress
from xret.cli.train import app

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
Model = Annotated[
    str, typer.Option("--model", help="Model to start from: a folder or a name (xret model list).")
]
Output = Annotated[Path, typer.Option("--output", help="Folder for the trained model.")]
Kind = Annotated[
    Literal["bi-encoder", "late-interaction"] | None,
    typer.Option("--kind", help="What to make of a bare transformer (BERT, XLM-R, X-MOD)."),
]
Data = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="FILE...",
        help="JSON lines {query, positive, negatives, query_lang, "
        "positive_lang, ...} or TSV query, positive, negatives; .gz too.",
        **_READ,
    ),
]
HeldOut = Annotated[
    list[Path] | None,
    typer.Option(
        "--held-out",
        metavar="FILE...",
        help="Development set, in the form of --data: MRR@10 "
        "and Success@1 before and after; the best checkpoint is kept.",
        **_READ,
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", help="Batches; else --epochs.")]
Epochs = Annotated[int, typer.Option("--epochs", help="Passes over the data.")]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Examples of a step.")]
MiniBatch = Annotated[
    int | None,
    typer.Option("--mini-batch", help="Texts at once in memory, for large batches: slower."),
]
Rate = Annotated[
    float | None,
    typer.Option("--rate", help="Peak learning rate; 2e-5 for a bi-encoder, else 1e-5."),
]
WarmUp = Annotated[float, typer.Option("--warm-up", help="Share of steps in which it rises.")]
Seed = Annotated[int, typer.Option("--seed", help="What everything random follows from.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", help="Of a text, in training.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option("--precision", help="Arithmetic; auto: bf16 where the hardware has it."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="cpu or cuda; cuda where there is one.")
]
Threads = Annotated[int | None, typer.Option("--threads", help="Of the CPU.")]
CheckpointSteps = Annotated[
    int, typer.Option("--checkpoint-steps", help="How often a checkpoint is kept.")
]
Resume = Annotated[
    bool, typer.Option("--resume/--anew", help="Go on with a broken run, or start over.")
]
CrossLingual = Annotated[
    float,
    typer.Option(
        "--cross-lingual",
        metavar="SHARE",
        help="Batches whose queries are in another language "
        "than their passages, from lines of one id.",
    ),
]
Switch = Annotated[
    list[Path] | None,
    typer.Option(
        "--switch",
        metavar="FILE...",
        help="Lexicons, TSV lang, english, translation: words of English queries are replaced.",
        **_READ,
    ),
]
SwitchShare = Annotated[
    float, typer.Option("--switch-share", metavar="SHARE", help="English queries so changed.")
]
TrainAdapters = Annotated[
    bool,
    typer.Option(
        "--train-adapters", help="Let X-MOD's language adapters learn too; else they are frozen."
    ),
]
SourceLang = Annotated[
    str | None, typer.Option("--source-lang", help="Of first texts that name no language.")
]
TargetLang = Annotated[
    str | None, typer.Option("--target-lang", help="Of second texts that name no language.")
]
OnError = Annotated[
    Literal["stop", "skip"],
    typer.Option("--on-error", help="What to do with a line that cannot be read."),
]
Licence = Annotated[
    str | None, typer.Option("--licence", help="Of the training text, for the model's card.")
]
Negatives = Annotated[
    int | None,
    typer.Option("--negatives", help="Hard negatives of each example a batch; what is there."),
]
Loss = Annotated[
    Literal["kl", "margin", "mse", "cosine"] | None,
    typer.Option("--loss", help="Scores: kl (default) or margin; vectors: mse (default), cosine."),
]


@app.command("contrastive", cls=FilesCommand)
def train_contrastive(
    model: Model,
    data: Data,
    output: Output,
    kind: Kind = None,
    negatives: Negatives = None,
    steps: Steps = None,
    epochs: Epochs = 1,
    batch_size: BatchSize = 32,
    mini_batch: MiniBatch = None,
    rate: Rate = None,
    warm_up: WarmUp = 0.1,
    seed: Seed = 0,
    max_tokens: MaxTokens = 256,
    precision: Precision = "auto",
    device: Device = None,
    threads: Threads = None,
    checkpoint_steps: CheckpointSteps = 500,
    resume: Resume = True,
    cross_lingual: CrossLingual = 0.0,
    switch: Switch = None,
    switch_share: SwitchShare = 0.3,
    held_out: HeldOut = None,
    train_adapters: TrainAdapters = False,
    on_error: OnError = "stop",
    licence: Licence = None,
    as_json: AsJson = False,
) -> None:
    """Train on queries and their passages, with negatives from the batch and hard ones."""
    _train(
        "contrastive",
        output,
        resume,
        as_json,
        model=model,
        data=data,
        kind=kind,
        n_negatives=negatives,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        mini_batch=mini_batch,
        rate=rate,
        warm_up=warm_up,
        seed=seed,
        max_tokens=max_tokens,
        precision=precision,
        device=device,
        threads=threads,
        checkpoint_steps=checkpoint_steps,
        cross_lingual=cross_lingual,
        switch=switch,
        switch_share=switch_share,
        held_out=held_out,
        train_adapters=train_adapters,
        on_error=on_error,
        licence=licence,
    )


@app.command("distil", cls=FilesCommand)
def train_distil(
    model: Model,
    data: Data,
    output: Output,
    source: Annotated[
        Literal["scores", "vectors"],
        typer.Option(
            "--from",
            help="What is learnt of the teacher; for vectors, --data is "
            "parallel text of which it reads the first.",
        ),
    ],
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher", help="An encoder or cross-encoder; not needed where --data has scores."
        ),
    ] = None,
    loss: Loss = None,
    kind: Kind = None,
    negatives: Negatives = None,
    steps: Steps = None,
    epochs: Epochs = 1,
    batch_size: BatchSize = 32,
    mini_batch: MiniBatch = None,
    rate: Rate = None,
    warm_up: WarmUp = 0.1,
    seed: Seed = 0,
    max_tokens: MaxTokens = 256,
    precision: Precision = "auto",
    device: Device = None,
    threads: Threads = None,
    checkpoint_steps: CheckpointSteps = 500,
    resume: Resume = True,
    cross_lingual: CrossLingual = 0.0,
    switch: Switch = None,
    switch_share: SwitchShare = 0.3,
    held_out: HeldOut = None,
    train_adapters: TrainAdapters = False,
    source_lang: SourceLang = None,
    target_lang: TargetLang = None,
    on_error: OnError = "stop",
    licence: Licence = None,
    as_json: AsJson = False,
) -> None:
    """Train a student on a teacher's scores of passages, or on its vectors of texts."""
    _train(
        source,
        output,
        resume,
        as_json,
        model=model,
        data=data,
        kind=kind,
        teacher=teacher,
        loss=loss,
        n_negatives=negatives,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        mini_batch=mini_batch,
        rate=rate,
        warm_up=warm_up,
        seed=seed,
        max_tokens=max_tokens,
        precision=precision,
        device=device,
        threads=threads,
        checkpoint_steps=checkpoint_steps,
        cross_lingual=cross_lingual,
        switch=switch,
        switch_share=switch_share,
        held_out=held_out,
        train_adapters=train_adapters,
        source_lang=source_lang,
        target_lang=target_lang,
        on_error=on_error,
        licence=licence,
    )


@app.command("align", cls=FilesCommand)
def train_align(
    model: Model,
    parallel: Annotated[
        list[Path],
        typer.Option(
            "--parallel",
            metavar="FILE...",
            help="JSON lines {source, target, source_lang, "
            "target_lang} or TSV lang, lang, text, text; .gz too.",
            **_READ,
        ),
    ],
    output: Output,
    kind: Kind = None,
    steps: Steps = None,
    epochs: Epochs = 1,
    batch_size: BatchSize = 32,
    mini_batch: MiniBatch = None,
    rate: Rate = None,
    warm_up: WarmUp = 0.1,
    seed: Seed = 0,
    max_tokens: MaxTokens = 256,
    precision: Precision = "auto",
    device: Device = None,
    threads: Threads = None,
    checkpoint_steps: CheckpointSteps = 500,
    resume: Resume = True,
    switch: Switch = None,
    switch_share: SwitchShare = 0.3,
    held_out: HeldOut = None,
    train_adapters: TrainAdapters = False,
    source_lang: SourceLang = None,
    target_lang: TargetLang = None,
    on_error: OnError = "stop",
    licence: Licence = None,
    as_json: AsJson = False,
) -> None:
    """Train on parallel text: each side finds its translation, in both directions."""
    _train(
        "align",
        output,
        resume,
        as_json,
        model=model,
        data=parallel,
        kind=kind,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        mini_batch=mini_batch,
        rate=rate,
        warm_up=warm_up,
        seed=seed,
        max_tokens=max_tokens,
        precision=precision,
        device=device,
        threads=threads,
        checkpoint_steps=checkpoint_steps,
        switch=switch,
        switch_share=switch_share,
        held_out=held_out,
        train_adapters=train_adapters,
        source_lang=source_lang,
        target_lang=target_lang,
        on_error=on_error,
        licence=licence,
    )


@app.command("mine")
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
            "--model", help="Encoder that ranks --corpus: a folder or a name; else xret-static."
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
    device: Device = None,
    on_error: OnError = "stop",
    as_json: AsJson = False,
) -> None:
    """Find hard negatives: what an index ranks high and does not answer the query."""
    from xret.errors import ConfigError
    from xret.retriever.encoder import EncoderOptions
    from xret.retriever.searcher import Searcher
    from xret.retriever.training.recipes.mining import MiningRule, NegativeMiner
    from xret.retriever.training.recipes.records import ExampleReader

    if (corpus is None) == (index is None):
        raise ConfigError("name what is searched: --corpus, or --index for one that is built")
    if index is not None and model is not None:
        raise ConfigError(
            "an index is searched with the encoder that built it: --model goes with "
            "--corpus, not with --index"
        )
    rule = MiningRule(depth, negatives, margin)
    reader = ExampleReader(on_error=on_error)
    show_progress(reader.read([queries]))
    options = EncoderOptions(device=device)
    place = index or str(_indexed(str(corpus), model or "xret-static", output, options))
    with Searcher.open(place, options=options) as searcher:
        miner = NegativeMiner(searcher, rule)
        with closing(miner.run(reader.examples, output)) as steps:
            show_progress(steps)
    miner.summary.index = place
    _print_mined(miner.summary, as_json)
    message(f"mined: {output}; train on it with: xret train contrastive --data {output} ...")


def _indexed(corpus: str, model: str, output: Path, options: Any) -> Path:
    """An index of the corpus beside the output; what is there already is not encoded again.

    Another corpus, or another content of a file, gets an index of its own: in one they would mix.
    """
    from xret.retriever.corpus_build import build_steps
    from xret.retriever.models.hashes import file_hash

    source = Path(corpus)
    content = f"-{file_hash(source)[:8]}" if source.is_file() else ""
    folder = output.with_name(f"{output.name}.{source.name}{content}.index")
    show_progress(build_steps(corpus, folder, encoder=model, lexical=False, options=options))
    return folder


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
        from xret.retriever.training.recipes.settings import Recipe
    except ImportError as error:
        raise MissingLibraryError(
            f"training needs {error.name}; install it with: pip install xret[train]"
        ) from error
    for name in ("data", "switch", "held_out"):
        given[name] = tuple(given.get(name) or ())
    if given["kind"] is not None:
        given["kind"] = given["kind"].replace("late-interaction", "late interaction")
    recipe = Recipe(task=task, output=output, **given)
    with closing(run_recipe(recipe, resume=resume)) as steps:
        show_progress(steps)
    if as_json:
        print_json({"model": str(output), "card": str(output / "README.md")})
    message(f"trained: {output}; try it with: xret index --corpus demo --encoder {output}")
