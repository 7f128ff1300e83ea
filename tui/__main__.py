"""`python -m earmark.tui`: the same as the `earmark` command."""

from __future__ import annotations

from earmark.tui.commands import main

if __name__ == "__main__":
    main()
