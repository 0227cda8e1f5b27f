from typing import Any

version: int

def score(
    path: str,
    query_codes: Any,
    query_low: Any,
    query_scales: Any,
    query_offsets: Any,
    codes: Any,
    scales: Any,
    centroids: Any,
    offsets: Any,
    levels: Any,
    table: Any,
    centroid_codes: Any,
    centroid_scales: Any,
    which: Any,
    out: Any,
    n_queries: int,
    n_passages: int,
    n_rows: int,
    n_centroids: int,
    dim: int,
    bits: int,
    answers: int,
    first: int,
    last: int,
    /,
) -> int: ...
def tables(
    path: str,
    query_codes: Any,
    n_lanes: int,
    centroid_codes: Any,
    centroid_scales: Any,
    n_centroids: int,
    dim: int,
    added: Any,
    out: Any,
    /,
) -> int: ...
def nearest(
    path: str,
    codes: Any,
    inverses: Any,
    n: int,
    centroid_codes: Any,
    centroid_scales: Any,
    biases: Any,
    n_centroids: int,
    dim: int,
    first: int,
    last: int,
    out: Any,
    /,
) -> int: ...
def trellis(
    path: str, values: Any, levels: Any, n: int, dim: int, first: int, last: int, out: Any, /
) -> None: ...
def scan(
    table: Any,
    n_centroids: int,
    query_offsets: Any,
    n_queries: int,
    centroids: Any,
    offsets: Any,
    which: Any,
    out: Any,
    n_passages: int,
    n_rows: int,
    answers: int,
    first: int,
    last: int,
    /,
) -> int: ...
def extremes(table: Any, n_centroids: int, n_lanes: int, lowest: Any, highest: Any, /) -> int: ...
def bytes(
    table: Any, n_centroids: int, n_lanes: int, factors: Any, terms: Any, out: Any, /
) -> int: ...
def encode(
    path: str,
    model: Any,
    adapters: tuple[Any, ...],
    states: Any,
    offsets: Any,
    which: Any,
    layers: int,
    dim: int,
    heads: int,
    inner: int,
    bottleneck: int,
    adapter_norm: int,
    norm_is_residual: bool,
    epsilon: float,
    n_texts: int,
    first: int,
    last: int,
    /,
) -> None: ...
def make_lists(
    centroids: Any, offsets: Any, n_centroids: int, n_passages: int, starts: Any, members: Any, /
) -> int: ...
def choose(table: Any, n_centroids: int, n_near: int, floors: Any, chosen: Any, /) -> int: ...
def lists(
    table: Any,
    n_centroids: int,
    floors: Any,
    chosen: Any,
    segments: tuple[tuple[Any, ...], ...],
    wanted: int,
    positions: Any,
    scores: Any,
    found: Any,
    gains: Any,
    terms: Any,
    /,
) -> int: ...
def gather(
    sources: tuple[Any, ...], which: Any, begins: Any, ends: Any, row_bytes: int, out: Any, /
) -> int: ...
def lacks(path: str, /) -> str: ...
