"""`python -m idemlambda.cli`, where the script is not on the path."""

from __future__ import annotations

from idemlambda.cli import main

if __name__ == "__main__":
    main()
