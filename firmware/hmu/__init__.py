"""The home monitoring unit: `main` is its composition root."""
