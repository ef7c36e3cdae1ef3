"""Text as callers bring it, made fit for a tokenizer without changing what it says."""

import re

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Control characters and runs of white space become one space; lone surrogates U+FFFD.

    Line breaks go too: a passage on one line cannot imitate the layout around it, and
    costs fewer tokens.
    """
    return " ".join(_SURROGATE.sub("\ufffd", _UNPRINTABLE.sub(" ", text)).split())
