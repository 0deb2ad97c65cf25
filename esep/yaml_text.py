"""Values from YAML: what is declared beside the code, or by an operator.

Reads     YAML
Returns   plain values
Promises  the same values and errors as `yaml.safe_load`; by libyaml where it is there, which takes a tenth of the time:
          each command reads a few such files when it starts
"""

from __future__ import annotations

from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def from_yaml(text: str) -> Any:
    """Return what the text says; yaml.YAMLError where it is no YAML.

    >>> from_yaml("codes: [A, B]")
    {'codes': ['A', 'B']}
    """
    return yaml.load(text, LOADER)  # noqa: S506 - both loaders are safe ones
