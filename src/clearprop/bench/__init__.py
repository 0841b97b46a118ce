"""The benchmark: Clearprop and other libraries on the same work, each run in a fresh process."""
