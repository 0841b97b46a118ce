"""The command line: one file for each verb, which parses options, calls the library and prints."""

from __future__ import annotations

from clearprop.cli.entry import main

__all__ = ["main"]
