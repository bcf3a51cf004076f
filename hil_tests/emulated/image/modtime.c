// The module time, as far as the firmware's pure core and a host's tools use it. Its clock is board.c's.

#include "py/mphal.h"
#include "py/runtime.h"
#include "py/smallint.h"
#include "board.h"

#define PERIOD (1u << 30) // of ticks, as on every 32-bit port

static mp_obj_t masked(uint64_t value) {
    return MP_OBJ_NEW_SMALL_INT((mp_uint_t)value & (PERIOD - 1));
}

static mp_obj_t time_ticks_ms(void) {
    return masked(board_ticks() / 25000u);
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_ticks_ms_obj, time_ticks_ms);

static mp_obj_t time_ticks_us(void) {
    return masked(board_ticks() / 25u);
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_ticks_us_obj, time_ticks_us);

// 25 MHz: five instructions a tick with -icount shift=3
static mp_obj_t time_ticks_cpu(void) {
    return masked(board_ticks());
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_ticks_cpu_obj, time_ticks_cpu);

static mp_obj_t time_ticks_diff(mp_obj_t end, mp_obj_t start) {
    mp_uint_t difference = (mp_uint_t)MP_OBJ_SMALL_INT_VALUE(end) - (mp_uint_t)MP_OBJ_SMALL_INT_VALUE(start);
    return MP_OBJ_NEW_SMALL_INT((mp_int_t)((difference + PERIOD / 2) & (PERIOD - 1)) - (mp_int_t)(PERIOD / 2));
}
static MP_DEFINE_CONST_FUN_OBJ_2(time_ticks_diff_obj, time_ticks_diff);

static mp_obj_t time_ticks_add(mp_obj_t ticks, mp_obj_t delta) {
    return masked((mp_uint_t)MP_OBJ_SMALL_INT_VALUE(ticks) + (mp_uint_t)mp_obj_get_int(delta));
}
static MP_DEFINE_CONST_FUN_OBJ_2(time_ticks_add_obj, time_ticks_add);

static mp_obj_t time_sleep_ms(mp_obj_t ms) {
    mp_int_t n = mp_obj_get_int(ms);
    mp_hal_delay_ms(n > 0 ? n : 0);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_ms_obj, time_sleep_ms);

static mp_obj_t time_sleep_us(mp_obj_t us) {
    uint64_t until = board_ticks() + (uint64_t)mp_obj_get_int(us) * 25u;
    while (board_ticks() < until) {
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_us_obj, time_sleep_us);

static mp_obj_t time_sleep(mp_obj_t s) {
    mp_hal_delay_ms((mp_uint_t)(mp_obj_get_float(s) * 1000));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_obj, time_sleep);

static mp_obj_t time_time(void) {
    return mp_obj_new_int_from_uint((mp_uint_t)(board_ticks() / 25000000u));
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_time_obj, time_time);

static const mp_rom_map_elem_t time_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_time) },
    { MP_ROM_QSTR(MP_QSTR_ticks_ms), MP_ROM_PTR(&time_ticks_ms_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_us), MP_ROM_PTR(&time_ticks_us_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_cpu), MP_ROM_PTR(&time_ticks_cpu_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_diff), MP_ROM_PTR(&time_ticks_diff_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_add), MP_ROM_PTR(&time_ticks_add_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep), MP_ROM_PTR(&time_sleep_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep_ms), MP_ROM_PTR(&time_sleep_ms_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep_us), MP_ROM_PTR(&time_sleep_us_obj) },
    { MP_ROM_QSTR(MP_QSTR_time), MP_ROM_PTR(&time_time_obj) },
};
static MP_DEFINE_CONST_DICT(time_globals, time_table);
const mp_obj_module_t time_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&time_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_time, time_module);
