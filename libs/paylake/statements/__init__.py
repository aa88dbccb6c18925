"""Files of banks and processors: what each line says, and whether the file proves it."""
