"""Draw the README's picture: the review screen on the demo's clips, rendered by the program itself.

    python tests/picture.py .readme/screen.svg

Wants a way out for sound, so that the playhead is somewhere in the clip.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

SIZE = (92, 24)


async def draw(target: Path) -> None:
    """Open the demo, play two clips, and write the second one's screen as SVG."""
    from earmark.tui import opening
    from earmark.tui.commands.demo import fill, demo_settings
    from earmark.tui.settings import read_settings

    settings = demo_settings(read_settings({"reviewer": "you", "must_hear": 0}))
    fill(settings.store_url)
    app = opening.open_sitting(settings, greeting="", recall=False)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(1.0)
        await pilot.press("enter")
        await pilot.pause(1.4)
        svg = app.export_screenshot(title="earmark review")
        await pilot.press("q")
        await pilot.pause(1.0)
    # The renderer's template names a font on somebody's server; a picture in a README must not fetch anything.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["EARMARK_HOME"] = home
        asyncio.run(draw(Path(sys.argv[1])))
