#include "board.h"

#define mp_hal_ticks_ms() ((mp_uint_t)(board_ticks() / 25000u))
#define mp_hal_ticks_us() ((mp_uint_t)(board_ticks() / 25u))
#define mp_hal_ticks_cpu() ((mp_uint_t)board_ticks())
#define mp_hal_pin_obj_t mp_uint_t // there are no pins
void mp_hal_set_interrupt_char(int c);
