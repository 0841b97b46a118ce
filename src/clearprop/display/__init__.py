"""Display of values: text on terminals, HTML in notebooks, small pictures and plots."""
