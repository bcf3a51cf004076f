#ifndef FS_H
#define FS_H

#include <stdbool.h>
#include <stddef.h>

#include "py/builtin.h"

#define FS_NVS ".nvs" // where the settings store lies; os shows it to nobody

void fs_init(void);  // after a hard reset: the flash's bytes
#define FS_PARTITIONS (1664 * 1024) // at the end of the flash: journal, config and relay, as on the boards

bool fs_program(size_t at, const void *buf, size_t n, bool erase); // bytes of the chip: erased to FF, programmed from 1 to 0
size_t fs_partitions(void); // where they begin; 0: there is no room for them
void fs_start(void); // of each interpreter: mount, formatting a blank flash
int fs_take(const char *path, void *buf, size_t size);       // a small file whole; its size or a negative errno
int fs_keep(const char *path, const void *buf, size_t size); // written beside and put in its place at once
int fs_forget(const char *path);
mp_import_stat_t fs_stat(const char *path);
mp_obj_t fs_open(const char *path); // for reading; OSError
int fs_read(mp_obj_t file, void *buf, size_t n);
mp_obj_t imports_open(const char *path); // a file of the host, if it is one below /host (imports.c)
const char *option(const char *name, const char *otherwise); // of the command line

#endif
