"""
The picture in README.md: runs `jackstay demo` and draws what it printed.

    .venv/bin/python docs/record.py
"""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("demo.svg")
WIDTH = 100

# What a terminal would have overwritten: everything before the last return to the line's begin.
_OVERWRITTEN = re.compile(r".*(?:\r|\x1b\[2K)")
_CURSOR = re.compile(r"\x1b\[(?:\?25[lh]|\d*A)")
_SPINNER = re.compile(r"[\u2800-\u28ff]")
_WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        [sys.executable, "-m", "cli", "demo"], env=environment, capture_output=True, check=True
    )
    printed = _CURSOR.sub("", done.stdout.decode()).split("\n")  # a return alone ends no line
    lines = [_OVERWRITTEN.sub("", line.rstrip("\r")) for line in printed]
    text = "\n".join(line for line in lines if not _SPINNER.match(line) and "/.venv/" not in line).strip()
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ make demo\n{text}"))
    svg = console.export_svg(title="jackstay")
    PICTURE.write_text(_WEB_FONT.sub("", svg))


main()
