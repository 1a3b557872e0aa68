/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

CVM_DEFINE_CLEANUP(DIR *, closedir)

/* libvirt starts QEMU with "-uuid UUID"; the arguments end in NUL each. */
static bool has_uuid(const char *args, size_t size, const char *uuid) {
    static const char flag[] = "-uuid";
    bool next = false;

    for (size_t i = 0; i < size;) {
        const char *arg = args + i;
        size_t n = strnlen(arg, size - i);

        if (i + n == size)
            break; /* cut off */
        if (next && strcmp(arg, uuid) == 0)
            return true;
        next = strcmp(arg, flag) == 0;
        i += n + 1;
    }
    return false;
}

static bool is_qemu_of(pid_t pid, const char *uuid) {
    static char args[16384];
    char path[32];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, args, sizeof(args));
    close(fd);
    return n > 0 && has_uuid(args, (size_t)n, uuid);
}

static pid_t find(const char *uuid) {
    _cleanup_(closedirp) DIR *d = opendir("/proc");
    struct dirent *de;

    while (d && (de = readdir(d))) {
        pid_t pid = (pid_t)atoi(de->d_name);

        if (isdigit((unsigned char)de->d_name[0]) && is_qemu_of(pid, uuid))
            return pid;
    }
    return 0;
}

int usage_parse_stat(const char *line, uint64_t hz, uint64_t page_size, struct usage *ret) {
    uint64_t user, system, pages;
    const char *p = strrchr(line, ')'); /* the name may hold anything */

    if (!p || sscanf(p + 1,
                     " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64
                     " %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
                     &user, &system, &pages) != 3)
        return -EBADMSG;
    ret->cpu_nsec = (user + system) * (1000000000u / hz);
    ret->resident = pages * page_size;
    return 0;
}

int usage_read(const char *uuid, pid_t *pid, struct usage *ret) {
    _cleanup_free_ char *line = NULL;
    char path[32];
    int r;

    *ret = (struct usage){0};
    if (!*pid || !is_qemu_of(*pid, uuid))
        *pid = find(uuid);
    if (!*pid)
        return -ESRCH;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)*pid);
    r = read_line_file(path, &line);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    return usage_parse_stat(line, (uint64_t)sysconf(_SC_CLK_TCK), (uint64_t)sysconf(_SC_PAGESIZE), ret);
}
