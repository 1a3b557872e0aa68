/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gateway's clients: who is one, what he may do, how he becomes one. A client is a certificate ("cert:SHA256") or
 * a local user ("uid:N"); root is an administrator without being written down.
 */
#ifndef CVMD_CLIENTS_H
#define CVMD_CLIENTS_H

#include "roles.h"
#include "store.h"
#include "util.h"

struct ca;
struct manager;

#define TOKEN_LIFETIME_MAX (30u * 86400u) /* seconds */

struct client {
    char id[128];
    char name[64];
    enum role role; /* ROLE_NONE: not a client */
    char pattern[129];
    uint64_t revision; /* another one after each change; 0: not written down */
};

/* Who @id is. 0, -EINVAL for what is no id, or an errno of the store. */
int client_find(struct manager *m, const char *id, struct client *ret);
/* In words, for the audit log. */
char *client_describe(const struct client *c);

/**
 * client_authorize - whether a client may
 * @machine: name, or NULL
 * @what: for the audit log, such as the name of a method
 *
 * Returns 0, or negative with @error set to org.cvmd1.Error.Denied: then it has been written down.
 */
int client_authorize(struct manager *m, const char *id, enum permission p, const char *machine, const char *what,
                     struct client *ret, sd_bus_error *error);

/* A one-time token; @token is base64url of 32 bytes, the caller frees. The store has only its digest. */
int client_create_token(struct manager *m, const char *name, const char *role, const char *pattern, uint32_t lifetime,
                        const char *who, char **token, uint64_t *expires, sd_bus_error *error);
/* A certificate for a token, which is spent thereby. */
int client_enrol(struct manager *m, const char *token, const char *csr, char **certificate, char id[72],
                 sd_bus_error *error);
/* A local user, or a certificate of another authority; replaces what was said of it. @revision: Changed unless that is
 * what stands; 0: any, or none. */
int client_add(struct manager *m, const char *id, const char *name, const char *role, const char *pattern, uint64_t revision,
               const char *who, sd_bus_error *error);
int client_remove(struct manager *m, const char *id, uint64_t revision, const char *who, sd_bus_error *error);

/* cvmd's authority, made at the first use. */
int clients_authority(struct manager *m, struct ca **ret, sd_bus_error *error);

#endif
