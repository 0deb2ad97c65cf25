"""Numbers of persons and organizers, and what is almost one, for tests of the rule in each of its forms."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.records import bins, control_digit_of, iins

ASCII = "0123456789"
OTHER_DIGITS = {
    "Arabic-Indic": "٠١٢٣٤٥٦٧٨٩",
    "Persian": "۰۱۲۳۴۵۶۷۸۹",
    "fullwidth": "０１２３４５６７８９",
    "Devanagari": "०१२३४५६७८९",
    "mathematical": "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
}


def is_one(text: str | None, *, of_person: bool) -> bool:
    """Return whether LEGAL calls it an IIN (or a BIN), written from its text."""
    if text is None or len(text) != 12 or any(letter not in ASCII for letter in text):
        return False
    fifth, seventh = int(text[4]), int(text[6])
    form = fifth in {0, 1, 2, 3} and seventh in {0, 1, 2, 3, 4, 5, 6} if of_person else fifth in {4, 5, 6}
    return form and control_digit_of(text[:11]) == int(text[11])


@st.composite
def almost_numbers(draw: st.DrawFn) -> str | None:
    """Give numbers with one digit changed, cut, lengthened or in another script, and texts that never were any."""
    number = draw(iins() | bins() | st.text(ASCII, min_size=12, max_size=12))
    place = draw(st.integers(0, 11))
    changed = number[:place] + draw(st.sampled_from(ASCII)) + number[place + 1 :]
    script = draw(st.sampled_from(sorted(OTHER_DIGITS.values())))
    return draw(
        st.sampled_from(
            [
                number,
                changed,
                number[:place],
                number + "0",
                number + "\n",
                " " + number[1:],
                number[:place] + script[int(number[place])] + number[place + 1 :],
                None,
            ]
        )
        | st.text(max_size=14)
    )
