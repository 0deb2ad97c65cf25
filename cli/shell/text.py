"""Where a statement ends in what is typed.

Reads     text, as far as it is typed
Returns   its statements; whether the last one is whole
Promises  pure; a `;` in a string, a quoted name or a comment ends nothing (box: cli)
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<quoted>
          '(?:[^'\\]|\\.)*(?P<text_end>'|\Z) | `(?:[^`\\]|\\.)*(?P<name_end>`|\Z) | "(?:[^"\\]|\\.)*(?P<word_end>"|\Z) )
    | (?P<end> ; )
    | (?P<other> [^;'`"/-]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
READING = frozenset(("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "FROM", "("))


def statements(text: str) -> list[str]:
    """Return what stands between the `;` of a text, without blanks around it and without what is a comment alone.

    >>> statements("SELECT ';' -- one; \\n; SELECT 2;")
    ["SELECT ';' -- one;", 'SELECT 2']
    """
    found, begin, has_code = [], 0, False
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "end":
            found += [text[begin : token.start()].strip()] if has_code else []
            begin, has_code = token.end(), False
        elif token["comment"] is None:
            has_code = has_code or bool(token[0].strip())
    return [*found, text[begin:].strip()] if has_code else found


def is_whole(text: str) -> bool:
    r"""Return whether Enter is to send a text: nothing, a command of the shell's own, or a statement with its `;`.

    >>> [is_whole(text) for text in ("SELECT 1", "SELECT 1;", "SELECT ';", "\\d ledger", " ")]
    [False, True, False, True, True]
    """
    stripped = text.strip()
    if not stripped or stripped.startswith("\\"):
        return True
    last = "other"
    for token in _TOKEN.finditer(stripped):
        if token["comment"] is None and token[0].strip():
            last = "end" if token["end"] else "other"
    return last == "end"


def in_quotes(text: str) -> bool:
    """Return whether a text ends within a string, a quoted name or a comment: nothing is completed there."""
    last = None
    for token in _TOKEN.finditer(text):
        last = token
    if last is None:
        return False
    if last["comment"] is not None:
        return not last[0].endswith("*/") or last[0].startswith("--")
    return last["quoted"] is not None and "" in {last["text_end"], last["name_end"], last["word_end"]}


def first_word(statement: str) -> str:
    """Return the first word of a statement in capitals, or its first mark.

    >>> first_word("/* all */ with 1 as x select x")
    'WITH'
    """
    for token in _TOKEN.finditer(statement):
        if token["comment"] is None and token[0].strip():
            word = re.match(r"\w+|.", token[0].strip(), re.DOTALL)
            return "" if word is None else word[0].upper()
    return ""
