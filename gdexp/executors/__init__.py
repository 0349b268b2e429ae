"""Where tiles are made: one file an executor."""
