// The machine mps2-an385 as QEMU has it: Application Note AN385 (Arm) and QEMU's hw/arm/mps2.c.
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_FLASH_BASE ((uint8_t *)0x21000000) // 16 MiB of PSRAM, which stand for a flash chip
#define BOARD_FLASH_MAX (16u << 20)

void board_init(void);
uint64_t board_ticks(void);            // 25 MHz since the start, of QEMU's virtual clock
void board_set_virtual(void);          // time passes by instructions and sleeps alone, never by waiting for the host
unsigned board_interrupts(void);       // so far
void board_wait(uint64_t until, unsigned seen); // asleep until these ticks, or an interrupt that was not among those seen
bool board_call_at(uint64_t ticks, void (*function)(void)); // one at a time, UINT64_MAX: none; whether there was one
void board_tell(const uint8_t *buf, size_t n); // by the second serial port
void board_call_due(void);             // who waits asks for it
bool board_received(void);             // a byte waits on the serial port
// Numbers of the ESP32's machine.reset_cause().
enum { RESET_POWER = 1, RESET_HARD = 2, RESET_WATCHDOG = 3, RESET_DEEP_SLEEP = 4, RESET_SOFT = 5 };
void board_reset(int cause) __attribute__((noreturn));
int board_reset_cause(void);
void board_note_soft_reset(void);
void board_watchdog(unsigned ms); // from now on a reset when it is not called for so long; 0: as long as before

// Semihosting (Arm IHI0032): files of the host, for as long as the host allows it.
int host_open(const char *path, unsigned mode); // -1: no. Modes: 1 "rb", 3 "r+b"
int host_read(int file, void *buf, size_t n);   // bytes read, -1: it cannot be read
bool host_write(int file, const void *buf, size_t n);
bool host_seek(int file, size_t at);
int host_length(int file);
void host_close(int file);
bool host_command_line(char *buf, size_t size);
void host_exit(int status) __attribute__((noreturn));

#endif
