"""Networks that others have trained, frozen, each checked by the SHA-256 of its weights."""
