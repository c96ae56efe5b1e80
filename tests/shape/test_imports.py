"""What importing the package loads: a cold start pays for each module."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each costs a Lambda cold start milliseconds and is needed by some users only, who load it by using it.
HEAVY = (
    "asyncio",
    "aws_lambda_powertools",
    "boto3",
    "botocore",
    "click",
    "cryptography",
    "email",
    "http.client",
    "httpx",
    "jmespath",
    "moto",
    "pydantic",
    "requests",
    "rich",
    "ssl",
    "urllib3",
)


def loaded_by(statement: str) -> set[str]:
    """The modules that a new interpreter holds after a statement, without what coverage would put there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names: list[str] = json.loads(done.stdout)
    return set(names)


@pytest.mark.parametrize(
    "statement",
    ["import idemlambda", "from idemlambda import *", "import idemlambda.app, idemlambda.memory, idemlambda.dynamodb"],
)
def test_importing_the_package_loads_nothing_heavy(statement: str) -> None:
    """Importing idemlambda, its names and its stores loads neither AWS's client nor any optional package."""
    assert loaded_by(statement).intersection(HEAVY) == set()


def test_the_probe_sees_what_is_loaded() -> None:
    """The test above can fail: a heavy module that is imported is seen."""
    assert {"asyncio", "http.client"} <= loaded_by("import asyncio, http.client")


def imported_at_module_level(path: Path) -> set[str]:
    """The modules that running a file imports: not those inside functions, nor for type checkers only."""
    found: set[str] = set()
    waiting: list[ast.stmt] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update({node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)})
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
    return found


@pytest.mark.parametrize("room", ["memory", "dynamodb", "http", "batch", "tokens"])
def test_the_config_object_reaches_stores_and_surfaces_inside_methods_only(room: str) -> None:
    """app.py loads a store or a surface when it is asked for, never while it is imported."""
    assert f"idemlambda.{room}" not in imported_at_module_level(ROOT / "idemlambda" / "app.py")
