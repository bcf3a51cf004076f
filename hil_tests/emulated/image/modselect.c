// The module select: `poll` over streams, the serial port's and those in Python. What is waited for here is waited for by the
// processor asleep until an interrupt.

#include "py/mperrno.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "board.h"

#define GROWS_BY (4)
#define TICKS_PER_MS (25000u)

typedef struct {
    mp_obj_t stream;
    mp_uint_t wanted, found;
} entry_t;

typedef struct {
    mp_obj_base_t base;
    size_t n, room; // of entries
    entry_t *entries;
    mp_obj_tuple_t *pair; // what `ipoll` gives, again and again
} poll_t;

static entry_t *entry_of(poll_t *self, mp_obj_t stream) {
    for (size_t i = 0; i < self->n; i++) {
        if (self->entries[i].stream == stream) {
            return &self->entries[i];
        }
    }
    return NULL;
}

static mp_obj_t poll_register(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_uint_t wanted = n_args > 2 ? (mp_uint_t)mp_obj_get_int(args[2]) : MP_STREAM_POLL_RD | MP_STREAM_POLL_WR;
    entry_t *entry = entry_of(self, args[1]);
    if (entry == NULL) {
        mp_get_stream_raise(args[1], MP_STREAM_OP_IOCTL);
        if (self->n == self->room) {
            self->entries = m_renew(entry_t, self->entries, self->room, self->room + GROWS_BY);
            self->room += GROWS_BY;
        }
        entry = &self->entries[self->n++];
        entry->stream = args[1];
    }
    entry->wanted = wanted;
    entry->found = 0;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_register_obj, 2, 3, poll_register);

static mp_obj_t poll_unregister(mp_obj_t self_in, mp_obj_t stream) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    entry_t *entry = entry_of(self, stream);
    if (entry != NULL) {
        *entry = self->entries[--self->n];
        self->entries[self->n].stream = MP_OBJ_NULL;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(poll_unregister_obj, poll_unregister);

static mp_obj_t poll_modify(mp_obj_t self_in, mp_obj_t stream, mp_obj_t wanted) {
    entry_t *entry = entry_of(MP_OBJ_TO_PTR(self_in), stream);
    if (entry == NULL) {
        mp_raise_OSError(MP_ENOENT);
    }
    entry->wanted = mp_obj_get_int(wanted);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(poll_modify_obj, poll_modify);

static size_t look(poll_t *self) {
    size_t ready = 0;
    for (size_t i = 0; i < self->n; i++) {
        entry_t *entry = &self->entries[i];
        int error = 0;
        mp_uint_t found = mp_get_stream(entry->stream)->ioctl(entry->stream, MP_STREAM_POLL, entry->wanted, &error);
        if (found == MP_STREAM_ERROR) {
            mp_raise_OSError(error);
        }
        entry->found = found;
        ready += found != 0;
    }
    return ready;
}

static size_t wait(poll_t *self, mp_int_t timeout_ms) {
    uint64_t until = timeout_ms < 0 ? UINT64_MAX : board_ticks() + (uint64_t)timeout_ms * TICKS_PER_MS;
    for (;;) {
        unsigned seen = board_interrupts();
        board_call_due();
        mp_handle_pending(true);
        size_t ready = look(self);
        if (ready || board_ticks() >= until) {
            return ready;
        }
        board_wait(until, seen);
    }
}

static mp_int_t timeout_of(size_t n_args, const mp_obj_t *args) {
    return n_args > 1 && args[1] != mp_const_none ? mp_obj_get_int(args[1]) : -1;
}

static mp_obj_t poll_poll(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    wait(self, timeout_of(n_args, args));
    mp_obj_t found = mp_obj_new_list(0, NULL);
    for (size_t i = 0; i < self->n; i++) {
        if (self->entries[i].found) {
            const mp_obj_t pair[] = {self->entries[i].stream, MP_OBJ_NEW_SMALL_INT(self->entries[i].found)};
            mp_obj_list_append(found, mp_obj_new_tuple(2, pair));
        }
    }
    return found;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_poll_obj, 1, 2, poll_poll);

static mp_obj_t poll_ipoll(size_t n_args, const mp_obj_t *args) {
    poll_t *self = MP_OBJ_TO_PTR(args[0]);
    wait(self, timeout_of(n_args, args));
    return args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poll_ipoll_obj, 1, 3, poll_ipoll);

// Whoever gets an entry may unregister it, and the last one is then in its place: what was found is taken down as it is given.
static mp_obj_t poll_next(mp_obj_t self_in) {
    poll_t *self = MP_OBJ_TO_PTR(self_in);
    for (size_t i = 0; i < self->n; i++) {
        entry_t *entry = &self->entries[i];
        if (entry->found) {
            self->pair->items[0] = entry->stream;
            self->pair->items[1] = MP_OBJ_NEW_SMALL_INT(entry->found);
            entry->found = 0;
            return MP_OBJ_FROM_PTR(self->pair);
        }
    }
    return MP_OBJ_STOP_ITERATION;
}

static const mp_rom_map_elem_t poll_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_register), MP_ROM_PTR(&poll_register_obj) },
    { MP_ROM_QSTR(MP_QSTR_unregister), MP_ROM_PTR(&poll_unregister_obj) },
    { MP_ROM_QSTR(MP_QSTR_modify), MP_ROM_PTR(&poll_modify_obj) },
    { MP_ROM_QSTR(MP_QSTR_poll), MP_ROM_PTR(&poll_poll_obj) },
    { MP_ROM_QSTR(MP_QSTR_ipoll), MP_ROM_PTR(&poll_ipoll_obj) },
};
static MP_DEFINE_CONST_DICT(poll_locals, poll_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(poll_type, MP_QSTR_poll, MP_TYPE_FLAG_ITER_IS_ITERNEXT, iter, poll_next, locals_dict, &poll_locals);

static mp_obj_t poll_new(void) {
    poll_t *self = mp_obj_malloc(poll_t, &poll_type);
    self->n = self->room = 0;
    self->entries = NULL;
    self->pair = MP_OBJ_TO_PTR(mp_obj_new_tuple(2, NULL));
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_0(poll_new_obj, poll_new);

static const mp_rom_map_elem_t select_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_select) },
    { MP_ROM_QSTR(MP_QSTR_poll), MP_ROM_PTR(&poll_new_obj) },
    { MP_ROM_QSTR(MP_QSTR_POLLIN), MP_ROM_INT(MP_STREAM_POLL_RD) },
    { MP_ROM_QSTR(MP_QSTR_POLLOUT), MP_ROM_INT(MP_STREAM_POLL_WR) },
    { MP_ROM_QSTR(MP_QSTR_POLLERR), MP_ROM_INT(MP_STREAM_POLL_ERR) },
    { MP_ROM_QSTR(MP_QSTR_POLLHUP), MP_ROM_INT(MP_STREAM_POLL_HUP) },
};
static MP_DEFINE_CONST_DICT(select_globals, select_table);
const mp_obj_module_t select_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&select_globals };
MP_REGISTER_MODULE(MP_QSTR_select, select_module);
