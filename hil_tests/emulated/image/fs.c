// Files: littlefs on a flash chip that is RAM here and, when `flash=FILE` is given, a file of the host, written through at each
// program and erase so that a killed machine is one whose power was cut.

#include <stdlib.h>
#include <string.h>

#include "lfs.h"
#include "py/builtin.h"
#include "py/mperrno.h"
#include "py/objstr.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "board.h"
#include "fs.h"

#define BLOCK (4096)
#define CACHE (128)
#define DEFAULT_SIZE "4194304"

static int flash_file = -1;
static lfs_t lfs;
static bool mounted;
static size_t partitions;
static uint8_t read_cache[CACHE], prog_cache[CACHE], lookahead[32];

// The chip

static int flash_read(const struct lfs_config *c, lfs_block_t block, lfs_off_t off, void *buf, lfs_size_t n) {
    (void)c;
    memcpy(buf, BOARD_FLASH_BASE + block * BLOCK + off, n);
    return 0;
}

static int flash_written(lfs_block_t block, lfs_off_t off, lfs_size_t n) {
    if (flash_file == -1) {
        return 0;
    }
    size_t at = block * BLOCK + off;
    return host_seek(flash_file, at) && host_write(flash_file, BOARD_FLASH_BASE + at, n) ? 0 : LFS_ERR_IO;
}

static int flash_prog(const struct lfs_config *c, lfs_block_t block, lfs_off_t off, const void *buf, lfs_size_t n) {
    (void)c;
    memcpy(BOARD_FLASH_BASE + block * BLOCK + off, buf, n);
    return flash_written(block, off, n);
}

static int flash_erase(const struct lfs_config *c, lfs_block_t block) {
    (void)c;
    memset(BOARD_FLASH_BASE + block * BLOCK, 0xff, BLOCK);
    return flash_written(block, 0, BLOCK);
}

static int flash_sync(const struct lfs_config *c) {
    (void)c;
    return 0;
}

static struct lfs_config config = {
    .read = flash_read, .prog = flash_prog, .erase = flash_erase, .sync = flash_sync,
    .read_size = 32, .prog_size = 32, .block_size = BLOCK, .block_cycles = 100, .cache_size = CACHE,
    .lookahead_size = sizeof(lookahead), .read_buffer = read_cache, .prog_buffer = prog_cache, .lookahead_buffer = lookahead,
};

void fs_init(void) {
    size_t size = strtoul(option("flashsize", DEFAULT_SIZE), NULL, 10);
    const char *path = option("flash", NULL);
    if (path != NULL && (flash_file = host_open(path, 3)) != -1) {
        size = host_length(flash_file);
        if (size > BOARD_FLASH_MAX || host_read(flash_file, BOARD_FLASH_BASE, size) != (int)size) {
            size = 0;
        }
    }
    partitions = size >= FS_PARTITIONS + 16 * BLOCK ? size - FS_PARTITIONS : 0;
    config.block_count = (partitions ? partitions : size) / BLOCK;
}

size_t fs_partitions(void) {
    return partitions;
}

bool fs_program(size_t at, const void *buf, size_t n, bool erase) {
    uint8_t *to = BOARD_FLASH_BASE + at;
    if (erase) {
        memset(to, 0xff, n);
    } else {
        for (size_t i = 0; i < n; i++) {
            to[i] &= ((const uint8_t *)buf)[i];
        }
    }
    return flash_written(at / BLOCK, at % BLOCK, n) == 0;
}

void fs_start(void) {
    // What was open is gone with the heap that it lay on.
    mounted = config.block_count && (lfs_mount(&lfs, &config) == 0 || (lfs_format(&lfs, &config) == 0 && lfs_mount(&lfs, &config) == 0));
}

static void check(int result) {
    if (result < 0) {
        // littlefs has errno's numbers but for a corrupt file system
        mp_raise_OSError(result == LFS_ERR_CORRUPT ? MP_EIO : -result);
    }
}

static const char *path_of(mp_obj_t path) {
    if (!mounted) {
        mp_raise_OSError(MP_ENODEV);
    }
    return mp_obj_str_get_str(path);
}

// File objects

