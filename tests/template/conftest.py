"""CloudFormation templates as plain data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]

Template = Callable[[str], dict[str, Any]]


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, which it writes out: `!Ref X` is `{"Ref": "X"}`."""


def write_out(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, object]:
    """One short form, in full."""
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        raise yaml.YAMLError(f"!{suffix} of a mapping is not used here")
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", write_out)


@cache
def read(name: str) -> dict[str, Any]:
    """A template of the project, by its path from the root."""
    loader = Loader((ROOT / name).read_text(encoding="utf-8"))
    try:
        loaded: dict[str, Any] = loader.get_single_data()
    finally:
        loader.dispose()
    return loaded


@pytest.fixture
def template() -> Template:
    """Reads a template of the project, by its path from the root."""
    return read
