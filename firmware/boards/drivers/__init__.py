"""Chips that more than one board may carry."""