typedef struct {
    mp_obj_base_t base;
    bool is_open;
    lfs_file_t file;
    struct lfs_file_config config;
    uint8_t cache[CACHE];
} file_obj_t;

static const mp_obj_type_t file_type, text_type;

static mp_uint_t file_read(mp_obj_t self_in, void *buf, mp_uint_t n, int *error) {
    file_obj_t *self = MP_OBJ_TO_PTR(self_in);
    int result = self->is_open ? lfs_file_read(&lfs, &self->file, buf, n) : -MP_EBADF;
    if (result < 0) {
        *error = -result;
        return MP_STREAM_ERROR;
    }
    return result;
}

static mp_uint_t file_write(mp_obj_t self_in, const void *buf, mp_uint_t n, int *error) {
    file_obj_t *self = MP_OBJ_TO_PTR(self_in);
    int result = self->is_open ? lfs_file_write(&lfs, &self->file, buf, n) : -MP_EBADF;
    if (result < 0) {
        *error = -result;
        return MP_STREAM_ERROR;
    }
    return result;
}

static mp_uint_t file_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *error) {
    file_obj_t *self = MP_OBJ_TO_PTR(self_in);
    int result = 0;
    if (!self->is_open) {
        result = request == MP_STREAM_CLOSE ? 0 : -MP_EBADF;
    } else if (request == MP_STREAM_CLOSE) {
        self->is_open = false;
        result = lfs_file_close(&lfs, &self->file);
    } else if (request == MP_STREAM_FLUSH) {
        result = lfs_file_sync(&lfs, &self->file);
    } else if (request == MP_STREAM_SEEK) {
        struct mp_stream_seek_t *seek = (void *)arg;
        result = lfs_file_seek(&lfs, &self->file, seek->offset, seek->whence);
        if (result >= 0) {
            seek->offset = result;
            result = 0;
        }
    } else if (request == MP_STREAM_POLL) {
        return arg;
    } else {
        result = -MP_EINVAL;
    }
    if (result < 0) {
        *error = -result;
        return MP_STREAM_ERROR;
    }
    return result;
}

static const mp_rom_map_elem_t file_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_readlines), MP_ROM_PTR(&mp_stream_unbuffered_readlines_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_flush), MP_ROM_PTR(&mp_stream_flush_obj) },
    { MP_ROM_QSTR(MP_QSTR_seek), MP_ROM_PTR(&mp_stream_seek_obj) },
    { MP_ROM_QSTR(MP_QSTR_tell), MP_ROM_PTR(&mp_stream_tell_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mp_stream___exit___obj) },
};
static MP_DEFINE_CONST_DICT(file_locals, file_locals_table);

static const mp_stream_p_t file_stream = { .read = file_read, .write = file_write, .ioctl = file_ioctl };
static const mp_stream_p_t text_stream = { .read = file_read, .write = file_write, .ioctl = file_ioctl, .is_text = true };

static MP_DEFINE_CONST_OBJ_TYPE(file_type, MP_QSTR_FileIO, MP_TYPE_FLAG_ITER_IS_STREAM, protocol, &file_stream, locals_dict, &file_locals);
static MP_DEFINE_CONST_OBJ_TYPE(text_type, MP_QSTR_TextIOWrapper, MP_TYPE_FLAG_ITER_IS_STREAM, protocol, &text_stream, locals_dict, &file_locals);

static mp_obj_t file_open(const char *path, int flags, const mp_obj_type_t *type) {
    file_obj_t *self = mp_obj_malloc_with_finaliser(file_obj_t, type);
    self->is_open = false;
    memset(&self->file, 0, sizeof(self->file));
    memset(&self->config, 0, sizeof(self->config));
    self->config.buffer = self->cache;
    check(lfs_file_opencfg(&lfs, &self->file, path, flags, &self->config));
    self->is_open = true;
    return MP_OBJ_FROM_PTR(self);
}

