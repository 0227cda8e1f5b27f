"""What the encoders in the package bring and cost, beside a published model, on one machine.

The only place of these figures: `xret model list` and the summary of `xret index` print them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MEASURED", "SHIPPED", "EncoderFigures", "other_choice"]


@dataclass(frozen=True, slots=True)
class EncoderFigures:
    """Of an encoder as it is used by default.

    quality: MRR@10 in percent, an English question and passages in another language, the mean of
    15 languages (Belebele over FLORES-200), with translated words beside the vectors for those in
    the package, of the vectors alone for another. documents_per_s: of 125 tokens, encoded by one
    core.
    query_ms: of a question of 12 words, without the search. megabytes: its folder's, 10**6 bytes.
    """

    quality: float
    documents_per_s: float
    query_ms: float
    megabytes: float


MEASURED = {
    "xret-static": EncoderFigures(80.4, 4190, 0.1, 19.6),
    "xret-modular": EncoderFigures(92.4, 43, 5.6, 63.9),
    "multilingual-e5-small": EncoderFigures(83.1, 12.6, 24.0, 471.0),
}
SHIPPED = ("xret-static", "xret-modular")
"""Those that need no download."""


def other_choice(encoder: str) -> str:
    """What the other encoder in the package would bring and cost, for who used this one.

    One line; empty for an encoder that is neither.
    """
    if encoder not in SHIPPED:
        return ""
    name = next(name for name in SHIPPED if name != encoder)
    other, used = MEASURED[name], MEASURED[encoder]
    return (
        f"{name} would index this {_speed(other.documents_per_s / used.documents_per_s)} and "
        f"find {'more' if other.quality > used.quality else 'less'}: MRR@10 {other.quality:.1f} "
        f"against {used.quality:.1f} over 15 languages; --encoder {name}"
    )


def _speed(ratio: float) -> str:
    return f"{ratio:,.0f} times faster" if ratio >= 1 else f"{1 / ratio:,.0f} times slower"
