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


async def draw() -> str:
    """Open the demo, play two clips, and give the second one's screen as SVG."""
    from earmark.tui import opening
    from earmark.tui.commands.demo import demo_settings, fill
    from earmark.tui.settings import read_settings

    settings = demo_settings(read_settings({"reviewer": "you", "must_hear": 0}))
    fill(settings.store_url)
    app = opening.open_sitting(settings, greeting="", recall=False)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(1.0)
        await pilot.press("enter")
        await pilot.pause(1.4)
        svg: str = app.export_screenshot(title="earmark review")
        await pilot.press("q")
        await pilot.pause(1.0)
    # The renderer's template names a font on somebody's server; a picture in a README must not fetch anything.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["EARMARK_HOME"] = home
        Path(sys.argv[1]).write_text(asyncio.run(draw()), encoding="utf-8")
