// The module esp32, of which there is NVS: the settings store, a small file of littlefs for each key. What is set is kept at once.

#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"
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

static const mp_rom_map_elem_t esp32_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_esp32) },
    { MP_ROM_QSTR(MP_QSTR_NVS), MP_ROM_PTR(&nvs_type) },
};
static MP_DEFINE_CONST_DICT(esp32_globals, esp32_table);
const mp_obj_module_t esp32_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&esp32_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_esp32, esp32_module);
