"""The error tree in the docstring is the tree in the code."""

import re

import xret.errors as errors


def test_every_error_is_drawn_in_the_tree_and_exported() -> None:
    drawn = set(re.findall(r"[A-Z]\w*Error\b", str(errors.__doc__)))
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.XretError)
    }
    assert drawn == defined == set(errors.__all__)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [getattr(errors, name).code for name in errors.__all__]
    assert len(codes) == len(set(codes))
