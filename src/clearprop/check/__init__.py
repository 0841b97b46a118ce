"""Judging submissions: which function is wrong, and which mistake it is.

``clearprop.check.check`` checks a file and ``check_all`` files and folders. They are imported when they are
first used: the submission's process imports this package too, and only its own modules of it.
"""

from __future__ import annotations

# as in clearprop/__init__.py
TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearprop.check.checking import check as check
    from clearprop.check.checking import check_all as check_all

__all__ = ["check", "check_all"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'clearprop.check' has no attribute {name!r}")
    from clearprop.check import checking

    return getattr(checking, name)
