"""Text from strangers, made safe to show: nothing in it is invisible, moves other text, or covers it.

`escaped` shows what was there, and is for people: pages, mails, terminals. `replaced` is for names of files. The page
has the same functions in functions/web/page/printable.js, and tests/web/printable.json holds for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import category

MAX_MARKS = 8  # in a row; more than any script needs, and few enough not to cover the lines around them
# Letters, marks and a symbol without a glyph, which str.isprintable() accepts: Default_Ignorable_Code_Point (Unicode,
# DerivedCoreProperties.txt) outside of the categories that it does not, and the blank Braille pattern.
INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
EMOJI_STYLE, JOINER = "\ufe0f", "\u200d"  # seen after a symbol, and between two, as in the emoji of a family
KEYCAP, DIGITS = "\u20e3", frozenset("0123456789#*")


def escaped(text: str) -> str:
    r"""Return a text with each character that would not be seen as what it is written as its code point: \u{202e}."""
    return "".join(letter if is_shown else f"\\u{{{ord(letter):x}}}" for letter, is_shown in _letters(text))


def replaced(text: str, replacement: str) -> str:
    """Return a text with each character that would not be seen as what it is replaced."""
    return "".join(letter if is_shown else replacement for letter, is_shown in _letters(text))


def _letters(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each character, and whether it is seen as what it is; a mark is only if it has a base."""
    marks, before, base = MAX_MARKS, "", ""
    for letter, after in zip(text, f"{text[1:]} ", strict=False):
        is_mark = category(letter).startswith("M")
        marks = marks + 1 if is_mark else 0
        if letter == EMOJI_STYLE:
            is_shown = _is_symbol(before) or (after == KEYCAP and before in DIGITS)
        elif letter == JOINER:
            is_shown = _is_symbol(base) and _is_symbol(after)
        else:
            is_shown = letter.isprintable() and letter not in INVISIBLE and marks <= MAX_MARKS
        yield letter, is_shown
        marks = marks if is_mark or is_shown else MAX_MARKS
        before, base = letter, base if letter == EMOJI_STYLE else letter


def _is_symbol(letter: str) -> bool:
    return bool(letter) and category(letter).startswith("S")
