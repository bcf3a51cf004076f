// Modules in read-only memory, as a board has them frozen into its firmware: their bytecode is run where it lies.
#ifndef ROM_H
#define ROM_H

#include "py/builtin.h"
#include "py/reader.h"

#define ROM_FOLDER "/rom"

mp_import_stat_t rom_stat(const char *path);              // below that folder
void rom_read(mp_reader_t *reader, const char *path);     // OSError when there is none

#endif
