// The module esp32: NVS, the settings store, a small file of littlefs for each key, where what is set is kept at once; and the
// data partitions journal, config and relay, which are raw flash.

#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"
#include "board.h"
#include "fs.h"

#define NOT_FOUND (0x1102) // ESP_ERR_NVS_NOT_FOUND
#define BLOB_MAX (4000)

typedef struct {
    mp_obj_base_t base;
    char name[16];
} nvs_t;

static mp_obj_t nvs_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    nvs_t *self = mp_obj_malloc(nvs_t, type);
    strncpy(self->name, mp_obj_str_get_str(args[0]), sizeof(self->name) - 1);
    self->name[sizeof(self->name) - 1] = 0;
    return MP_OBJ_FROM_PTR(self);
}

// A key is of one type, as on the chip: a number and a blob of one name are two.
static const char *place(mp_obj_t self, mp_obj_t key, char type) {
    static char path[64];
    const char *name = mp_obj_str_get_str(key);
    if (strlen(name) > 15) {
        mp_raise_OSError(-0x1109); // ESP_ERR_NVS_KEY_TOO_LONG
    }
    strcpy(path, FS_NVS "/");
    strcat(path, ((nvs_t *)MP_OBJ_TO_PTR(self))->name);
    strcat(path, ".");
    strcat(path, name);
    size_t n = strlen(path);
    path[n] = '.';
    path[n + 1] = type;
    path[n + 2] = 0;
    return path;
}

static int found(int result) {
    if (result < 0) {
        mp_raise_OSError(result == -MP_ENOENT ? -NOT_FOUND : -result);
    }
    return result;
}

static mp_obj_t nvs_get_i32(mp_obj_t self, mp_obj_t key) {
    int32_t value = 0;
    found(fs_take(place(self, key, 'i'), &value, 4));
    return mp_obj_new_int(value);
}
static MP_DEFINE_CONST_FUN_OBJ_2(nvs_get_i32_obj, nvs_get_i32);

static mp_obj_t nvs_set_i32(mp_obj_t self, mp_obj_t key, mp_obj_t number) {
    int32_t value = mp_obj_get_int(number);
    found(fs_keep(place(self, key, 'i'), &value, 4));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(nvs_set_i32_obj, nvs_set_i32);

static mp_obj_t nvs_get_blob(mp_obj_t self, mp_obj_t key, mp_obj_t into) {
    mp_buffer_info_t out;
    mp_get_buffer_raise(into, &out, MP_BUFFER_WRITE);
    return MP_OBJ_NEW_SMALL_INT(found(fs_take(place(self, key, 'b'), out.buf, out.len)));
}
static MP_DEFINE_CONST_FUN_OBJ_3(nvs_get_blob_obj, nvs_get_blob);

static mp_obj_t nvs_set_blob(mp_obj_t self, mp_obj_t key, mp_obj_t blob) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(blob, &in, MP_BUFFER_READ);
    found(in.len > BLOB_MAX ? -MP_ENOSPC : fs_keep(place(self, key, 'b'), in.buf, in.len));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(nvs_set_blob_obj, nvs_set_blob);

static mp_obj_t nvs_erase_key(mp_obj_t self, mp_obj_t key) {
    int number = fs_forget(place(self, key, 'i'));
    int blob = fs_forget(place(self, key, 'b'));
    if (number < 0 && blob < 0) {
        found(blob);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(nvs_erase_key_obj, nvs_erase_key);

static mp_obj_t nvs_commit(mp_obj_t self) {
    (void)self;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(nvs_commit_obj, nvs_commit);

static const mp_rom_map_elem_t nvs_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_get_i32), MP_ROM_PTR(&nvs_get_i32_obj) },
    { MP_ROM_QSTR(MP_QSTR_set_i32), MP_ROM_PTR(&nvs_set_i32_obj) },
    { MP_ROM_QSTR(MP_QSTR_get_blob), MP_ROM_PTR(&nvs_get_blob_obj) },
    { MP_ROM_QSTR(MP_QSTR_set_blob), MP_ROM_PTR(&nvs_set_blob_obj) },
    { MP_ROM_QSTR(MP_QSTR_erase_key), MP_ROM_PTR(&nvs_erase_key_obj) },
    { MP_ROM_QSTR(MP_QSTR_commit), MP_ROM_PTR(&nvs_commit_obj) },
};
static MP_DEFINE_CONST_DICT(nvs_locals, nvs_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(nvs_type, MP_QSTR_NVS, MP_TYPE_FLAG_NONE, make_new, nvs_new, locals_dict, &nvs_locals);

// Partitions

#define BLOCK (4096)

typedef struct {
    mp_obj_base_t base;
    const char *label;
    size_t start, size;
} partition_t;

static const mp_obj_type_t partition_type;
static const struct { const char *label; size_t start, size; } PARTITIONS[] = {
    {"journal", 0, 512 * 1024}, {"config", 512 * 1024, 128 * 1024}, {"relay", 640 * 1024, 1024 * 1024},
};

static mp_obj_t partition_find(size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    enum { ARG_type, ARG_subtype, ARG_label, ARG_block_size };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_type, MP_ARG_INT, {.u_int = 1} },
        { MP_QSTR_subtype, MP_ARG_INT, {.u_int = 0xff} },
        { MP_QSTR_label, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE} },
        { MP_QSTR_block_size, MP_ARG_INT, {.u_int = BLOCK} },
    };
    mp_arg_val_t values[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, args, named, MP_ARRAY_SIZE(allowed), allowed, values);
    mp_obj_t found = mp_obj_new_list(0, NULL);
    for (size_t i = 0; i < MP_ARRAY_SIZE(PARTITIONS); i++) {
        mp_obj_t label = values[ARG_label].u_obj;
        bool is_it = label == mp_const_none || strcmp(mp_obj_str_get_str(label), PARTITIONS[i].label) == 0;
        if (values[ARG_type].u_int == 1 && is_it && fs_partitions()) {
            partition_t *self = mp_obj_malloc(partition_t, &partition_type);
            self->label = PARTITIONS[i].label;
            self->start = fs_partitions() + PARTITIONS[i].start;
            self->size = PARTITIONS[i].size;
            mp_obj_list_append(found, MP_OBJ_FROM_PTR(self));
        }
    }
    return found;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(partition_find_obj, 0, partition_find);
