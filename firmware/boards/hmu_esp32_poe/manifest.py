# What is frozen into this board's MicroPython build (`make BOARD=ESP32_GENERIC FROZEN_MANIFEST=…`).
ARCH = "xtensawin"  # of the ESP32, by the name that mpy-cross gives it
include("$(PORT_DIR)/boards/manifest.py")  # noqa: F821
package("firmware/core", base_path="$(MPY_DIR)/../homeward")  # noqa: F821
package("firmware/hmu", base_path="$(MPY_DIR)/../homeward")  # noqa: F821
package("firmware/boards/drivers", base_path="$(MPY_DIR)/../homeward")  # noqa: F821
package("firmware/boards/hmu_esp32_poe", base_path="$(MPY_DIR)/../homeward")  # noqa: F821
