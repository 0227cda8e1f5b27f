"""Flags of `xret serve`, one of each field of the server's settings, with what that says of it."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_type_hints

import typer

from xret.server.settings import ServerSettings

__all__ = ["settings_of", "with_settings"]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """The command with a flag of each setting that it has no parameter for.

    They reach it as `**settings`. A field that holds several has the flag of one, which may be
    given many times: `cors_origins` is `--cors-origin`.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = {parameter.name for parameter in own}
    types, told = get_type_hints(ServerSettings), _told()
    for field in dataclasses.fields(ServerSettings):
        if field.name in names:
            continue
        kind, several = types[field.name], _is_several(types[field.name])
        name = field.name.removesuffix("s") if several else field.name
        default = None if field.default is dataclasses.MISSING or several else field.default
        if several or default is None:
            kind = list[str] | None if several else _optional(kind)
        word = name.replace("_", "-")
        flag = f"--{word}/--no-{word}" if default is True else f"--{word}"
        option = Annotated[kind, typer.Option(flag, help=told[field.name], show_default=True)]  # type: ignore[valid-type]
        own.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option
            )
        )
    command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in own} | {"return": None}
    return command


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """What such flags were given, by the fields' names; those not given are left out."""
    several = {
        name.removesuffix("s"): name
        for name, kind in get_type_hints(ServerSettings).items()
        if _is_several(kind)
    }
    given = {name: value for name, value in values.items() if value not in (None, [])}
    return {
        several.get(name, name): tuple(value) if name in several else value
        for name, value in given.items()
    }


def _told() -> dict[str, str]:
    """By field, what the docstring of the settings says of it, as a sentence."""
    names = "|".join(field.name for field in dataclasses.fields(ServerSettings))
    text = " ".join(str(ServerSettings.__doc__).split())
    heading = re.compile(rf"((?:{names})(?:, (?:{names}))*): ")
    parts = heading.split(text)[1:]
    told = {}
    for fields, said in zip(parts[::2], parts[1::2], strict=True):
        for name in fields.split(", "):
            told[name] = said[0].upper() + said[1:].strip()
    return told


def _is_several(kind: Any) -> bool:
    return any(getattr(one, "__origin__", None) is tuple for one in (kind, *get_args(kind)))


def _optional(kind: Any) -> Any:
    return kind if type(None) in get_args(kind) else kind | None
