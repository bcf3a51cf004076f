// The module machine, but for pins (modpins.c): sleep, resets, their causes, the watchdog, and the name that the machine was given; and of uctypes what plain code
// needs where firmware has no machine code.

#include <string.h>

#include "py/objarray.h"
#include "py/runtime.h"
#include "board.h"
#include "fs.h"
#include "pins.h"

static mp_obj_t machine_reset(void) {
    board_reset(RESET_HARD);
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_reset_obj, machine_reset);

static mp_obj_t machine_soft_reset(void) {
    mp_raise_type(&mp_type_SystemExit);
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_soft_reset_obj, machine_soft_reset);

static mp_obj_t machine_unique_id(void) {
    return mp_obj_new_bytes((const byte *)option("id", "emulated"), strlen(option("id", "emulated")));
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_unique_id_obj, machine_unique_id);

static mp_obj_t machine_reset_cause(void) {
    return MP_OBJ_NEW_SMALL_INT(board_reset_cause());
}
static MP_DEFINE_CONST_FUN_OBJ_0(machine_reset_cause_obj, machine_reset_cause);

// Once made it runs until a reset, as on the chip.
static mp_obj_t wdt_feed(mp_obj_t self) {
    (void)self;
    board_watchdog(0);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(wdt_feed_obj, wdt_feed);

static const mp_obj_type_t wdt_type;

static mp_obj_t wdt_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    static const mp_obj_base_t wdt = {&wdt_type};
    static const mp_arg_t allowed[] = {
        { MP_QSTR_id, MP_ARG_INT, {.u_int = 0} },
        { MP_QSTR_timeout, MP_ARG_INT, {.u_int = 5000} },
    };
    mp_arg_val_t values[2];
    (void)type;
    mp_arg_parse_all_kw_array(n_args, n_kw, args, 2, allowed, values);
    if (values[1].u_int <= 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("timeout"));
    }
    board_watchdog(values[1].u_int);
    return MP_OBJ_FROM_PTR(&wdt);
}

static const mp_rom_map_elem_t wdt_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_feed), MP_ROM_PTR(&wdt_feed_obj) },
};
static MP_DEFINE_CONST_DICT(wdt_locals, wdt_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(wdt_type, MP_QSTR_WDT, MP_TYPE_FLAG_NONE, make_new, wdt_new, locals_dict, &wdt_locals);

// Light sleep: until the time is over, or something comes in, by the port or from the desk.
static mp_obj_t machine_lightsleep(size_t n_args, const mp_obj_t *args) {
    bool is_endless = n_args == 0 || args[0] == mp_const_none;
    board_wait(is_endless ? UINT64_MAX : board_ticks() + (uint64_t)mp_obj_get_int(args[0]) * 25000u, board_interrupts());
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(machine_lightsleep_obj, 0, 1, machine_lightsleep);

static mp_obj_t machine_deepsleep(size_t n_args, const mp_obj_t *args) {
    machine_lightsleep(n_args, args);
    board_reset(RESET_DEEP_SLEEP);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(machine_deepsleep_obj, 0, 1, machine_deepsleep);

static const mp_rom_map_elem_t machine_table[] = {
    { MP_ROM_QSTR(MP_QSTR_Pin), MP_ROM_PTR(&pin_type) },
    { MP_ROM_QSTR(MP_QSTR_ADC), MP_ROM_PTR(&adc_type) },
    { MP_ROM_QSTR(MP_QSTR_UART), MP_ROM_PTR(&uart_type) },
    { MP_ROM_QSTR(MP_QSTR_lightsleep), MP_ROM_PTR(&machine_lightsleep_obj) },
    { MP_ROM_QSTR(MP_QSTR_deepsleep), MP_ROM_PTR(&machine_deepsleep_obj) },
    { MP_ROM_QSTR(MP_QSTR_WDT), MP_ROM_PTR(&wdt_type) },
    { MP_ROM_QSTR(MP_QSTR_reset_cause), MP_ROM_PTR(&machine_reset_cause_obj) },
    { MP_ROM_QSTR(MP_QSTR_PWRON_RESET), MP_ROM_INT(RESET_POWER) },
    { MP_ROM_QSTR(MP_QSTR_HARD_RESET), MP_ROM_INT(RESET_HARD) },
    { MP_ROM_QSTR(MP_QSTR_WDT_RESET), MP_ROM_INT(RESET_WATCHDOG) },
    { MP_ROM_QSTR(MP_QSTR_DEEPSLEEP_RESET), MP_ROM_INT(RESET_DEEP_SLEEP) },
    { MP_ROM_QSTR(MP_QSTR_SOFT_RESET), MP_ROM_INT(RESET_SOFT) },
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_machine) },
    { MP_ROM_QSTR(MP_QSTR_reset), MP_ROM_PTR(&machine_reset_obj) },
    { MP_ROM_QSTR(MP_QSTR_soft_reset), MP_ROM_PTR(&machine_soft_reset_obj) },
    { MP_ROM_QSTR(MP_QSTR_unique_id), MP_ROM_PTR(&machine_unique_id_obj) },
};
static MP_DEFINE_CONST_DICT(machine_globals, machine_table);
const mp_obj_module_t machine_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&machine_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_machine, machine_module);

static mp_obj_t uctypes_addressof(mp_obj_t buffer) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(buffer, &in, MP_BUFFER_READ);
    return mp_obj_new_int_from_uint((mp_uint_t)in.buf);
}
static MP_DEFINE_CONST_FUN_OBJ_1(uctypes_addressof_obj, uctypes_addressof);

static mp_obj_t uctypes_bytearray_at(mp_obj_t address, mp_obj_t size) {
    return mp_obj_new_bytearray_by_ref(mp_obj_get_int(size), (void *)mp_obj_get_int_truncated(address));
}
static MP_DEFINE_CONST_FUN_OBJ_2(uctypes_bytearray_at_obj, uctypes_bytearray_at);

static const mp_rom_map_elem_t uctypes_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_uctypes) },
    { MP_ROM_QSTR(MP_QSTR_addressof), MP_ROM_PTR(&uctypes_addressof_obj) },
    { MP_ROM_QSTR(MP_QSTR_bytearray_at), MP_ROM_PTR(&uctypes_bytearray_at_obj) },
};
static MP_DEFINE_CONST_DICT(uctypes_globals, uctypes_table);
const mp_obj_module_t uctypes_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&uctypes_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_uctypes, uctypes_module);
