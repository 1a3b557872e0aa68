/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files.h"

#include "log.h"
#include "manager.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK (1u << 20)
#define HEAD_SIZE 65536u

/* A machine's directory is flat. */
static int empty_directory(const char *path) {
    struct dirent *de;
    DIR *d;
    int r = 0;

    d = opendir(path);
    if (!d)
        return errno == ENOENT ? 0 : -errno;
    while ((de = readdir(d)))
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 &&
            unlinkat(dirfd(d), de->d_name, 0) < 0)
            r = -errno;
    closedir(d);
    return r;
}

static int remove_directory(const char *path) {
    int r = empty_directory(path);

    if (rmdir(path) < 0 && errno != ENOENT)
        r = -errno;
    return r;
}

int files_make_directory(const char *path, struct cvm_error *e) {
    int r = empty_directory(path);

    if (r >= 0 && mkdir(path, 0711) < 0 && errno != EEXIST)
        r = -errno;
    if (r >= 0 && chmod(path, 0711) < 0) /* whatever the umask */
        r = -errno;
    return r < 0 ? cvm_error_set(e, r, "cannot make the directory %s: %s", path, strerror(-r)) : 0;
}

static int copy(int in, int out, uint64_t max, uint64_t *ret) {
    _cleanup_free_ char *buf = malloc(CHUNK);
    uint64_t n = 0;

    if (!buf)
        return -ENOMEM;
    for (;;) {
        ssize_t k = pread(in, buf, CHUNK, (off_t)n);
        size_t done = 0;

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        if (k == 0)
            break;
        n += (uint64_t)k;
        if (n > max)
            return -EFBIG;
        while (done < (size_t)k) {
            ssize_t w = write(out, buf + done, (size_t)k - done);

            if (w < 0 && errno == EINTR)
                continue;
            if (w < 0)
                return -errno;
            done += (size_t)w;
        }
    }
    *ret = n;
    return 0;
}

int files_copy(int fd, const char *to, const char *what, uint64_t max, struct cvm_error *e) {
    _cleanup_close_ int out = -1;
    uint64_t size = 0;
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return cvm_error_set(e, -errno, "%s cannot be looked at: %s", what, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return cvm_error_set(e, -EINVAL, "%s is not a regular file", what);
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return cvm_error_set(e, -errno, "cannot create %s: %s", to, strerror(errno));
    r = copy(fd, out, max, &size);
    if (r == -EFBIG)
        return cvm_error_set(e, r, "%s has more than the %llu MiB allowed", what,
                             (unsigned long long)(max >> 20));
    if (r < 0)
        return cvm_error_set(e, r, "cannot copy %s to %s: %s", what, to, strerror(-r));
    return size ? 0 : cvm_error_set(e, -EINVAL, "%s is empty", what);
}

int files_read_head(const char *path, void **ret, size_t *size, struct cvm_error *e) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_free_ uint8_t *buf = malloc(HEAD_SIZE);
    size_t n = 0;

    if (fd < 0)
        return cvm_error_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
    if (!buf)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    while (n < HEAD_SIZE) {
        ssize_t k = pread(fd, buf + n, HEAD_SIZE - n, (off_t)n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return cvm_error_set(e, -errno, "cannot read %s: %s", path, strerror(errno));
        if (k == 0)
            break;
        n += (size_t)k;
    }
    *size = n;
    *ret = TAKE_PTR(buf);
    return 0;
}

void files_remove_machine(const struct machine *m) {
    _cleanup_free_ char *path = NULL;
    int r = machine_file(m, "", &path);

    if (r >= 0)
        r = remove_directory(path);
    if (r < 0)
        log_warning("The files of machine '%s' cannot be removed: %s", m->name, strerror(-r));
}

void files_remove_strays(struct manager *m) {
    _cleanup_free_ char *machines = NULL;
    struct dirent *de;
    DIR *d;

    if (asprintf(&machines, "%s/machines", m->config->state_directory) < 0)
        return;
    d = opendir(machines);
    if (!d)
        return;
    while ((de = readdir(d))) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (de->d_name[0] == '.' || manager_find(m, de->d_name) ||
            asprintf(&path, "%s/%s", machines, de->d_name) < 0)
            continue;
        r = remove_directory(path);
        if (r < 0)
            log_warning("%s belongs to no machine and cannot be removed: %s", path, strerror(-r));
    }
    closedir(d);
}
