"""What is read by libyaml is what PyYAML itself reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from esep.yaml_text import from_yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for folder in ("esep", "producers", "sinks", "examples") for path in (ROOT / folder).rglob("*.yaml")
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_values_of_our_files_are_those_of_the_python_loader(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert from_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\ta: 1", "!!python/object:os.system {}"])
def test_text_that_is_no_yaml_of_plain_values_is_refused_with_its_place(text: str) -> None:
    for read in (from_yaml, yaml.safe_load):
        with pytest.raises(yaml.MarkedYAMLError) as refused:
            read(text)
        assert refused.value.problem_mark is not None
