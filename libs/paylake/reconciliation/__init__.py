"""Three ledgers, one payment: legs side by side, decided by rules and by ticks."""
