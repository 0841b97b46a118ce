"""The half that is held back from the development of the diagnosis."""
