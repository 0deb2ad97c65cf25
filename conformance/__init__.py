"""Golden records and vectors for whoever writes a client in another language: `make golden` (README.md)."""
