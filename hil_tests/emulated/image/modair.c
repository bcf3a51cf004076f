// The module bluetooth: what is advertised is told to the desk, and what comes from there is heard while a scan is on, as items of
// modpins.c. As long as the desk has nobody else, nobody is on the air.

#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"
#include "board.h"
#include "pins.h"

#define SCAN_RESULT (5) // _IRQ_SCAN_RESULT
#define SCAN_DONE (6) // _IRQ_SCAN_DONE
#define NONCONNECTABLE (3) // ADV_NONCONN_IND
#define ADDRESS (6)
#define ADVERTISEMENT_MAX (31)
#define HEARD (8) // that wait for the interpreter; what comes then is lost

static bool is_active, is_scanning;

typedef struct {
    uint8_t address[ADDRESS];
    int8_t rssi;
    uint8_t n, data[ADVERTISEMENT_MAX];
} heard_t;
static heard_t heard[HEARD];
static volatile size_t heard_put, heard_got;
static volatile bool is_told; // or will be: the interpreter was asked to look

MP_REGISTER_ROOT_POINTER(mp_obj_t ble_handler);

void air_start(void) {
    is_active = is_scanning = false;
    heard_put = heard_got = 0;
    is_told = false;
    MP_STATE_VM(ble_handler) = mp_const_none;
    board_call_at(UINT64_MAX, NULL);
}

static mp_obj_t tell_heard(mp_obj_t self) {
    (void)self;
    is_told = false;
    while (heard_got != heard_put) {
        heard_t one = heard[heard_got % HEARD];
        heard_got++;
        if (is_scanning && MP_STATE_VM(ble_handler) != mp_const_none) {
            mp_obj_t items[] = {
                MP_OBJ_NEW_SMALL_INT(1), mp_obj_new_bytes(one.address, ADDRESS), MP_OBJ_NEW_SMALL_INT(NONCONNECTABLE),
                MP_OBJ_NEW_SMALL_INT(one.rssi), mp_obj_new_bytes(one.data, one.n),
            };
            mp_call_function_2(MP_STATE_VM(ble_handler), MP_OBJ_NEW_SMALL_INT(SCAN_RESULT), mp_obj_new_tuple(5, items));
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tell_heard_obj, tell_heard);

// In the interrupt: address, RSSI, advertisement.
void air_heard(const uint8_t *payload, size_t n) {
    if (!is_scanning || n < ADDRESS + 1 || n > ADDRESS + 1 + ADVERTISEMENT_MAX) {
        return;
    }
    if (!is_told) { // also when there was no room to ask before
        is_told = mp_sched_schedule(MP_OBJ_FROM_PTR(&tell_heard_obj), mp_const_none);
    }
    if (heard_put - heard_got == HEARD) {
        return;
    }
    heard_t *one = &heard[heard_put % HEARD];
    memcpy(one->address, payload, ADDRESS);
    one->rssi = (int8_t)payload[ADDRESS];
    one->n = n - ADDRESS - 1;
    memcpy(one->data, payload + ADDRESS + 1, one->n);
    heard_put++;
}

static mp_obj_t scan_done(mp_obj_t self) {
    (void)self;
    is_scanning = false;
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
        is_scanning = false;
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

// gap_advertise(interval_us, adv_data): None stops it.
static mp_obj_t ble_advertise(size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    uint8_t told[4 + ADVERTISEMENT_MAX] = {0};
    size_t n = 4;
    (void)named;
    if (args[1] != mp_const_none) {
        check_active();
        uint32_t interval_us = mp_obj_get_int(args[1]);
        memcpy(told, &interval_us, 4);
        if (n_args > 2) {
            mp_buffer_info_t data;
            mp_get_buffer_raise(args[2], &data, MP_BUFFER_READ);
            if (data.len > ADVERTISEMENT_MAX) {
                mp_raise_OSError(MP_EINVAL);
            }
            memcpy(told + 4, data.buf, data.len);
            n += data.len;
        }
    }
    pins_tell(ITEM_ADVERTISE, 0, told, n);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(ble_advertise_obj, 2, ble_advertise);

// gap_scan(duration_ms, …): 0 for ever, None stops it.
static mp_obj_t ble_scan(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    if (args[1] == mp_const_none) {
        bool was_scanning = is_scanning;
        board_call_at(UINT64_MAX, NULL);
        if (was_scanning) {
            scan_done(args[0]);
        }
        return mp_const_none;
    }
    check_active();
    mp_int_t ms = mp_obj_get_int(args[1]);
    board_call_at(ms > 0 ? board_ticks() + (uint64_t)ms * 25000u : UINT64_MAX, scan_is_over);
    is_scanning = true;
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
