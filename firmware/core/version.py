"""The firmware's version and build, as every state message gives them."""

VERSION = "0.1.0"
BUILD = "unbuilt"  # the first 12 hex digits of SHA-256 over every module's text, put here when the image is made
