"""Records of payments, as the ledgers send them."""
