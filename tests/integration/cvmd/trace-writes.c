/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LD_PRELOAD: records what a program does to the files below $TRACE_ROOT, in order, in the file $TRACE_LOG: a line
 * "OP NANOSECONDS PATH ARGUMENT LENGTH", then LENGTH bytes. NANOSECONDS of CLOCK_MONOTONIC: of an fsync when it begins.
 * Writes to memory maps are not seen: SQLite's -shm, which is worth nothing after a power loss. While there is a file
 * $TRACE_FAIL, an fsync of a file fails whose name ends in what stands in it: EIO. While there
 * is a file $TRACE_HOLD, nothing goes that cvmd has put aside to be removed: who would remove it waits.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void raw(const void *p, size_t n) {
    const char *s = p;

    while (n) {
        ssize_t k = syscall(SYS_write, log_fd, s, n);

        if (k <= 0)
            _exit(99); /* a trace with a hole proves nothing */
        s += k;
        n -= (size_t)k;
    }
}

static int inside(const char *path) {
    const char *root = getenv("TRACE_ROOT");

    return root && strncmp(path, root, strlen(root)) == 0 && path[strlen(root)] == '/';
}

static void record(const char *op, const char *path, long long argument, const void *data, size_t n) {
    char line[PATH_MAX + 128];
    struct timespec ts;

    if (!inside(path))
        return;
    pthread_mutex_lock(&lock);
    if (log_fd < 0) {
        const char *log = getenv("TRACE_LOG");

        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_fd < 0)
            _exit(99);
    }
    clock_gettime(CLOCK_MONOTONIC, &ts);
    snprintf(line, sizeof(line), "%s %lld %s %lld %zu\n", op, ts.tv_sec * 1000000000ll + ts.tv_nsec,
             path + strlen(getenv("TRACE_ROOT")) + 1, argument, n);
    raw(line, strlen(line));
    raw(data, n);
    pthread_mutex_unlock(&lock);
}

static void record_fd(const char *op, int fd, long long argument, const void *data, size_t n) {
    char link[64], path[PATH_MAX];
    ssize_t k;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    k = readlink(link, path, sizeof(path) - 1);
    if (k <= 0)
        return;
    path[k] = 0;
    record(op, path, argument, data, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    ssize_t r = REAL(pwrite)(fd, p, n, at);

    if (r > 0)
        record_fd("write", fd, at, p, (size_t)r);
    return r;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    ssize_t r = REAL(pwrite64)(fd, p, n, at);

    if (r > 0)
        record_fd("write", fd, at, p, (size_t)r);
    return r;
}

ssize_t write(int fd, const void *p, size_t n) {
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t r = REAL(write)(fd, p, n);

    if (r > 0 && at >= 0)
        record_fd("write", fd, at, p, (size_t)r);
    return r;
}

int ftruncate(int fd, off_t n) {
    int r = REAL(ftruncate)(fd, n);

    if (r == 0)
        record_fd("truncate", fd, n, "", 0);
    return r;
}

int ftruncate64(int fd, off64_t n) {
    int r = REAL(ftruncate64)(fd, n);

    if (r == 0)
        record_fd("truncate", fd, n, "", 0);
    return r;
}

/* What stdio writes does not pass here: a small file is recorded as it is when it is made durable. */
static void snapshot(int fd) {
    static char buf[65536];
    char link[64];
    struct stat st;
    int in;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)sizeof(buf))
        return;
    in = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    if (in < 0)
        return;
    if (syscall(SYS_read, in, buf, (size_t)st.st_size) == st.st_size)
        record_fd("snapshot", fd, 0, buf, (size_t)st.st_size);
    close(in);
}

static int is_to_fail(int fd) {
    const char *fail = getenv("TRACE_FAIL");
    char link[64], path[PATH_MAX], end[64];
    ssize_t k, n = 0;
    int in = fail ? (int)syscall(SYS_openat, AT_FDCWD, fail, O_RDONLY | O_CLOEXEC) : -1;

    if (in < 0)
        return 0;
    n = syscall(SYS_read, in, end, sizeof(end));
    close(in);
    if (n <= 0)
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    k = readlink(link, path, sizeof(path) - 1);
    if (k < n || memcmp(path + k - n, end, (size_t)n) != 0)
        return 0;
    errno = EIO;
    return 1;
}

int fsync(int fd) {
    if (is_to_fail(fd))
        return -1;
    snapshot(fd);
    record_fd("sync", fd, 0, "", 0);
    return REAL(fsync)(fd);
}

int fdatasync(int fd) {
    if (is_to_fail(fd))
        return -1;
    snapshot(fd);
    record_fd("sync", fd, 0, "", 0);
    return REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to) {
    int r = REAL(rename)(from, to);

    if (r == 0 && inside(to))
        record("rename", from, 0, to + strlen(getenv("TRACE_ROOT")) + 1,
               strlen(to) - strlen(getenv("TRACE_ROOT")) - 1);
    return r;
}

static void hold(const char *path) {
    const char *file = getenv("TRACE_HOLD");

    while (file && strstr(path, "/.deleted-") && syscall(SYS_faccessat, AT_FDCWD, file, F_OK) == 0)
        usleep(10000);
}

int unlink(const char *path) {
    int r;

    hold(path);
    r = REAL(unlink)(path);

    if (r == 0)
        record("unlink", path, 0, "", 0);
    return r;
}

int rmdir(const char *path) {
    int r = REAL(rmdir)(path);

    if (r == 0)
        record("rmdir", path, 0, "", 0);
    return r;
}

int unlinkat(int fd, const char *name, int flags) {
    char link[64], path[PATH_MAX], whole[2 * PATH_MAX];
    ssize_t k;
    int r;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    k = readlink(link, path, sizeof(path) - 1);
    path[k > 0 ? k : 0] = 0;
    hold(path);
    r = REAL(unlinkat)(fd, name, flags);
    if (r == 0 && k > 0) {
        snprintf(whole, sizeof(whole), "%s/%s", path, name);
        record("unlink", whole, 0, "", 0);
    }
    return r;
}

int mkdir(const char *path, mode_t mode) {
    int r = REAL(mkdir)(path, mode);

    if (r == 0)
        record("mkdir", path, mode, "", 0);
    return r;
}

static void opened(int fd, const char *path, int flags) {
    if (fd >= 0 && flags & (O_CREAT | O_TRUNC))
        record(flags & O_TRUNC ? "trunc-open" : "create", path, 0, "", 0);
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    va_list ap;
    int fd;

    va_start(ap, flags);
    if (flags & O_CREAT)
        mode = va_arg(ap, mode_t);
    va_end(ap);
    fd = REAL(open)(path, flags, mode);
    opened(fd, path, flags);
    return fd;
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    va_list ap;
    int fd;

    va_start(ap, flags);
    if (flags & O_CREAT)
        mode = va_arg(ap, mode_t);
    va_end(ap);
    fd = REAL(open64)(path, flags, mode);
    opened(fd, path, flags);
    return fd;
}
