/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded: kills its process before the KILL_ATth call that changes files. Children are left alone (their environment is
 * made anew by cvmctl). */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void count(void) {
    static unsigned long n, at;

    if (!at)
        at = strtoul(getenv("KILL_AT") ?: "0", NULL, 10);
    if (++n == at)
        kill(getpid(), SIGKILL);
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

int open64(const char *path, int flags, ...) {
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (flags & O_CREAT)
        count();
    return REAL(int, "open64", const char *, int, mode_t)(path, flags, mode);
}
ssize_t write(int fd, const void *p, size_t n) {
    count();
    return REAL(ssize_t, "write", int, const void *, size_t)(fd, p, n);
}
int fsync(int fd) {
    count();
    return REAL(int, "fsync", int)(fd);
}
int fchmod(int fd, mode_t mode) {
    count();
    return REAL(int, "fchmod", int, mode_t)(fd, mode);
}
int rename(const char *from, const char *to) {
    count();
    return REAL(int, "rename", const char *, const char *)(from, to);
}
int unlink(const char *path) {
    count();
    return REAL(int, "unlink", const char *)(path);
}
int mkdir(const char *path, mode_t mode) {
    count();
    return REAL(int, "mkdir", const char *, mode_t)(path, mode);
}
int rmdir(const char *path) {
    count();
    return REAL(int, "rmdir", const char *)(path);
}
pid_t fork(void) {
    count();
    return REAL(pid_t, "fork", void)();
}
