"""Homeward's firmware, one package on the device as on the host: `firmware.core` is shared and knows no hardware,
`firmware.tag` and `firmware.hmu` are the two applications, `firmware.boards` is the only place that names a chip."""
