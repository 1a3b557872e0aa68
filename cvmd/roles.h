/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Roles of the gateway's clients: what each lets its bearer do, on which machines. Pure; cvmd decides with it, and
 * the gateway uses it to leave out of its lists what a client may not see.
 */
#ifndef CVMD_ROLES_H
#define CVMD_ROLES_H

#include <stdbool.h>

enum role {
    ROLE_NONE,
    ROLE_VIEWER,   /* reads */
    ROLE_OPERATOR, /* and starts, stops, reads consoles, asks for reports */
    ROLE_ADMIN,    /* and defines, changes, deletes, images, clients */
    ROLE_MAX,
};
const char *role_to_string(enum role r);
int role_from_string(const char *s); /* or -EINVAL; "none" is no role to give */

enum permission {
    PERMISSION_READ,    /* machines, operations, images, host */
    PERMISSION_AUDIT,   /* events of machines that the pattern covers; with "*", of the host too */
    PERMISSION_CONTROL, /* start, stop, kill, pause, resume, reboot, cancel */
    PERMISSION_CONSOLE,
    PERMISSION_REPORT,
    PERMISSION_DEFINE, /* create, change, delete */
    PERMISSION_IMAGES, /* import, delete */
    PERMISSION_CLIENTS,
    PERMISSION_HOST, /* the configuration, the TPM */
    PERMISSION_MAX,
};
const char *permission_to_string(enum permission p);
int permission_from_string(const char *s); /* or -EINVAL */

/**
 * grant_allows - whether a role on machines that match a pattern is enough
 * @pattern: fnmatch(3) pattern of machine names
 * @machine: name; NULL: about no machine. Then reading needs any role, all else one on "*".
 */
bool grant_allows(enum role role, const char *pattern, enum permission p, const char *machine);

/* 1 to 128 visible ASCII characters without ',' */
bool pattern_is_valid(const char *s);

#endif
