"""Negatives drawn for examples."""

from __future__ import annotations

from xret.retriever.corpora.rows import Example
from xret.retriever.training.recipes.drawing import with_negatives


class CountedExamples(list[Example]):
    """Examples that count how often one is looked at."""

    n_read = 0

    def __getitem__(self, row):  # type: ignore[no-untyped-def]
        self.n_read += 1
        return super().__getitem__(row)


def test_negatives_are_filled_with_work_that_grows_with_the_examples() -> None:
    examples = CountedExamples(Example(f"q{n}", f"p{n}") for n in range(2_000))
    filled = with_negatives(examples, 1, seed=0)
    assert examples.n_read <= 65 * len(examples)
    for example in filled:
        (negative,) = example.negatives
        assert negative != example.positive
