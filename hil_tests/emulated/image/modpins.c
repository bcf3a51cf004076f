// Pin, ADC and UART of the module machine, as far as firmware uses them. What hangs on them comes over the machine's second
// serial port, from the desk (board.py), in items: u32 0, u8 what, u8 which, u16 length, payload (sim/silicon/_channels.py).
// What is advertised by radio goes the other way, and nothing else: a motor turns, a modem is switched on, and nobody sees it.

#include <string.h>

#include "py/mperrno.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "board.h"
#include "pins.h"

#define UARTS (3)
#define ITEM_HEAD (8)
#define ITEM_UART (1)
#define ITEM_PIN (2)
#define ITEM_ADC (3)
#define ITEM_HEARD (4)
#define RISING (1)
#define FALLING (2)

static uint8_t levels[PINS], is_out[PINS];
static uint32_t microvolts[PINS];
static uint8_t received[UARTS][2048];
static ringbuf_t fifos[UARTS] = {{received[0], 2048, 0, 0}, {received[1], 2048, 0, 0}, {received[2], 2048, 0, 0}};

MP_REGISTER_ROOT_POINTER(mp_obj_t pin_handlers[40]);
static uint8_t triggers[PINS];

// From the desk

void pins_init(void) {
    // A board that lies there: contacts to ground are closed, mains or USB (39) is there, a cell of 4.0 V behind a divider of 2.
    levels[39] = 1;
    for (size_t i = 0; i < PINS; i++) {
        microvolts[i] = 2000000;
    }
}

void pins_start(void) {
    memset(triggers, 0, sizeof(triggers));
    memset(is_out, 0, sizeof(is_out));
    for (size_t i = 0; i < PINS; i++) {
        MP_STATE_VM(pin_handlers)[i] = mp_const_none;
    }
}

typedef struct {
    mp_obj_base_t base;
    uint8_t id;
} pin_t;

static pin_t pins[PINS];

static void take(uint8_t what, uint8_t which, const uint8_t *payload, size_t n) {
    if (what == ITEM_UART && which < UARTS) {
        for (size_t i = 0; i < n; i++) {
            ringbuf_put(&fifos[which], payload[i]); // what does not fit is lost, as on the chip
        }
    } else if (what == ITEM_HEARD) {
        air_heard(payload, n);
    } else if (what == ITEM_ADC && which < PINS && n == 4) {
        memcpy(&microvolts[which], payload, 4);
    } else if (what == ITEM_PIN && which < PINS && n == 1 && !is_out[which] && levels[which] != payload[0]) {
        levels[which] = payload[0];
        mp_obj_t handler = MP_STATE_VM(pin_handlers)[which];
        if (triggers[which] & (payload[0] ? RISING : FALLING) && handler != mp_const_none) {
            mp_sched_schedule(handler, MP_OBJ_FROM_PTR(&pins[which]));
        }
    }
}

// In the interrupt.
void pins_byte(uint8_t byte) {
    static uint8_t item[ITEM_HEAD + 256];
    static size_t n;
    item[n++] = byte;
    size_t size = n < ITEM_HEAD ? 0 : item[6] | item[7] << 8;
    if (n >= ITEM_HEAD && n == ITEM_HEAD + size) {
        take(item[4], item[5], item + ITEM_HEAD, size);
        n = 0;
    } else if (n == sizeof(item)) {
        n = 0;
    }
}

void pins_tell(uint8_t what, uint8_t which, const uint8_t *payload, size_t n) {
    const uint8_t head[ITEM_HEAD] = {0, 0, 0, 0, what, which, n & 0xff, n >> 8};
    board_tell(head, sizeof(head));
    board_tell(payload, n);
}

// Pin

static size_t pin_id(mp_obj_t object) {
    size_t id = mp_obj_is_type(object, &pin_type) ? ((pin_t *)MP_OBJ_TO_PTR(object))->id : (size_t)mp_obj_get_int(object);
    if (id >= PINS) {
        mp_raise_ValueError(MP_ERROR_TEXT("invalid pin"));
    }
    return id;
}

