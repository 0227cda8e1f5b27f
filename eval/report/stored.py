"""A finished evaluation as JSON, and back to the same value."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

from xret.errors import RunError
from xret.eval.evaluation import Evaluation

__all__ = ["read_evaluation", "write_evaluation"]

VERSION = 1
Made = TypeVar("Made")


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """The whole evaluation as indented JSON under `{"version": 1, "evaluation": …}`."""
    content = {"version": VERSION, "evaluation": evaluation}
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
    try:
        written = orjson.dumps(content, default=str, option=options)
    except TypeError:  # half a surrogate pair, out of a file name that is not UTF-8
        content["evaluation"] = _encodable(asdict(evaluation))
        written = orjson.dumps(content, default=str, option=options)
    path.write_bytes(written)


def read_evaluation(path: Path) -> Evaluation:
    """What write_evaluation wrote. Raises RunError for anything else."""
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise RunError(f"{path} is no JSON: {error}") from error
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise RunError(
            f"{path} is no evaluation of this version ({VERSION}); found {version!r}. "
            "Evaluate again with this xret"
        )
    try:
        return _made(Evaluation, content["evaluation"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path} is no whole evaluation: {error!r}; evaluate again") from error


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(inner) for inner in value]
    return value


def _made(kind: type[Made], value: Any) -> Made:
    """A dataclass from the object that JSON made of it. Raises TypeError where it does not fit."""
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _typed(hints[name], value[name]) for name in known & set(value)})


def _typed(hint: Any, value: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        left = [one for one in inner if one is not type(None)]
        return None if value is None else _typed(left[0] if len(left) == 1 else Any, value)
    if is_dataclass(hint) and isinstance(hint, type):
        return _made(hint, value)
    if origin is tuple:
        one = inner[0] if inner[-1] is Ellipsis else None
        kinds = [one] * len(value) if one is not None else list(inner)
        return tuple(_typed(kind, part) for kind, part in zip(kinds, value, strict=True))
    if origin is not None and issubclass(_class(origin), Mapping):
        return {_typed(inner[0], key): _typed(inner[1], part) for key, part in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, str):  # a key: JSON has no other than text
        return int(value)
    if hint is float and value is None:  # JSON has no NaN
        return float("nan")
    if isinstance(hint, type) and not isinstance(value, hint):
        raise TypeError(f"{value!r} where {hint.__name__} is expected")
    return value


def _class(origin: Any) -> type:
    return object if origin is Literal else origin
