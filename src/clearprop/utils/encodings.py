"""Text files of any common encoding: the byte-order mark decides, and without one UTF-8."""

from __future__ import annotations

import codecs

# longer marks first: that of UTF-32 begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def marked_encoding(start: bytes) -> str | None:
    """Return the encoding that a byte-order mark names, as editors and Excel write it, or None.

    Parameters
    ----------
    start : bytes
        The first four bytes of a file, or more.
    """
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)


def decoded(content: bytes) -> str:
    """Return the text of a file, with every end of a line as a line feed.

    Raises
    ------
    UnicodeDecodeError
        If the content is not of the encoding that its byte-order mark names, or not UTF-8 if it has none.
    """
    text = content.decode(marked_encoding(content) or "utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
