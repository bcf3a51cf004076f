#ifndef FS_H
#define FS_H

#include <stddef.h>

#define FS_NVS ".nvs" // where the settings store lies; os shows it to nobody

void fs_init(void);  // after a hard reset: the flash's bytes
void fs_start(void); // of each interpreter: mount, formatting a blank flash
int fs_take(const char *path, void *buf, size_t size);       // a small file whole; its size or a negative errno
int fs_keep(const char *path, const void *buf, size_t size); // written beside and put in its place at once
int fs_forget(const char *path);
const char *option(const char *name, const char *otherwise); // of the command line

#endif
