"""Figures of the report, as SVG in the page and as PNG files beside it."""
