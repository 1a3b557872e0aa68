/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files.h"

#include "log.h"
#include "manager.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
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
            unlinkat(dirfd(d), de->d_name, 0) < 0 && errno != ENOENT)
            r = -errno;
    closedir(d);
    return r;
}

int files_remove_directory(const char *path) {
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

static int write_all(int fd, const char *buf, size_t size, uint64_t at) {
    size_t done = 0;

    /* A hole for what is zero: disks are mostly empty. */
    if (buf[0] == 0 && memcmp(buf, buf + 1, size - 1) == 0)
        return 0;
    while (done < size) {
        ssize_t n = pwrite(fd, buf + done, size - done, (off_t)(at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

static int copy(int in, int out, uint64_t max, const struct files_watch *watch, uint64_t *ret) {
    _cleanup_free_ char *buf = malloc(CHUNK);
    uint64_t n = 0;
    int r;

    if (!buf)
        return -ENOMEM;
    for (;;) {
        ssize_t k = pread(in, buf, CHUNK, (off_t)n);

        if (watch && watch->cancel && *watch->cancel)
            return -ECANCELED;
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        if (k == 0)
            break;
        if (n + (uint64_t)k > max)
            return -EFBIG;
        if (watch && watch->hash && EVP_DigestUpdate(watch->hash, buf, (size_t)k) != 1)
            return -EIO;
        r = write_all(out, buf, (size_t)k, n);
        if (r < 0)
            return r;
        n += (uint64_t)k;
        if (watch && watch->done)
            *watch->done += (uint64_t)k;
    }
    *ret = n;
    return ftruncate(out, (off_t)n) < 0 || fsync(out) < 0 ? -errno : 0;
}

uint64_t files_size(int fd) {
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

int files_sync_directory(const char *path) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_parent(const char *path) {
    _cleanup_free_ char *parent = strdup(path);

    if (!parent)
        return -ENOMEM;
    *strrchr(parent, '/') = 0;
    return files_sync_directory(parent);
}

int files_copy(int fd, const char *to, const char *what, uint64_t max, const struct files_watch *watch,
               uint64_t *size, struct cvm_error *e) {
    _cleanup_free_ char *temporary = NULL;
    _cleanup_close_ int out = -1;
    uint64_t n = 0;
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return cvm_error_set(e, -errno, "%s cannot be looked at: %s", what, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return cvm_error_set(e, -EINVAL, "%s is not a regular file", what);
    if (asprintf(&temporary, "%s.new", to) < 0)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    if (unlink(temporary) < 0 && errno != ENOENT)
        return cvm_error_set(e, -errno, "cannot replace %s: %s", temporary, strerror(errno));
    out = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return cvm_error_set(e, -errno, "cannot create %s: %s", temporary, strerror(errno));
    r = copy(fd, out, max, watch, &n);
    if (r >= 0 && n == 0)
        r = -ENODATA;
    if (r >= 0 && rename(temporary, to) < 0)
        r = -errno;
    if (r >= 0)
        r = sync_parent(to);
    if (r < 0)
        unlink(temporary);
    if (r == -EFBIG)
        return cvm_error_set(e, r, "%s has more than the %llu MiB allowed", what,
                             (unsigned long long)(max >> 20));
    if (r == -ENODATA)
        return cvm_error_set(e, -EINVAL, "%s is empty", what);
    if (r == -ECANCELED)
        return cvm_error_set(e, r, "cancelled by request");
    if (r < 0)
        return cvm_error_set(e, r, "cannot copy %s to %s: %s", what, to, strerror(-r));
    if (size)
        *size = n;
    return 0;
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
        r = files_remove_directory(path);
    if (r < 0)
        log_warning("The files of machine '%s' cannot be removed: %s", m->name, strerror(-r));
}

/* Names with a dot first are no machine's: the next start removes what is left. */
int files_set_aside(const struct machine *m, char **aside) {
    _cleanup_free_ char *path = NULL;
    int r = machine_file(m, "", &path);

    if (r < 0)
        return r;
    if (asprintf(aside, "%s/machines/.deleted-%s", m->manager->config->state_directory, m->uuid) < 0)
        return -ENOMEM;
    return rename(path, *aside) < 0 && errno != ENOENT ? -errno : 0;
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

        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 || manager_find(m, de->d_name) ||
            asprintf(&path, "%s/%s", machines, de->d_name) < 0)
            continue;
        r = files_remove_directory(path);
        if (r < 0)
            log_warning("%s belongs to no machine and cannot be removed: %s", path, strerror(-r));
    }
    closedir(d);
}
