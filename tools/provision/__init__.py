"""Provisioning: a board becomes a device of the scheme.

state     the scheme's folder: its secrets, its authority, where its broker is; or a kit, which has no more than it needs
bench     a board's settings store and flash, over its cable
doing     one board, from looking at it to the inventory's entry
code      what is printed on a device: its name with a check character
labels    that, drawn, as PNG, SVG or PDF
"""
