"""The firmware's version, as every state message gives it."""

VERSION = "0.1.0"
