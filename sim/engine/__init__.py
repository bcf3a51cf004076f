"""Virtual time, device processes, and everything between a device's pins and the world or the broker.

`kernel` owns time and decides who may run how far. `process` and `zygote` hold the interpreters, `wire` their messages,
`image` the firmware they run. `circuit` is what hangs on a board's pins, `air` carries radio, `net` carries TCP to the real
broker. A `part` is a share of the households with all of that, `worker` one in a process of its own. `run` puts a scenario
together. May import `sim.world`, `firmware.core` and `bridge`; the world knows nothing of it.
"""
