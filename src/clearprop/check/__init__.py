"""Judging submissions: which function is wrong, and which mistake it is."""
