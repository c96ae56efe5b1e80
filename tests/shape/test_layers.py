"""The layers of the package, as [tool.importlinter] in pyproject.toml states them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Checks the contracts of the package below a folder."""
    command = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", command, "--no-cache"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def copied_to(folder: Path) -> Path:
    """A copy of the package and its contracts."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "idemlambda", folder / "idemlambda", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_no_room_imports_what_is_above_or_beside_it() -> None:
    """Every contract is kept, and every module of the package has its place in the layers."""
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_import_upwards_breaks_a_contract(tmp_path: Path) -> None:
    """The contracts bite: a core that imports the config object breaks the layers."""
    copy = copied_to(tmp_path)
    with (copy / "idemlambda" / "_core.py").open("a", encoding="utf-8") as core:
        core.write("\nimport idemlambda.app\n")
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nothing below calls anything above BROKEN" in done.stdout


def test_a_new_room_needs_a_place(tmp_path: Path) -> None:
    """A module that the layers do not name is an error, so that nobody adds a room without saying where it is."""
    copy = copied_to(tmp_path)
    (copy / "idemlambda" / "attic.py").write_text('"""A room that nobody planned."""\n', encoding="utf-8")
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "attic" in done.stdout


def test_a_core_that_reads_the_clock_is_impure(tmp_path: Path) -> None:
    """The contracts bite: a core that imports time breaks its purity."""
    copy = copied_to(tmp_path)
    with (copy / "idemlambda" / "_core.py").open("a", encoding="utf-8") as core:
        core.write("\nimport time\n")
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "idemlambda._core -> time" in done.stdout
