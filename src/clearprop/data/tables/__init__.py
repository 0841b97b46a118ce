"""Tables of named columns: how their cells become features, decided once and applied by name ever after."""
