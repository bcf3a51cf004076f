// rom.bin, which build.py makes: for each file its name and a zero, its size as u32, little-endian, and its bytes.

#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"
#include "rom.h"

__asm__ (
    ".pushsection .rodata.rom, \"a\"\n"
    "rom_files: .incbin \"rom.bin\"\n"
    "rom_files_end:\n"
    ".popsection\n");
extern const uint8_t rom_files[], rom_files_end[];

mp_import_stat_t rom_stat(const char *path) {
    size_t n = strlen(path);
    for (const uint8_t *at = rom_files; at < rom_files_end;) {
        const char *name = (const char *)at;
        if (strncmp(name, path, n) == 0 && (name[n] == 0 || name[n] == '/')) {
            return name[n] == 0 ? MP_IMPORT_STAT_FILE : MP_IMPORT_STAT_DIR;
        }
        at += strlen(name) + 1;
        uint32_t size;
        memcpy(&size, at, 4);
        at += 4 + size;
    }
    return MP_IMPORT_STAT_NO_EXIST;
}

void rom_read(mp_reader_t *reader, const char *path) {
    for (const uint8_t *at = rom_files; at < rom_files_end;) {
        bool is_it = strcmp((const char *)at, path) == 0;
        at += strlen((const char *)at) + 1;
        uint32_t size;
        memcpy(&size, at, 4);
        if (is_it) {
            mp_reader_new_mem(reader, at + 4, size, MP_READER_IS_ROM);
            return;
        }
        at += 4 + size;
    }
    mp_raise_OSError(MP_ENOENT);
}
