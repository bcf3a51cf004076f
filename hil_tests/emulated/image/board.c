// Serial ports, clock, sleep and the way to the host's files.

#include <string.h>

#include "py/mphal.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"
#include "pins.h"

#define REG(address) (*(volatile uint32_t *)(address))
#define UART_DATA REG(0x40004000)
#define UART_STATE REG(0x40004004)
#define UART_CTRL REG(0x40004008)
#define UART_INT REG(0x4000400c)
#define UART_BAUDDIV REG(0x40004010)
#define DESK_DATA REG(0x40005000)
#define DESK_STATE REG(0x40005004)
#define DESK_CTRL REG(0x40005008)
#define DESK_INT REG(0x4000500c)
#define DESK_BAUDDIV REG(0x40005010)
#define TIMER_CTRL REG(0x40000000)
#define TIMER_VALUE REG(0x40000004)
#define TIMER_RELOAD REG(0x40000008)
#define TIMER_INT REG(0x4000000c)
#define CLK100HZ REG(0x40028014)
#define COUNTER REG(0x40028018)
#define PRESCALE REG(0x4002801c)
#define NVIC_ISER REG(0xe000e100)
#define AIRCR REG(0xe000ed0c)

#define TICKS_PER_10MS (250000u)
#define TX_FULL (1u)
#define RX_FULL (2u)

static uint8_t rx_bytes[1024];
static ringbuf_t rx = {rx_bytes, sizeof(rx_bytes), 0, 0};

static bool is_virtual;  // time is instructions and sleeps: what the host takes its time for is none
static int64_t shift;    // of the ticks, by sleeps that were skipped and waits that do not count
static volatile unsigned interrupts;

// One thing that the silicon does by itself at a time.
static uint64_t call_at = UINT64_MAX;
static void (*call)(void);

// A word that a reset leaves as it is, and the power switch does not.
#define CAUSE REG(0x21fffff8)
#define CAUSE_IS_KEPT (0x484d5744)

static int cause = RESET_POWER;

int board_reset_cause(void) {
    return cause;
}

void board_note_soft_reset(void) {
    cause = RESET_SOFT;
}

void board_reset(int why) {
    (&CAUSE)[1] = CAUSE_IS_KEPT;
    CAUSE = why;
    AIRCR = 0x05fa0004;
    for (;;) {
    }
}

// The watchdog: timer 1 ticks each 100 ms.
#define TIMER1_CTRL REG(0x40001000)
#define TIMER1_RELOAD REG(0x40001008)
#define TIMER1_INT REG(0x4000100c)
static volatile unsigned patience, left;

void TIMER1_Handler(void) {
    TIMER1_INT = 1;
    if (--left == 0) {
        board_reset(RESET_WATCHDOG);
    }
}

void board_watchdog(unsigned ms) {
    if (ms) {
        patience = ms / 100 + 1;
    }
    left = patience;
    if (ms && !is_virtual) {
        TIMER1_RELOAD = TICKS_PER_10MS * 10;
        TIMER1_CTRL = 1 | 8;
        NVIC_ISER = 1 << 9;
    }
}

void board_init(void) {
    UART_BAUDDIV = 16;
    UART_CTRL = 1 | 2 | 4 | 8; // transmit, receive, and both interrupts
    (void)UART_DATA; // or QEMU does not look again at what the host sent before now
    DESK_BAUDDIV = 16;
    DESK_CTRL = 1 | 2 | 8;
    (void)DESK_DATA;
    PRESCALE = 0;
    cause = (&CAUSE)[1] == CAUSE_IS_KEPT ? (int)CAUSE : RESET_POWER;
    (&CAUSE)[1] = CAUSE_IS_KEPT; // QEMU's own reset button leaves no cause
    CAUSE = RESET_HARD;
    NVIC_ISER = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8; // UART0 RX and TX, UART1 RX, timer 0
}

void board_set_virtual(void) {
    is_virtual = true;
}

// The counter has 32 bits and wraps after 171 s; the other clock says which round it is in.
static uint64_t raw_ticks(void) {
    uint64_t coarse = (uint64_t)CLK100HZ * TICKS_PER_10MS;
    return coarse + (int32_t)(COUNTER - (uint32_t)coarse);
}

uint64_t board_ticks(void) {
    return raw_ticks() + shift;
}

// With interrupts off: one that came just before still ends it.
static void wait_for_host(void) {
    uint64_t before = raw_ticks();
    __asm volatile ("wfi");
    if (is_virtual) {
        shift -= raw_ticks() - before;
    }
}

void UART0_RX_Handler(void) {
    UART_INT = 2;
    interrupts++;
    while (UART_STATE & RX_FULL) {
        if (ringbuf_free(&rx) == 0) {
            UART_CTRL &= ~8u; // the sender waits: nothing is read until there is room
            return;
        }
        int c = UART_DATA & 0xff;
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            ringbuf_put(&rx, c);
        }
    }
}

