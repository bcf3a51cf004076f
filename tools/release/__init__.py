"""`homeward release …`: build a signed release of the firmware, verify one, and send it to devices through the bridge.

`build` compiles, `command` is the command line. Formats, keys and verification are `bridge.releases`'.
"""
