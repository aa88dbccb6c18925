"""Column -> Column: money, time, identifiers. Imports nothing of paylake's."""
