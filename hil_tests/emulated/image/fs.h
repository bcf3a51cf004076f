#ifndef FS_H
#define FS_H

void fs_init(void);  // after a hard reset: the flash's bytes
void fs_start(void); // of each interpreter: mount, formatting a blank flash
const char *option(const char *name, const char *otherwise); // of the command line

#endif
