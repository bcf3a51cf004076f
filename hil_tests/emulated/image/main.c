// Boot, REPL, soft reset. What the machine is like is board.c's, files are fs.c's.
//
// The command line that QEMU is given (-semihosting-config arg=…): heap=BYTES time=virtual
// host=FOLDER flash=FILE flashsize=BYTES id=NAME, in any order.

#include <stdlib.h>
#include <string.h>

#include "py/builtin.h"
#include "py/compile.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/mperrno.h"
#include "py/persistentcode.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/interrupt_char.h"
#include "shared/runtime/pyexec.h"
#include "fs.h"
#include "pins.h"
#include "rom.h"

#define STACK (16 * 1024)
#define MACHINE_CODE (512 * 1024)

extern uint32_t _sidata, _sdata, _edata, _sbss, _ebss, _heap, _eheap, _estack;
static char command_line[512];

// Machine code out of .mpy is not kept in the heap, as on an ESP32, whose heap is no place to execute from.
static uint8_t machine_code[MACHINE_CODE] __attribute__((aligned(8)));
static size_t machine_code_used;

void *main_commit_exec(void *code, size_t n, void *relocation) {
    if (n > MACHINE_CODE - machine_code_used) {
        return code;
    }
    uint8_t *there = machine_code + machine_code_used;
    machine_code_used += (n + 7) & ~7;
    if (relocation != NULL) {
        mp_native_relocate(relocation, code, (uintptr_t)there);
    }
    return memcpy(there, code, n);
}

const char *option(const char *name, const char *otherwise) {
    size_t n = strlen(name);
    for (char *at = command_line; *at; at += strlen(at) + 1) {
        if (strncmp(at, name, n) == 0 && at[n] == '=') {
            return at + n + 1;
        }
    }
    return otherwise;
}

static void read_command_line(void) {
    if (!host_command_line(command_line, sizeof(command_line) - 2)) {
        memset(command_line, 0, sizeof(command_line));
    }
    for (char *at = command_line; *at; at++) {
        if (*at == ' ') {
            *at = 0;
        }
    }
}

static void run_if_there(const char *path) {
    if (mp_import_stat(path) == MP_IMPORT_STAT_FILE) {
        pyexec_file(path);
    }
}

int main(void) {
    board_init();
    read_command_line();
    size_t heap = strtoul(option("heap", "131072"), NULL, 10);
    if (heap > (size_t)((char *)&_eheap - (char *)&_heap)) {
        heap = (char *)&_eheap - (char *)&_heap;
    }
    if (strcmp(option("time", ""), "virtual") == 0) {
        board_set_virtual();
    }
    fs_init();
    pins_init();
    for (;;) {
        mp_stack_set_top(&_estack);
        mp_stack_set_limit(STACK - 1024);
        gc_init(&_heap, (char *)&_heap + heap);
        mp_init();
        machine_code_used = 0;
        pins_start();
        air_start();
        fs_start();
        mp_obj_list_append(mp_sys_path, mp_obj_new_str_from_cstr(ROM_FOLDER));
        pyexec_mode_kind_t mode = pyexec_mode_kind;
        run_if_there("boot.py");
        if (pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL && mode == PYEXEC_MODE_FRIENDLY_REPL) {
            run_if_there("main.py");
        }
        for (;;) {
            int end = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl();
            if (end != 0) {
                break;
            }
        }
        mp_hal_stdout_tx_strn("MPY: soft reboot\r\n", 18);
        board_note_soft_reset();
        gc_sweep_all();
        mp_deinit();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *val) {
    (void)val;
    mp_hal_stdout_tx_strn("FATAL: uncaught\r\n", 17);
    host_exit(3);
}

void HardFault_Handler(void) {
    mp_hal_stdout_tx_strn("FATAL: fault\r\n", 14);
    host_exit(4);
}

void __assert_func(const char *file, int line, const char *function, const char *what) {
    (void)line;
    (void)function;
    (void)what;
    mp_hal_stdout_tx_strn(file, strlen(file));
    host_exit(5);
}

void Reset_Handler(void) {
    memcpy(&_sdata, &_sidata, (char *)&_edata - (char *)&_sdata);
    memset(&_sbss, 0, (char *)&_ebss - (char *)&_sbss);
    main();
    for (;;) {
    }
}

void UART0_RX_Handler(void);
void UART0_TX_Handler(void);
void UART1_RX_Handler(void);
void TIMER0_Handler(void);
void TIMER1_Handler(void);

const void *const vectors[16 + 32] __attribute__((section(".vectors"), used)) = {
    &_estack, Reset_Handler, HardFault_Handler, HardFault_Handler, HardFault_Handler, HardFault_Handler, HardFault_Handler,
    [16 + 0] = UART0_RX_Handler,
    [16 + 1] = UART0_TX_Handler,
    [16 + 2] = UART1_RX_Handler,
    [16 + 8] = TIMER0_Handler,
    [16 + 9] = TIMER1_Handler,
};
