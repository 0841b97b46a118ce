"""The right formula of each role, with switches that turn it into the mistaken ones."""
