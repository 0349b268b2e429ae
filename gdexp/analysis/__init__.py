"""Pure: what stored results say. Everything here can be computed again from them."""
