"""The benchmark: peers side by side on the same work, each in a process of its own."""
