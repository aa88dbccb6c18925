"""Places outside the lake that scores are published to: pure modules that shape rows, and one edge per kind of server."""
