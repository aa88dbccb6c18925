"""Fraud: what is known of a transaction when it is decided, and how well frauds are told from it."""
