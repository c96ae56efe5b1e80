# shellcheck shell=bash
# What the scripts of this folder share. Source it; it runs nothing by itself.

OLDEST_PYTHON="3.11" # pyproject.toml's requires-python

say() { printf '%s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# python_is_new_enough COMMAND: whether it runs, is recent enough and can make a venv (Debian packages that apart).
python_is_new_enough() {
    "$1" -c "
import sys, ensurepip, venv
sys.exit(sys.version_info < tuple(map(int, '$OLDEST_PYTHON'.split('.'))))" >/dev/null 2>&1
}

# find_python: prints the first Python that will do. \$PYTHON, where set, is the only candidate.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
        if python_is_new_enough "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    die "no Python $OLDEST_PYTHON or newer with venv was found (tried: ${PYTHON:-python3.11 to python3.14, python3, python})." \
        "Install one (on Debian: python3 and python3-venv), or name it: make PYTHON=/path/to/python3.11 ..."
}

# digest PYTHON TEXT FILE...: one hash of a text and of the contents of files.
digest() {
    "$1" - "${@:2}" <<'PYTHON'
import hashlib
import pathlib
import sys

text, *files = sys.argv[1:]
parts = [text.encode(), *(pathlib.Path(name).read_bytes() for name in files)]
print(hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest())
PYTHON
}

# quietly WHAT COMMAND...: runs a long command whose own output is only errors, and says every 15 s that it goes on.
quietly() {
    local what=$1 started=$SECONDS status=0 ticker
    shift
    (
        trap 'kill "$sleeper" 2>/dev/null; exit 0' TERM
        while true; do
            sleep 15 &
            sleeper=$!
            wait "$sleeper"
            printf '  ... %s, %d s so far\n' "$what" "$((SECONDS - started))"
        done
    ) &
    ticker=$!
    "$@" || status=$?
    kill "$ticker" 2>/dev/null
    wait "$ticker" 2>/dev/null || true
    return "$status"
}
