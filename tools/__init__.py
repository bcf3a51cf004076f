"""The `homeward` command and what it runs."""
