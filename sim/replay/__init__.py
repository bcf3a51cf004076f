"""Real input for a simulated tag: recorded NMEA logs, GPX tracks and live receivers drive its GNSS port instead of the world.

`source` opens what a person names (`log`, `gpx`, `live` are the kinds of it), `circuit` puts it on the tag's UART, `replay` runs
device, broker, bridge and store over it, `fixes` reads back what was stored. May import engine, bridge and the firmware's
formats; the command line is `tools.replay`.
"""
