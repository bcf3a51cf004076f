// The module bluetooth where nobody is on the air: a scan hears nothing, and an advertisement is heard by nobody.

#include "py/mperrno.h"
#include "py/runtime.h"
#include "board.h"

#define SCAN_DONE (6) // _IRQ_SCAN_DONE

static bool is_active;

MP_REGISTER_ROOT_POINTER(mp_obj_t ble_handler);

void air_start(void) {
    is_active = false;
    MP_STATE_VM(ble_handler) = mp_const_none;
    board_call_at(UINT64_MAX, NULL);
}

static mp_obj_t scan_done(mp_obj_t self) {
    (void)self;
    if (MP_STATE_VM(ble_handler) != mp_const_none) {
        mp_call_function_2(MP_STATE_VM(ble_handler), MP_OBJ_NEW_SMALL_INT(SCAN_DONE), mp_const_empty_tuple);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(scan_done_obj, scan_done);

static void scan_is_over(void) {
    mp_sched_schedule(MP_OBJ_FROM_PTR(&scan_done_obj), mp_const_none);
}

static const mp_obj_type_t ble_type;

static mp_obj_t ble_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    static const mp_obj_base_t ble = {&ble_type};
    (void)type;
    (void)args;
    mp_arg_check_num(n_args, n_kw, 0, 0, false);
    return MP_OBJ_FROM_PTR(&ble);
}

static mp_obj_t ble_active(size_t n_args, const mp_obj_t *args) {
    if (n_args > 1) {
        is_active = mp_obj_is_true(args[1]);
        board_call_at(UINT64_MAX, NULL);
    }
    return mp_obj_new_bool(is_active);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ble_active_obj, 1, 2, ble_active);

static mp_obj_t ble_irq(mp_obj_t self, mp_obj_t handler) {
    (void)self;
    MP_STATE_VM(ble_handler) = handler;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(ble_irq_obj, ble_irq);

static void check_active(void) {
    if (!is_active) {
        mp_raise_OSError(MP_ENODEV);
    }
}

static mp_obj_t ble_advertise(size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    (void)named;
    if (n_args > 1 && args[1] != mp_const_none) {
        check_active();
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(ble_advertise_obj, 2, ble_advertise);

// gap_scan(duration_ms, …): 0 for ever, None stops it.
static mp_obj_t ble_scan(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    if (args[1] == mp_const_none) {
        if (board_call_at(UINT64_MAX, NULL)) {
            scan_done(args[0]);
        }
        return mp_const_none;
    }
    check_active();
    mp_int_t ms = mp_obj_get_int(args[1]);
    board_call_at(ms > 0 ? board_ticks() + (uint64_t)ms * 25000u : UINT64_MAX - 1, scan_is_over);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ble_scan_obj, 2, 5, ble_scan);

static const mp_rom_map_elem_t ble_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_active), MP_ROM_PTR(&ble_active_obj) },
    { MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&ble_irq_obj) },
    { MP_ROM_QSTR(MP_QSTR_gap_advertise), MP_ROM_PTR(&ble_advertise_obj) },
    { MP_ROM_QSTR(MP_QSTR_gap_scan), MP_ROM_PTR(&ble_scan_obj) },
};
static MP_DEFINE_CONST_DICT(ble_locals, ble_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(ble_type, MP_QSTR_BLE, MP_TYPE_FLAG_NONE, make_new, ble_new, locals_dict, &ble_locals);

static const mp_rom_map_elem_t bluetooth_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_bluetooth) },
    { MP_ROM_QSTR(MP_QSTR_BLE), MP_ROM_PTR(&ble_type) },
};
static MP_DEFINE_CONST_DICT(bluetooth_globals, bluetooth_table);
const mp_obj_module_t bluetooth_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&bluetooth_globals };
MP_REGISTER_MODULE(MP_QSTR_bluetooth, bluetooth_module);