void UART0_TX_Handler(void) {
    UART_INT = 1;
}

void UART1_RX_Handler(void) {
    DESK_INT = 2;
    interrupts++;
    while (DESK_STATE & RX_FULL) {
        pins_byte(DESK_DATA & 0xff);
    }
}

void TIMER0_Handler(void) {
    interrupts++;
    TIMER_CTRL = 0;
    TIMER_INT = 1;
}

bool board_received(void) {
    return ringbuf_peek(&rx) != -1;
}

void board_tell(const uint8_t *buf, size_t n) {
    for (size_t i = 0; i < n; i++) {
        while (DESK_STATE & TX_FULL) {
        }
        DESK_DATA = buf[i];
    }
}

unsigned board_interrupts(void) {
    return interrupts;
}

void board_wait(uint64_t until, unsigned seen) {
    until = MIN(until, call_at);
    uint64_t now = board_ticks();
    if (now < until) {
        if (is_virtual && until < UINT64_MAX - 1) {
            shift += interrupts == seen ? until - now : 0;
            return;
        }
        uint64_t left = until - now;
        TIMER_CTRL = 0;
        TIMER_RELOAD = left > 0x7fffffffu ? 0x7fffffffu : (uint32_t)left;
        TIMER_CTRL = is_virtual ? 0 : 1 | 8;
        __asm volatile ("cpsid i"); // an interrupt from here on still ends the sleep
        if (interrupts == seen) {
            wait_for_host();
        }
        __asm volatile ("cpsie i");
        TIMER_CTRL = 0;
        TIMER_INT = 1;
    }
}

bool board_call_at(uint64_t ticks, void (*function)(void)) {
    bool was_due = call_at != UINT64_MAX;
    call_at = ticks;
    call = function;
    return was_due;
}

void board_call_due(void) {
    if (board_ticks() >= call_at) {
        call_at = UINT64_MAX;
        call();
    }
}

// MicroPython's hardware layer

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        int c = ringbuf_get(&rx);
        if (c != -1) {
            if (!(UART_CTRL & 8)) {
                UART_CTRL |= 8;
                UART0_RX_Handler();
            }
            return c;
        }
        mp_handle_pending(true);
        __asm volatile ("cpsid i"); // or a byte that came just now would be slept through
        if (!board_received()) {
            wait_for_host();
        }
        __asm volatile ("cpsie i");
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *str, size_t len) {
    for (size_t i = 0; i < len; i++) {
        while (UART_STATE & TX_FULL) {
            __asm volatile ("cpsid i");
            if (UART_STATE & TX_FULL) {
                wait_for_host();
            }
            __asm volatile ("cpsie i");
        }
        UART_DATA = (uint8_t)str[i];
    }
    return len;
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
    return (flags & MP_STREAM_POLL_RD && board_received() ? MP_STREAM_POLL_RD : 0) | (flags & MP_STREAM_POLL_WR);
}

void mp_hal_delay_ms(mp_uint_t ms) {
    uint64_t until = board_ticks() + (uint64_t)ms * 25000u;
    for (;;) {
        unsigned seen = interrupts;
        board_call_due();
        mp_handle_pending(true);
        if (board_ticks() >= until) {
            return;
        }
        board_wait(until, seen);
    }
}

// Semihosting

static int host_call(int number, const void *arguments) {
    register int r0 __asm("r0") = number;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile ("bkpt 0xab" : "+r" (r0) : "r" (r1) : "memory");
    return r0;
}

int host_open(const char *path, unsigned mode) {
    const uint32_t arguments[] = {(uint32_t)path, mode, strlen(path)};
    return host_call(0x01, arguments);
}

int host_read(int file, void *buf, size_t n) {
    const uint32_t arguments[] = {file, (uint32_t)buf, n};
    uint32_t missing = host_call(0x06, arguments);
    return missing > n ? -1 : (int)(n - missing);
}

bool host_write(int file, const void *buf, size_t n) {
    const uint32_t arguments[] = {file, (uint32_t)buf, n};
    return host_call(0x05, arguments) == 0;
}

bool host_seek(int file, size_t at) {
    const uint32_t arguments[] = {file, at};
    return host_call(0x0a, arguments) == 0;
}

int host_length(int file) {
    const uint32_t arguments[] = {file};
    return host_call(0x0c, arguments);
}

void host_close(int file) {
    const uint32_t arguments[] = {file};
    host_call(0x02, arguments);
}

bool host_command_line(char *buf, size_t size) {
    uint32_t arguments[] = {(uint32_t)buf, size};
    return host_call(0x15, arguments) == 0;
}

void host_exit(int status) {
    const uint32_t arguments[] = {0x20026, status};
    host_call(0x20, arguments);
    for (;;) {
    }
}
