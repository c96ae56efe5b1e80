from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".engines/sam/bin/sam"
TEMPLATES = ["template.yaml", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "infra").glob("*.yaml"))]

# Both tools read files only. The SAM CLI asks the network for newer versions of itself, once in a while: the proxy is a
# port where nobody listens (discard, RFC 863), so that a test asks nobody.
NOBODY = "http://127.0.0.1:9"
ENVIRONMENT = {
    **os.environ,
    "AWS_DEFAULT_REGION": "eu-central-1",
    "SAM_CLI_TELEMETRY": "0",
    "HTTP_PROXY": NOBODY,
    "HTTPS_PROXY": NOBODY,
}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool in the project's root; two minutes are ten times what it takes on a slow machine."""
    return subprocess.run(  # noqa: S603 - the tools and their arguments are named in this file
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def sam() -> str:
    """The SAM CLI, where it is installed; it has to be where `CI=true` says that nothing may be left out."""
    if not SAM.exists():
        reason = "the SAM CLI is not installed: run `make engines`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return str(SAM)


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint(name: str) -> None:
    """cfn-lint has nothing to say about a template, not even a warning."""
    cfn_lint = str(Path(sys.executable).with_name("cfn-lint"))
    done = run(cfn_lint, "--non-zero-exit-code", "informational", "-c", "I", "--", name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_sam_validate(sam: str) -> None:
    """The SAM CLI takes the template, and so does the linter that it brings."""
    done = run(sam, "validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a valid SAM Template" in done.stdout


def test_layer_is_the_package(sam: str, tmp_path: Path) -> None:
    """The built layer holds the package, whole and without leftovers, where Lambda's Python looks for it."""
    done = run(sam, "build", "IdemlambdaLayer", "-b", str(tmp_path / "build"), "--cache-dir", str(tmp_path / "cache"))
    assert done.returncode == 0, done.stdout + done.stderr
    package, built = ROOT / "idemlambda", tmp_path / "build/IdemlambdaLayer/python/idemlambda"
    wanted = {path.relative_to(package): path.read_bytes() for path in files(package)}
    assert {path.relative_to(built): path.read_bytes() for path in files(built)} == wanted
    assert not list(built.rglob("__pycache__"))


def files(folder: Path) -> list[Path]:
    """The files below a folder that are no interpreter's leftovers."""
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
