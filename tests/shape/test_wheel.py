"""What is built and shipped, seen from a fresh environment without the source folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What is never part of a source tree: other environments, caches, what a build leaves behind.
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")

# One worker builds once.
pytestmark = [pytest.mark.wheel, pytest.mark.xdist_group("wheel")]


class Built(NamedTuple):
    """The two archives, and a Python that has the wheel and nothing else."""

    wheel: Path
    sdist: Path
    python: Path


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command, and shows what it said where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - this Python
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds both archives from a copy of the source, the wheel from the sdist, and installs it without any extra."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    # The source archive obeys it.
    shutil.copy(ROOT / ".gitignore", source)
    # From this environment's pinned backend: no network.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source, cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    shutil.rmtree(source)

    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-index", wheel, cwd=folder)
    return Built(wheel, sdist, python)


def test_the_wheel_installs_alone_and_imports(built: Built, tmp_path: Path) -> None:
    """Without any extra the package installs, needs nothing else, and imports from its own folder."""
    script = (
        "import importlib.metadata as m, idemlambda\n"
        "print(idemlambda.__file__)\n"
        "print(sorted({d.metadata['Name'] for d in m.distributions()}))\n"
        "print([r for r in m.requires('idemlambda') if 'extra' not in r])\n"
    )
    done = run(built.python, "-I", "-c", script, cwd=tmp_path)
    where, installed, required = done.stdout.splitlines()
    assert Path(where).is_relative_to(built.python.parents[1])
    assert installed == "['idemlambda']"
    assert required == "[]"


def test_every_name_of_the_face_is_there_without_an_extra(built: Built, tmp_path: Path) -> None:
    """All public names can be taken without boto3: what needs an extra says so when it is used."""
    script = (
        "import idemlambda\nfor name in idemlambda.__all__: getattr(idemlambda, name)\nprint(len(idemlambda.__all__))"
    )
    assert int(run(built.python, "-I", "-c", script, cwd=tmp_path).stdout) > 0


def test_the_wheel_holds_the_package_its_types_and_its_licence_only(built: Built) -> None:
    """The wheel has py.typed and the licence, one top-level package, and no test."""
    with zipfile.ZipFile(built.wheel) as archive:
        names = archive.namelist()
    assert "idemlambda/py.typed" in names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"idemlambda"}
    assert [name for name in names if "test_" in name or name.endswith("conftest.py")] == []


def test_the_sdist_holds_what_a_packager_needs_and_no_leftovers(built: Built) -> None:
    """The source archive has the tests and the licence, and nothing that git ignores."""
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "idemlambda/py.typed", "tests/conftest.py"} <= names
    ignored = ("__pycache__", ".venv", ".engines", ".hypothesis", ".aws-sam")
    assert [name for name in names if any(part in name.split("/") for part in ignored)] == []


def test_the_command_without_its_extra_says_what_to_install(built: Built, tmp_path: Path) -> None:
    """``idemlambda --help`` without click names the extra instead of failing with a traceback."""
    command = built.python.parent / "idemlambda"
    done = subprocess.run(  # noqa: S603 - the command just installed
        [command, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "idemlambda[cli]" in done.stderr
    assert "Traceback" not in done.stderr
