"""Bytes on disk -> arrays: what all readers share."""
