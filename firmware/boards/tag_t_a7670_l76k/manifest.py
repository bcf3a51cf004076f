# What is frozen into this board's MicroPython build (`make BOARD=ESP32_GENERIC BOARD_VARIANT=SPIRAM FROZEN_MANIFEST=…`).
ARCH = "xtensawin"  # of the ESP32, by the name that mpy-cross gives it
include("$(PORT_DIR)/boards/manifest.py")  # noqa: F821
package("firmware/core", base_path="$(MPY_DIR)/../homeward")  # noqa: F821
package("firmware/tag", base_path="$(MPY_DIR)/../homeward")  # noqa: F821
package("firmware/boards/drivers", base_path="$(MPY_DIR)/../homeward")  # noqa: F821
package("firmware/boards/tag_t_a7670_l76k", base_path="$(MPY_DIR)/../homeward")  # noqa: F821