mp_obj_t mp_builtin_open(size_t n_args, const mp_obj_t *args, mp_map_t *kwargs) {
    (void)kwargs;
    const char *path = path_of(args[0]);
    mp_obj_t of_host = imports_open(path);
    if (of_host != MP_OBJ_NULL) {
        return of_host;
    }
    int flags = LFS_O_RDONLY;
    const mp_obj_type_t *type = &text_type;
    for (const char *mode = n_args > 1 ? mp_obj_str_get_str(args[1]) : "r"; *mode; mode++) {
        switch (*mode) {
            case 'w': flags = LFS_O_WRONLY | LFS_O_CREAT | LFS_O_TRUNC; break;
            case 'x': flags = LFS_O_WRONLY | LFS_O_CREAT | LFS_O_EXCL; break;
            case 'a': flags = LFS_O_WRONLY | LFS_O_CREAT | LFS_O_APPEND; break;
            case '+': flags |= LFS_O_RDWR; break;
            case 'b': type = &file_type; break;
        }
    }
    return file_open(path, flags, type);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mp_builtin_open_obj, 1, mp_builtin_open);

// The module os

static mp_obj_t os_stat(mp_obj_t path_in) {
    const char *path = path_of(path_in);
    struct lfs_info info = { .type = LFS_TYPE_DIR };
    if (strcmp(path, "/") != 0 && *path) {
        check(lfs_stat(&lfs, path, &info));
    }
    mp_obj_t items[10];
    for (int i = 0; i < 10; i++) {
        items[i] = MP_OBJ_NEW_SMALL_INT(0);
    }
    items[0] = MP_OBJ_NEW_SMALL_INT(info.type == LFS_TYPE_DIR ? 0x4000 : 0x8000);
    items[6] = MP_OBJ_NEW_SMALL_INT(info.type == LFS_TYPE_DIR ? 0 : info.size);
    return mp_obj_new_tuple(10, items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_stat_obj, os_stat);

static mp_obj_t list(size_t n_args, const mp_obj_t *args, bool names_only) {
    lfs_dir_t dir;
    struct lfs_info info;
    mp_obj_t found = mp_obj_new_list(0, NULL);
    check(lfs_dir_open(&lfs, &dir, n_args ? path_of(args[0]) : "/"));
    int more;
    while ((more = lfs_dir_read(&lfs, &dir, &info)) > 0) {
        if (strcmp(info.name, ".") == 0 || strcmp(info.name, "..") == 0 || strcmp(info.name, FS_NVS) == 0) {
            continue;
        }
        mp_obj_t name = mp_obj_new_str_from_cstr(info.name);
        if (!names_only) {
            mp_obj_t items[] = {
                name, MP_OBJ_NEW_SMALL_INT(info.type == LFS_TYPE_DIR ? 0x4000 : 0x8000), MP_OBJ_NEW_SMALL_INT(0),
                MP_OBJ_NEW_SMALL_INT(info.type == LFS_TYPE_DIR ? 0 : info.size),
            };
            name = mp_obj_new_tuple(4, items);
        }
        mp_obj_list_append(found, name);
    }
    lfs_dir_close(&lfs, &dir);
    check(more);
    return found;
}

static mp_obj_t os_listdir(size_t n_args, const mp_obj_t *args) {
    return list(n_args, args, true);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(os_listdir_obj, 0, 1, os_listdir);

static mp_obj_t os_ilistdir(size_t n_args, const mp_obj_t *args) {
    return mp_getiter(list(n_args, args, false), NULL);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(os_ilistdir_obj, 0, 1, os_ilistdir);

static mp_obj_t os_mkdir(mp_obj_t path) {
    check(lfs_mkdir(&lfs, path_of(path)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_mkdir_obj, os_mkdir);

static mp_obj_t os_remove(mp_obj_t path) {
    check(lfs_remove(&lfs, path_of(path)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_remove_obj, os_remove);

static mp_obj_t os_rename(mp_obj_t from, mp_obj_t to) {
    check(lfs_rename(&lfs, path_of(from), path_of(to)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(os_rename_obj, os_rename);

static mp_obj_t os_statvfs(mp_obj_t path) {
    path_of(path);
    int used = lfs_fs_size(&lfs);
    check(used);
    int n[] = {BLOCK, BLOCK, config.block_count, config.block_count - used, config.block_count - used, 0, 0, 0, 0, LFS_NAME_MAX};
    mp_obj_t items[10];
    for (int i = 0; i < 10; i++) {
        items[i] = MP_OBJ_NEW_SMALL_INT(n[i]);
    }
    return mp_obj_new_tuple(10, items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(os_statvfs_obj, os_statvfs);

static mp_obj_t os_getcwd(void) {
    return MP_OBJ_NEW_QSTR(MP_QSTR__slash_);
}
static MP_DEFINE_CONST_FUN_OBJ_0(os_getcwd_obj, os_getcwd);

static mp_obj_t os_sync(void) {
    return mp_const_none; // every write is through
}
static MP_DEFINE_CONST_FUN_OBJ_0(os_sync_obj, os_sync);

static const mp_rom_map_elem_t os_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_os) },
    { MP_ROM_QSTR(MP_QSTR_stat), MP_ROM_PTR(&os_stat_obj) },
    { MP_ROM_QSTR(MP_QSTR_listdir), MP_ROM_PTR(&os_listdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_ilistdir), MP_ROM_PTR(&os_ilistdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_mkdir), MP_ROM_PTR(&os_mkdir_obj) },
    { MP_ROM_QSTR(MP_QSTR_rmdir), MP_ROM_PTR(&os_remove_obj) },
    { MP_ROM_QSTR(MP_QSTR_remove), MP_ROM_PTR(&os_remove_obj) },
    { MP_ROM_QSTR(MP_QSTR_unlink), MP_ROM_PTR(&os_remove_obj) },
    { MP_ROM_QSTR(MP_QSTR_rename), MP_ROM_PTR(&os_rename_obj) },
    { MP_ROM_QSTR(MP_QSTR_statvfs), MP_ROM_PTR(&os_statvfs_obj) },
    { MP_ROM_QSTR(MP_QSTR_getcwd), MP_ROM_PTR(&os_getcwd_obj) },
    { MP_ROM_QSTR(MP_QSTR_sync), MP_ROM_PTR(&os_sync_obj) },
};
static MP_DEFINE_CONST_DICT(os_globals, os_table);
const mp_obj_module_t os_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&os_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_os, os_module);

// The settings store's files

int fs_take(const char *path, void *buf, size_t size) {
    struct lfs_file_config here = { .buffer = (uint8_t[CACHE]) {0} };
    lfs_file_t file;
    int result = mounted ? lfs_file_opencfg(&lfs, &file, path, LFS_O_RDONLY, &here) : -MP_ENODEV;
    if (result == 0) {
        result = lfs_file_size(&lfs, &file) > (int)size ? -MP_EINVAL : lfs_file_read(&lfs, &file, buf, size);
        lfs_file_close(&lfs, &file);
    }
    return result;
}

int fs_keep(const char *path, const void *buf, size_t size) {
    struct lfs_file_config here = { .buffer = (uint8_t[CACHE]) {0} };
    lfs_file_t file;
    if (mounted) {
        lfs_mkdir(&lfs, FS_NVS);
    }
    int result = mounted ? lfs_file_opencfg(&lfs, &file, FS_NVS "/new", LFS_O_WRONLY | LFS_O_CREAT | LFS_O_TRUNC, &here) : -MP_ENODEV;
    if (result == 0) {
        result = lfs_file_write(&lfs, &file, buf, size);
        int closed = lfs_file_close(&lfs, &file);
        result = result < 0 ? result : closed < 0 ? closed : lfs_rename(&lfs, FS_NVS "/new", path);
    }
    return result;
}

int fs_forget(const char *path) {
    return mounted ? lfs_remove(&lfs, path) : -MP_ENODEV;
}

// For imports

mp_import_stat_t fs_stat(const char *path) {
    struct lfs_info info;
    if (!mounted || lfs_stat(&lfs, path, &info) != 0) {
        return MP_IMPORT_STAT_NO_EXIST;
    }
    return info.type == LFS_TYPE_DIR ? MP_IMPORT_STAT_DIR : MP_IMPORT_STAT_FILE;
}

mp_obj_t fs_open(const char *path) {
    return file_open(path, LFS_O_RDONLY, &file_type);
}

int fs_read(mp_obj_t file, void *buf, size_t n) {
    int error;
    return (int)file_read(file, buf, n, &error);
}
