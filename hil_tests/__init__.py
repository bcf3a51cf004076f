"""The same tests on a simulated, an emulated and a real device. README.md says how to run them.

A test names what it needs of a rig (`@pytest.mark.needs("gnss", "strap")`); `rigs` has the capabilities and how each rig gives
them. May import everything of ours but tests; nothing of ours imports it.
"""
