"""The ankle tag: `main` is its composition root."""
