// MicroPython's own is not in the source distribution; what py/ and shared/ take from it is the line that sys.version prints.
#define MICROPY_PLATFORM_SYSTEM "MicroPython"
#define MICROPY_PLATFORM_ARCH "armv7m"
#define MICROPY_PLATFORM_COMPILER "GCC"
#define MICROPY_PLATFORM_LIBC_LIB ""
#define MICROPY_PLATFORM_LIBC_VER ""
