from typing import Any

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
def lacks(path: str, /) -> str: ...
