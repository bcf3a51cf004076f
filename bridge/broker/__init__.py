"""The MQTT brokers that Homeward starts by itself: `nats` (the default, installed by pip) and `mosquitto`.

`users` says who may speak where and is the one home of the access rules; `process` supervises a broker's process; the two
brokers differ in their configuration files alone. Any other MQTT 3.1.1 broker serves as well, given the same rules.
Imports `bridge.errors` and the firmware's topic names, nothing else of ours.
"""
