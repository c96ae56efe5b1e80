"""The pins that make an install of today the install of next year."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PIN_FILES = ("constraints.txt", "tools/sam-constraints.txt")
PIN = re.compile(r"[a-z0-9.-]+(\[[a-z,]+\])?==[^ ;]+( ; .+)?")


def lines_of(name: str) -> list[str]:
    """The lines of a pin file that are not comments."""
    return [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def pins_here() -> dict[str, str]:
    """Name to version, of constraints.txt, on this Python and platform."""
    found: dict[str, str] = {}
    for line in lines_of("constraints.txt"):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


def closure(*roots: str) -> set[str]:
    """The distributions that requirements bring with them here, as installed."""
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            needs = map(Requirement, metadata.requires(name) or [])
            waiting.extend(need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra}))
    return {name for name, _ in seen}


@pytest.mark.parametrize("name", PIN_FILES)
def test_a_pin_file_holds_names_and_versions_only(name: str) -> None:
    """Every line is ``name==version`` with at most a marker: no address, no option, no path."""
    lines = lines_of(name)
    assert len(lines) > 50
    assert [line for line in lines if not PIN.fullmatch(line)] == []


def test_everything_that_dev_installs_is_pinned_and_has_its_pinned_version() -> None:
    """The environment that runs these tests is the one that constraints.txt describes."""
    pins = pins_here()
    needed = closure("idemlambda[dev]", "editables") - {"idemlambda"}
    installed = {name: metadata.version(name) for name in needed}
    assert {name: version for name, version in installed.items() if pins.get(name) != version} == {}


def test_the_build_backend_is_the_pinned_one() -> None:
    """[build-system] and constraints.txt name one version of the build backend."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        (backend,) = tomllib.load(file)["build-system"]["requires"]
    assert backend in lines_of("constraints.txt")