static MP_DEFINE_CONST_STATICMETHOD_OBJ(partition_find_static, MP_ROM_PTR(&partition_find_obj));

// Where on the chip the buffer goes; OSError when it is not all in the partition.
static size_t place_of(const mp_obj_t *args, size_t n_args, size_t n) {
    partition_t *self = MP_OBJ_TO_PTR(args[0]);
    size_t at = mp_obj_get_int(args[1]) * BLOCK + (n_args > 3 ? mp_obj_get_int(args[3]) : 0);
    if (mp_obj_get_int(args[1]) < 0 || at > self->size || n > self->size - at) {
        mp_raise_OSError(MP_EINVAL);
    }
    return self->start + at;
}

static mp_obj_t partition_readblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t out;
    mp_get_buffer_raise(args[2], &out, MP_BUFFER_WRITE);
    memcpy(out.buf, BOARD_FLASH_BASE + place_of(args, n_args, out.len), out.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(partition_readblocks_obj, 3, 4, partition_readblocks);

static mp_obj_t partition_writeblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(args[2], &in, MP_BUFFER_READ);
    size_t at = place_of(args, n_args, in.len);
    if ((n_args == 3 && !fs_program(at, NULL, in.len, true)) || !fs_program(at, in.buf, in.len, false)) {
        mp_raise_OSError(MP_EIO);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(partition_writeblocks_obj, 3, 4, partition_writeblocks);

static mp_obj_t partition_ioctl(mp_obj_t self_in, mp_obj_t op_in, mp_obj_t arg) {
    partition_t *self = MP_OBJ_TO_PTR(self_in);
    mp_int_t op = mp_obj_get_int(op_in);
    if (op == 4 || op == 5) {
        return MP_OBJ_NEW_SMALL_INT(op == 4 ? self->size / BLOCK : BLOCK);
    }
    if (op == 6) {
        const mp_obj_t args[] = {self_in, arg};
        if (!fs_program(place_of(args, 2, BLOCK), NULL, BLOCK, true)) {
            mp_raise_OSError(MP_EIO);
        }
    }
    return op <= 3 || op == 6 ? MP_OBJ_NEW_SMALL_INT(0) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(partition_ioctl_obj, partition_ioctl);

static mp_obj_t partition_info(mp_obj_t self_in) {
    partition_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t items[] = {
        MP_OBJ_NEW_SMALL_INT(1), MP_OBJ_NEW_SMALL_INT(0x81), mp_obj_new_int(self->start), mp_obj_new_int(self->size),
        mp_obj_new_str_from_cstr(self->label), mp_const_false,
    };
    return mp_obj_new_tuple(6, items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(partition_info_obj, partition_info);

static const mp_rom_map_elem_t partition_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_TYPE_APP), MP_ROM_INT(0) },
    { MP_ROM_QSTR(MP_QSTR_TYPE_DATA), MP_ROM_INT(1) },
    { MP_ROM_QSTR(MP_QSTR_find), MP_ROM_PTR(&partition_find_static) },
    { MP_ROM_QSTR(MP_QSTR_info), MP_ROM_PTR(&partition_info_obj) },
    { MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&partition_readblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&partition_writeblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&partition_ioctl_obj) },
};
static MP_DEFINE_CONST_DICT(partition_locals, partition_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(partition_type, MP_QSTR_Partition, MP_TYPE_FLAG_NONE, locals_dict, &partition_locals);

// Pins that wake it from sleep: here every byte from the desk does.
static mp_obj_t esp32_wake_on(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    (void)args;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(esp32_wake_on_obj, 0, 2, esp32_wake_on);

static const mp_rom_map_elem_t esp32_table[] = {
    { MP_ROM_QSTR(MP_QSTR_wake_on_ext0), MP_ROM_PTR(&esp32_wake_on_obj) },
    { MP_ROM_QSTR(MP_QSTR_wake_on_ext1), MP_ROM_PTR(&esp32_wake_on_obj) },
    { MP_ROM_QSTR(MP_QSTR_WAKEUP_ALL_LOW), MP_ROM_FALSE },
    { MP_ROM_QSTR(MP_QSTR_WAKEUP_ANY_HIGH), MP_ROM_TRUE },
    { MP_ROM_QSTR(MP_QSTR_Partition), MP_ROM_PTR(&partition_type) },
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_esp32) },
    { MP_ROM_QSTR(MP_QSTR_NVS), MP_ROM_PTR(&nvs_type) },
};
static MP_DEFINE_CONST_DICT(esp32_globals, esp32_table);
const mp_obj_module_t esp32_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&esp32_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_esp32, esp32_module);
