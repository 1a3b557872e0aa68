/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "atomic.h"

#include "cvmctl.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64u << 20)

static int sync_directory_of(const char *path) {
    char copy[PATH_MAX];
    int fd, r;

    if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
        return -ENAMETOOLONG;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

bool atomic_is(const char *path, const void *p, size_t size, mode_t mode) {
    _cleanup_free_ void *old = NULL;
    size_t n = 0;
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == size &&
           (st.st_mode & 07777) == mode && cvm_read_file(path, FILE_MAX, &old, &n, NULL) == 0 && n == size &&
           memcmp(old, p, n) == 0;
}

static int write_whole(int fd, const void *p, size_t n) {
    int r = cvm_write_all(fd, p, n);

    return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

int atomic_write(const char *path, const void *p, size_t size, mode_t mode, bool *changed,
                 struct cvm_error *e) {
    char tmp[PATH_MAX];
    int fd, r;

    if (atomic_is(path, p, size, mode))
        return 0;
    /* One fixed name: what a kill leaves is overwritten by the next run. grub-mkconfig skips it as no script
     * of its. */
    if ((size_t)snprintf(tmp, sizeof(tmp), "%s.cvmd-new", path) >= sizeof(tmp))
        return cvm_error_set(e, -ENAMETOOLONG, "the path '%s' is too long", path);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cvm_error_set(e, -errno, "cannot create '%s': %s", tmp, strerror(errno));
    r = write_whole(fd, p, size);
    if (r == 0 && fchmod(fd, mode) < 0)
        r = -errno;
    close(fd);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        return cvm_error_set(e, r, "cannot write '%s': %s", path, strerror(-r));
    }
    if (changed)
        *changed = true;
    r = sync_directory_of(path);
    return r < 0 ? cvm_error_set(e, r, "'%s' is not durable: %s", path, strerror(-r)) : 0;
}

int atomic_remove(const char *path, bool *changed, struct cvm_error *e) {
    char tmp[PATH_MAX];
    int r;

    if ((size_t)snprintf(tmp, sizeof(tmp), "%s.cvmd-new", path) < sizeof(tmp))
        unlink(tmp);
    if (unlink(path) < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : cvm_error_set(e, -errno, "cannot remove '%s': %s", path, strerror(errno));
    if (changed)
        *changed = true;
    r = sync_directory_of(path);
    return r < 0 ? cvm_error_set(e, r, "the removal of '%s' is not durable: %s", path, strerror(-r)) : 0;
}

int atomic_mkdir(const char *path, struct cvm_error *e) {
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return cvm_error_set(e, -errno, "cannot create '%s': %s", path, strerror(errno));
    return 0;
}
