"""One file an objective: a frozen dataclass whose fields are its card."""
