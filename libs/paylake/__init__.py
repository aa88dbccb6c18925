"""paylake: three payment ledgers reconciled into one proven index."""

__version__ = "0.1.0"
