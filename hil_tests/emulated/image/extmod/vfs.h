// MicroPython's VFS is not in the source distribution. Files are fs.c's.
