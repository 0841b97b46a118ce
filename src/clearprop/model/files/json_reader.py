"""JSON read piece by piece within a budget of memory, so that a hostile text cannot grow in it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Iterator
from typing import Any

MOST_NESTED = 32
MOST_DIGITS = 1000

_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
# possessive, since a pattern that may step back remembers every step
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?+([eE][+-]?[0-9]++)?+")
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_WORDS = re.compile(rb"true|false|null|NaN|-?Infinity")
_VALUES = {
    b"true": True,
    b"false": False,
    b"null": None,
    # not JSON, but Python writes them; the caller refuses them where they make no sense
    b"NaN": float("nan"),
    b"Infinity": float("inf"),
    b"-Infinity": float("-inf"),
}
_BACKSLASH = ord("\\")
_ESCAPED = {
    ord(short): ord(long) for short, long in zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True)
}  # fmt: skip
_SURROGATES = range(0xD800, 0xE000)


class JsonError(ValueError):
    """The text is no JSON, or reading it would take more memory than allowed."""


class Budget:
    """Memory that may still be taken.

    The costs charged to it are those of CPython's objects on a 64-bit machine, rounded up.

    Parameters
    ----------
    size : int
        In bytes.
    """

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """Take some bytes, or raise JsonError where there are not so many."""
        self.left -= size
        if self.left < 0:
            raise JsonError("it would need more memory than a file of its size is worth")


class JsonReader:
    """Reads a JSON text from its beginning, value by value.

    Escaped strings are decoded in place, so reading destroys the text and needs no second one.

    Parameters
    ----------
    text : memoryview of bytes
        Writable; UTF-8.
    budget : Budget
        Charged for every object made.
    most_nested : int
        How many brackets may be open at once.
    """

    def __init__(self, text: memoryview, budget: Budget, most_nested: int = MOST_NESTED) -> None:
        self._text = text
        self._most_nested = most_nested
        self._budget = budget
        self._at = 0
        self._depth = 0

    def object_keys(self) -> Iterator[str]:
        """Give the keys of the object that comes next; after each, its value must be read.

        A key that comes twice is an error: which of the two counts would be anybody's guess.
        """
        self._enter(b"{")
        seen: set[str] = set()
        if not self._next_is(b"}"):
            while True:
                key = self.string()
                if key in seen:
                    raise self._error("a key that comes twice")
                self._budget.take(110)
                seen.add(key)
                self._expect(b":")
                yield key
                if self._next_is(b"}"):
                    break
                self._expect(b",")
        self._depth -= 1

    def array_items(self) -> Iterator[None]:
        """Stop before each item of the array that comes next; there it must be read."""
        self._enter(b"[")
        if not self._next_is(b"]"):
            while True:
                yield
                if self._next_is(b"]"):
                    break
                self._expect(b",")
        self._depth -= 1

    def string(self) -> str:
        """Return the string that comes next."""
        content = self.string_bytes()
        self._budget.take(80 + len(content))
        if not _is_ascii(content):
            self._budget.take(3 * len(content))
        try:
            return str(content, "utf-8")
        except UnicodeDecodeError:
            raise self._error("a text that is not UTF-8") from None

    def string_bytes(self) -> memoryview:
        """Return the string that comes next as UTF-8, which is not checked: a piece of the text itself."""
        self._expect(b'"')
        text, size = self._text, len(self._text)
        begin = written = read = self._at
        while True:
            match = _PLAIN.match(text, read)
            assert match is not None
            end = match.end()
            if written != read:
                text[written : written + end - read] = text[read:end]
            written += end - read
            read = end
            while read + 1 < size and text[read] == _BACKSLASH:
                short = _ESCAPED.get(text[read + 1])
                if short is not None:
                    text[written] = short
                    written, read = written + 1, read + 2
                    continue
                decoded, read = self._escape(read + 1)
                text[written : written + len(decoded)] = decoded
                written += len(decoded)
            self._at = read
            if self._char(read) == b'"':
                self._at += 1
                return text[begin:written]
            if read + 1 >= size:
                raise self._error("a string without an end")
            if text[read] < 0x20:
                raise self._error("a control character in a string")

    def whole(self) -> int:
        """Return the whole number from 0 to 2^63 - 1 that comes next."""
        number = self._number()
        if not isinstance(number, int) or not 0 <= number < 2**63:
            raise self._error("a number that is no size")
        return number

    def value(self, flat: Collection[str] = ()) -> Any:
        """Return the value that comes next.

        Parameters
        ----------
        flat : collection of str
            Keys whose arrays hold numbers only, and become an ``array("d")``: 8 bytes a number.
        """
        char = self._peek()
        if char == b"{":
            self._budget.take(300)
            # a loop, since a comprehension would read the key's value before the key
            values = {}
            for key in self.object_keys():
                is_flat = key in flat and self._peek() == b"["
                values[key] = self._numbers() if is_flat else self.value(flat)
            return values
        if char == b"[":
            self._budget.take(80)
            items = []
            for _ in self.array_items():
                self._budget.take(16)
                items.append(self.value(flat))
            return items
        if char == b'"':
            return self.string()
        match = _WORDS.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            return _VALUES[match.group()]
        return self._number()

    def finish(self) -> None:
        """Raise JsonError unless only white space is left."""
        if self._peek():
            raise self._error("more text after its end")

    def _numbers(self) -> array[float]:
        numbers = array("d")
        for _ in self.array_items():
            left = self._budget.left
            number = self._number()
            # of the number itself nothing is kept
            self._budget.left = left
            self._budget.take(9)
            try:
                numbers.append(number)
            except OverflowError:
                raise self._error("a number too large") from None
        return numbers

    def _number(self) -> int | float:
        self._peek()
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            raise self._error("no JSON")
        if match.end() - match.start() > MOST_DIGITS:
            raise self._error(f"a number of more than {MOST_DIGITS} digits")
        self._budget.take(32 + (match.end() - match.start()) // 2)
        self._at = match.end()
        return int(match.group()) if match.group(1, 2) == (None, None) else float(match.group())

    def _escape(self, at: int) -> tuple[bytes, int]:
        """Return the character of an escape of u and four digits, as UTF-8, and the position after it."""
        code = self._code(at)
        at += 5
        if code in _SURROGATES:
            # beyond the first 65,536 characters, two escapes stand for one
            low = self._code(at + 1) if self._char(at) == b"\\" else 0
            if code >= 0xDC00 or not 0xDC00 <= low < 0xE000:
                raise self._error("half a character")
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            at += 6
        return chr(code).encode(), at

    def _code(self, at: int) -> int:
        match = _HEX.match(self._text, at + 1) if self._char(at) == b"u" else None
        if match is None:
            raise self._error("an escape that JSON does not know")
        return int(match.group(), 16)

    def _enter(self, bracket: bytes) -> None:
        self._expect(bracket)
        self._depth += 1
        if self._depth > self._most_nested:
            raise self._error(f"a nesting of more than {self._most_nested} brackets")

    def _next_is(self, char: bytes) -> bool:
        if self._peek() != char:
            return False
        self._at += 1
        return True

    def _expect(self, char: bytes) -> None:
        if not self._next_is(char):
            raise self._error(f"no {char.decode()} where one must be")

    def _peek(self) -> bytes:
        """Return the next character that is no white space, or nothing at the end."""
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._char(self._at)

    def _char(self, at: int) -> bytes:
        return bytes(self._text[at : at + 1])

    def _error(self, found: str) -> JsonError:
        return JsonError(f"at byte {self._at:,} of its text there is {found}")


def _is_ascii(content: memoryview) -> bool:
    # a piece at a time, since only bytes can say it of themselves, and a copy of all would be as long again
    return all(bytes(content[at : at + 4096]).isascii() for at in range(0, len(content), 4096))