static mp_obj_t pin_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    enum { ARG_id, ARG_mode, ARG_pull, ARG_value };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_id, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL} },
        { MP_QSTR_mode, MP_ARG_INT, {.u_int = -1} },
        { MP_QSTR_pull, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
        { MP_QSTR_value, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
    };
    mp_arg_val_t values[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all_kw_array(n_args, n_kw, args, MP_ARRAY_SIZE(allowed), allowed, values);
    size_t id = pin_id(values[ARG_id].u_obj);
    pins[id].base.type = type;
    pins[id].id = id;
    if (values[ARG_mode].u_int != -1) {
        is_out[id] = values[ARG_mode].u_int == 3;
    }
    if (is_out[id] && values[ARG_value].u_obj != mp_const_none) {
        levels[id] = mp_obj_is_true(values[ARG_value].u_obj);
    }
    return MP_OBJ_FROM_PTR(&pins[id]);
}

static mp_obj_t pin_value(size_t n_args, const mp_obj_t *args) {
    size_t id = pin_id(args[0]);
    if (n_args == 1) {
        return MP_OBJ_NEW_SMALL_INT(levels[id]);
    }
    if (is_out[id]) {
        levels[id] = mp_obj_is_true(args[1]);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pin_value_obj, 1, 2, pin_value);

static mp_obj_t pin_on(mp_obj_t self) {
    const mp_obj_t args[] = {self, mp_const_true};
    return pin_value(2, args);
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_on_obj, pin_on);

static mp_obj_t pin_off(mp_obj_t self) {
    const mp_obj_t args[] = {self, mp_const_false};
    return pin_value(2, args);
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_off_obj, pin_off);

static mp_obj_t pin_irq(size_t n_args, const mp_obj_t *args) {
    size_t id = pin_id(args[0]);
    MP_STATE_VM(pin_handlers)[id] = n_args > 1 ? args[1] : mp_const_none;
    triggers[id] = n_args > 2 ? mp_obj_get_int(args[2]) : RISING | FALLING;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pin_irq_obj, 1, 3, pin_irq);

static const mp_rom_map_elem_t pin_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj) },
    { MP_ROM_QSTR(MP_QSTR_on), MP_ROM_PTR(&pin_on_obj) },
    { MP_ROM_QSTR(MP_QSTR_off), MP_ROM_PTR(&pin_off_obj) },
    { MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&pin_irq_obj) },
    { MP_ROM_QSTR(MP_QSTR_IN), MP_ROM_INT(1) },
    { MP_ROM_QSTR(MP_QSTR_OUT), MP_ROM_INT(3) },
    { MP_ROM_QSTR(MP_QSTR_PULL_DOWN), MP_ROM_INT(1) },
    { MP_ROM_QSTR(MP_QSTR_PULL_UP), MP_ROM_INT(2) },
    { MP_ROM_QSTR(MP_QSTR_IRQ_RISING), MP_ROM_INT(RISING) },
    { MP_ROM_QSTR(MP_QSTR_IRQ_FALLING), MP_ROM_INT(FALLING) },
};
static MP_DEFINE_CONST_DICT(pin_locals, pin_locals_table);
MP_DEFINE_CONST_OBJ_TYPE(pin_type, MP_QSTR_Pin, MP_TYPE_FLAG_NONE, make_new, pin_new, locals_dict, &pin_locals);

// ADC

static mp_obj_t adc_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 1, true); // `atten` makes no difference to microvolts
    pin_t *self = mp_obj_malloc(pin_t, type);
    self->id = pin_id(args[0]);
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t adc_read_uv(mp_obj_t self) {
    return mp_obj_new_int_from_uint(microvolts[((pin_t *)MP_OBJ_TO_PTR(self))->id]);
}
static MP_DEFINE_CONST_FUN_OBJ_1(adc_read_uv_obj, adc_read_uv);

static const mp_rom_map_elem_t adc_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_read_uv), MP_ROM_PTR(&adc_read_uv_obj) },
    { MP_ROM_QSTR(MP_QSTR_ATTN_11DB), MP_ROM_INT(3) },
};
static MP_DEFINE_CONST_DICT(adc_locals, adc_locals_table);
MP_DEFINE_CONST_OBJ_TYPE(adc_type, MP_QSTR_ADC, MP_TYPE_FLAG_NONE, make_new, adc_new, locals_dict, &adc_locals);

// UART: of 0, the console's, the speed alone is asked, which a socket of QEMU's has not.

static mp_obj_t uart_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    static pin_t uarts[UARTS];
    mp_arg_check_num(n_args, n_kw, 1, 2, true);
    size_t id = mp_obj_get_int(args[0]);
    if (id >= UARTS) {
        mp_raise_ValueError(MP_ERROR_TEXT("invalid UART"));
    }
    uarts[id].base.type = type;
    uarts[id].id = id;
    return MP_OBJ_FROM_PTR(&uarts[id]);
}

static ringbuf_t *fifo_of(mp_obj_t self) {
    return &fifos[((pin_t *)MP_OBJ_TO_PTR(self))->id];
}

static mp_uint_t uart_read(mp_obj_t self, void *buf, mp_uint_t size, int *error) {
    mp_uint_t n = 0;
    for (int c; n < size && (c = ringbuf_get(fifo_of(self))) != -1; n++) {
        ((uint8_t *)buf)[n] = c;
    }
    if (n == 0) {
        *error = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return n;
}

static mp_uint_t uart_write(mp_obj_t self, const void *buf, mp_uint_t size, int *error) {
    (void)self;
    (void)buf;
    (void)error;
    return size; // nobody is at the other end
}

static mp_uint_t uart_ioctl(mp_obj_t self, mp_uint_t request, uintptr_t wanted, int *error) {
    if (request == MP_STREAM_POLL) {
        return (wanted & MP_STREAM_POLL_RD && ringbuf_avail(fifo_of(self)) ? MP_STREAM_POLL_RD : 0) | (wanted & MP_STREAM_POLL_WR);
    }
    *error = MP_EINVAL;
    return MP_STREAM_ERROR;
}

static mp_obj_t uart_any(mp_obj_t self) {
    return MP_OBJ_NEW_SMALL_INT(ringbuf_avail(fifo_of(self)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(uart_any_obj, uart_any);

static const mp_rom_map_elem_t uart_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_any), MP_ROM_PTR(&uart_any_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) },
};
static MP_DEFINE_CONST_DICT(uart_locals, uart_locals_table);
static const mp_stream_p_t uart_stream = { .read = uart_read, .write = uart_write, .ioctl = uart_ioctl };
MP_DEFINE_CONST_OBJ_TYPE(
    uart_type, MP_QSTR_UART, MP_TYPE_FLAG_ITER_IS_STREAM, make_new, uart_new, protocol, &uart_stream, locals_dict, &uart_locals);
