// MicroPython as on the ESP32 where it matters to the firmware: 32-bit floats, 31-bit small ints, long ints, the same feature
// level, native code loaded from .mpy, a stack of 16 KiB and a heap whose size is given at the start.
#include <alloca.h>
#include <stdint.h>

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_EMIT_THUMB (1)
#define MICROPY_EMIT_INLINE_THUMB (1)
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void *)((mp_uint_t)(p) | 1))

#define MICROPY_ENABLE_GC (1)
#define MICROPY_ENABLE_FINALISER (1)
#define MICROPY_STACK_CHECK (1)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (256)
#define MICROPY_ENABLE_SOURCE_LINE (1)
#define MICROPY_ENABLE_SCHEDULER (1)
#define MICROPY_HELPER_REPL (1)
#define MICROPY_REPL_AUTO_INDENT (1)
#define MICROPY_REPL_STDIN_BUFFER_MAX (256)
#define MICROPY_HAS_FILE_READER (1)
#define MICROPY_VFS (0)
#define MICROPY_VFS_ROM (1) // rom.c: what is imported from there stays there
#define MICROPY_VFS_ROM_IOCTL (0)
#define MICROPY_PY_BUILTINS_HELP (0)
#define MICROPY_PY_UCTYPES (0)
#define MICROPY_PY_SYS_PLATFORM "mps2-an385"
#define MICROPY_PY_SYS_PATH_ARGV_DEFAULTS (1)
#define MICROPY_EPOCH_IS_1970 (1)

void *main_commit_exec(void *code, size_t n, void *relocation);
#define MP_PLAT_COMMIT_EXEC(code, n, relocation) main_commit_exec(code, n, relocation)

// Interrupts schedule functions (pins).
static inline uint32_t port_interrupts_off(void) {
    uint32_t state;
    __asm volatile ("mrs %0, primask\n cpsid i" : "=r" (state) : : "memory");
    return state;
}
static inline void port_interrupts_as_before(uint32_t state) {
    __asm volatile ("msr primask, %0" : : "r" (state) : "memory");
}
#define MICROPY_BEGIN_ATOMIC_SECTION() port_interrupts_off()
#define MICROPY_END_ATOMIC_SECTION(state) port_interrupts_as_before(state)

#define MICROPY_HW_BOARD_NAME "mps2-an385 in QEMU"
#define MICROPY_HW_MCU_NAME "Cortex-M3"

#define MP_STATE_PORT MP_STATE_VM
typedef long mp_off_t;
#define MP_SSIZE_MAX (0x7fffffff)
