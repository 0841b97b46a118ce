"""Errors, argument checks, atomic files, locks, random streams, TOML and the version."""
