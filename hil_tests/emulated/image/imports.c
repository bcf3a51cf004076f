// Where modules come from: littlefs (fs.c), read-only memory (rom.c), and a folder of the host below /host, whose files may be
// opened too.

#include <string.h>

#include "py/builtin.h"
#include "py/lexer.h"
#include "py/mperrno.h"
#include "py/reader.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "board.h"
#include "fs.h"
#include "rom.h"

#define HOST_PREFIX "/host/"
#define RAW (1024) // of a reader

static bool of_host(const char *path, char *there) {
    const char *folder = option("host", NULL);
    if (folder == NULL || strncmp(path, HOST_PREFIX, sizeof(HOST_PREFIX) - 1) != 0 || strlen(folder) + strlen(path) > 500) {
        return false;
    }
    strcpy(there, folder);
    strcat(there, path + sizeof(HOST_PREFIX) - 2);
    return true;
}

// Of the host's folder: all of it at once, to be read as bytes.
mp_obj_t imports_open(const char *path) {
    char there[512];
    if (!of_host(path, there)) {
        return MP_OBJ_NULL;
    }
    int file = host_open(there, 1);
    if (file == -1) {
        mp_raise_OSError(MP_ENOENT);
    }
    vstr_t bytes;
    vstr_init_len(&bytes, host_length(file));
    int n = host_read(file, bytes.buf, bytes.len);
    host_close(file);
    if (n != (int)bytes.len) {
        mp_raise_OSError(MP_EIO);
    }
    return mp_call_function_1(MP_OBJ_FROM_PTR(&mp_type_bytesio), mp_obj_new_bytes_from_vstr(&bytes));
}

mp_import_stat_t mp_import_stat(const char *path) {
    if (strncmp(path, ROM_FOLDER "/", sizeof(ROM_FOLDER)) == 0) {
        return rom_stat(path + sizeof(ROM_FOLDER));
    }
    char there[512];
    if (of_host(path, there)) {
        int file = host_open(there, 1);
        if (file == -1) {
            return MP_IMPORT_STAT_NO_EXIST;
        }
        host_close(file);
        const char *name = strrchr(path, '/'); // the host opens folders too; ours have no dot in their names
        return strchr(name, '.') ? MP_IMPORT_STAT_FILE : MP_IMPORT_STAT_DIR;
    }
    return fs_stat(path);
}

typedef struct {
    int host; // -1: of littlefs
    mp_obj_t object;
    int n, at;
    uint8_t bytes[RAW];
} reader_t;

static mp_uint_t reader_byte(void *data) {
    reader_t *self = data;
    if (self->at == self->n) {
        self->at = 0;
        self->n = self->host != -1 ? host_read(self->host, self->bytes, RAW) : fs_read(self->object, self->bytes, RAW);
        if (self->n <= 0) {
            self->n = 0;
            return MP_READER_EOF;
        }
    }
    return self->bytes[self->at++];
}

static void reader_close(void *data) {
    reader_t *self = data;
    if (self->host != -1) {
        host_close(self->host);
    } else {
        mp_stream_close(self->object);
    }
    m_del_obj(reader_t, self);
}

void mp_reader_new_file(mp_reader_t *reader, qstr name) {
    if (strncmp(qstr_str(name), ROM_FOLDER "/", sizeof(ROM_FOLDER)) == 0) {
        rom_read(reader, qstr_str(name) + sizeof(ROM_FOLDER));
        return;
    }
    char there[512];
    reader_t *self = m_new_obj(reader_t);
    self->host = -1;
    self->n = self->at = 0;
    if (of_host(qstr_str(name), there)) {
        self->host = host_open(there, 1);
        if (self->host == -1) {
            mp_raise_OSError(MP_ENOENT);
        }
    } else {
        self->object = fs_open(qstr_str(name));
    }
    reader->data = self;
    reader->readbyte = reader_byte;
    reader->close = reader_close;
}

mp_lexer_t *mp_lexer_new_from_file(qstr name) {
    mp_reader_t reader;
    mp_reader_new_file(&reader, name);
    return mp_lexer_new(name, reader);
}
