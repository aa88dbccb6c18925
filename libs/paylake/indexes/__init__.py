"""What a nightly run recomputes, compares, proves and publishes; frames in, frames out."""
