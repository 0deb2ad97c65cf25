"""Write the golden files: `make golden`."""

from __future__ import annotations

from conformance.golden import files
from conformance.intake import FOLDER

if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
