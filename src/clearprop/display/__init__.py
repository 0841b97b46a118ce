"""How values are shown: text on terminals, HTML in notebooks, pictures and plots."""
