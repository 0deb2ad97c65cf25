"""The generated pages are what their declarations say, and every link between pages leads somewhere."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from docs.generate import pages

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_generated_pages_are_fresh() -> None:
    for name, text in pages().items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"{name} is stale: run `make pages`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_java_of_the_page_is_the_example_that_is_compiled_and_run() -> None:
    source = ROOT / "conformance" / "java" / "src" / "main" / "java" / "kz" / "esep" / "conformance" / "SendOne.java"
    shown = source.read_text(encoding="utf-8").split("    // --- integrate.md\n")[1]
    page = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")
    assert f"```java\n{textwrap.dedent(shown)}```" in page
