"""Files that people write: YAML, read strictly. Does not own what a file means; that is whoever asks for it."""
