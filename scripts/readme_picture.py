"""Makes docs/images/lr_grid.svg: what `python -m gdexp +sweep=lr_grid` prints, from a real run.

python scripts/readme_picture.py
"""

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "lr_grid.svg"
COMMAND = ["-m", "gdexp", "+sweep=lr_grid"]


def main():
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [sys.executable, *COMMAND],
            cwd=elsewhere,
            env=os.environ | {"FORCE_COLOR": "1"},
            stdout=subprocess.PIPE,
            check=True,
        )
    printed = Text.from_ansi(done.stdout.decode().rstrip())
    width = max(len(line.rstrip()) for line in printed.plain.splitlines()) + 1
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(Text.assemble("$ ", (f"python {' '.join(COMMAND)}", "bold")))
    console.print(printed)
    svg = console.export_svg(title="gdexp", unique_id="lr_grid")
    svg = re.sub(r"@font-face {.*?}\s*|<!--.*?-->", "", svg, flags=re.DOTALL)  # no network fonts
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
