/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "roles.h"

#include <errno.h>
#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

static const char *const roles[ROLE_MAX] = {
    [ROLE_NONE] = "none",
    [ROLE_VIEWER] = "viewer",
    [ROLE_OPERATOR] = "operator",
    [ROLE_ADMIN] = "admin",
};

static const struct {
    const char *name;
    enum role least;
} permissions[PERMISSION_MAX] = {
    [PERMISSION_READ] = {"read", ROLE_VIEWER},        [PERMISSION_AUDIT] = {"audit", ROLE_VIEWER},
    [PERMISSION_CONTROL] = {"control", ROLE_OPERATOR}, [PERMISSION_CONSOLE] = {"console", ROLE_OPERATOR},
    [PERMISSION_REPORT] = {"report", ROLE_OPERATOR},   [PERMISSION_DEFINE] = {"define", ROLE_ADMIN},
    [PERMISSION_IMAGES] = {"images", ROLE_ADMIN},      [PERMISSION_CLIENTS] = {"clients", ROLE_ADMIN},
    [PERMISSION_HOST] = {"host", ROLE_ADMIN},
};

const char *role_to_string(enum role r) {
    return r < ROLE_MAX ? roles[r] : NULL;
}

int role_from_string(const char *s) {
    for (int i = ROLE_VIEWER; i < ROLE_MAX; i++)
        if (strcmp(s, roles[i]) == 0)
            return i;
    return -EINVAL;
}

const char *permission_to_string(enum permission p) {
    return p < PERMISSION_MAX ? permissions[p].name : NULL;
}

int permission_from_string(const char *s) {
    for (int i = 0; i < PERMISSION_MAX; i++)
        if (strcmp(s, permissions[i].name) == 0)
            return i;
    return -EINVAL;
}

bool grant_allows(enum role role, const char *pattern, enum permission p, const char *machine) {
    if (p >= PERMISSION_MAX || role == ROLE_NONE || role < permissions[p].least)
        return false;
    if (machine)
        return fnmatch(pattern, machine, 0) == 0;
    return p == PERMISSION_READ || strcmp(pattern, "*") == 0;
}

bool pattern_is_valid(const char *s) {
    size_t n = strlen(s);

    if (n < 1 || n > 128)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] <= 0x20 || s[i] >= 0x7f || s[i] == ',')
            return false;
    return true;
}
