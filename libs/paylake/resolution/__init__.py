"""The life of a break after it was found: when it falls due, what is proposed, who decides, and the chain of it all."""
