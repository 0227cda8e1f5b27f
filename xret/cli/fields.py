"""A command's options from the fields of its settings: named, typed and explained there, once."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from xret.retriever.training.common.described import Described

__all__ = ["options_of"]

_FILES = tuple[Path, ...]


def options_of(
    settings: type,
    *,
    leave_out: Sequence[str] = (),
    flags: Mapping[str, str] | None = None,
    helps: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command with `**fields` an option for each described field of a settings class.

    The command gets the values under the fields' names. leave_out: fields without one. flags,
    helps: other options and other explanations than the fields have, for this command.
    """
    hints = get_type_hints(settings, include_extras=True)
    fields = [
        field
        for field in dataclasses.fields(settings)
        if get_origin(hints[field.name]) is Annotated and field.name not in leave_out
    ]
    flags, helps = flags or {}, helps or {}
    made = [
        _Option.of(field, hints[field.name], flags.get(field.name), helps.get(field.name))
        for field in fields
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def answer(**given: Any) -> None:
            for option in made:
                given[option.field] = option.value(given.pop(option.name))
            command(**given)

        signature = inspect.signature(command, eval_str=True)
        named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        own = [p.replace(kind=p.KEYWORD_ONLY) for p in named]
        others = [option.parameter() for option in made]
        ordered = [
            *(p for p in (*own, *others) if p.default is p.empty),
            *(p for p in (*others, *own) if p.default is not p.empty),
        ]
        answer.__signature__ = signature.replace(parameters=ordered)  # type: ignore[attr-defined]
        return answer

    return decorate


@dataclasses.dataclass(frozen=True, slots=True)
class _Option:
    """An option for a field: its flag, its type, and the facts that the field's type bears."""

    field: str
    hint: Any
    flag: str
    help: str
    facts: Described
    default: Any

    @classmethod
    def of(
        cls, field: dataclasses.Field[Any], hint: Any, flag: str | None, help: str | None
    ) -> _Option:
        plain, facts = get_args(hint)
        spelt = flag or facts.flag or f"--{field.name.replace('_', '-')}"
        return cls(field.name, plain, spelt, help or facts.help, facts, field.default)

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")

    def parameter(self) -> inspect.Parameter:
        required = self.default is dataclasses.MISSING
        hint, more = self.hint, dict[str, Any](metavar=self.facts.metavar)
        if hint == _FILES:
            hint = list[Path] if required else list[Path] | None
            more = {"exists": True, "dir_okay": False, "metavar": "FILE..."}
        elif spellings := _hyphened(hint):
            hint = Literal[tuple(spellings)] | None
        option = typer.Option(
            self.flag, help=self.help, min=self.facts.at_least, max=self.facts.at_most, **more
        )
        default = None if self.default == () else self.default
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if required else default,
            annotation=Annotated[hint, option],
        )

    def value(self, typed: Any) -> Any:
        """The field's value for what was typed."""
        if self.hint == _FILES:
            return tuple(typed or ())
        return _hyphened(self.hint).get(typed, typed) if isinstance(typed, str) else typed


def _hyphened(hint: Any) -> dict[str, Any]:
    """How choices are typed, and what they are, where one has several words; {} elsewhere."""
    literals = [arg for arg in (hint, *get_args(hint)) if get_origin(arg) is Literal]
    words = [word for literal in literals for word in get_args(literal)]
    spellings = {str(word).replace(" ", "-"): word for word in words}
    return spellings if any(" " in word for word in words) else {}
