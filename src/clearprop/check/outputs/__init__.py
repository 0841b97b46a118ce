"""Verdicts for people and grade books: text, JSON, CSV, Gradescope's results and HTML pages."""
