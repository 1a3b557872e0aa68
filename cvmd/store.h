/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * State that survives cvmd: machines, operations and the audit log, in SQLite. One writer, one thread. A
 * function that changes something returns after it is durable, unless it is part of a transaction.
 */
#ifndef CVMD_STORE_H
#define CVMD_STORE_H

#include "attest/util.h"

#include <sqlite3.h>

struct store;

/* The statements that lead from schema version i to i + 1. */
extern const char *const store_migrations[];
extern const unsigned store_schema_version;

/**
 * store_open - open the database, create it or bring it to this version's schema
 *
 * Returns 0; -EPROTO: written by a newer cvmd; -EBADMSG: no database; -EIO, -EACCES, -ENOMEM.
 */
int store_open(const char *path, struct store **ret, struct cvm_error *e);
void store_close(struct store *s);
CVM_DEFINE_CLEANUP(struct store *, store_close)

/* A row of the table of machines. Strings are the caller's when written, the store's when read. */
struct store_machine {
    const char *name;
    const char *uuid;
    const char *state;
    const char *reason; /* or NULL */
    int protected;
    uint64_t memory; /* bytes */
    uint32_t vcpus;
    const char *backing;
    const char *cmdline; /* or NULL */
    int has_initrd;
    const char *launch_digest;                          /* hexadecimal, or NULL */
    uint64_t created, started, ended;                   /* microseconds since 1970, 0 = never */
    const char *description, *labels, *network, *disks; /* as in machine.h, or NULL */
    const char *kernel_image, *initrd_image;            /* digests, or NULL */
    int autostart, restart_due, changed;
    const char *restart;
    uint64_t cpu_shares;
    uint32_t cpu_quota, io_weight;
};

/* Insert or replace by name. */
int store_put_machine(struct store *s, const struct store_machine *m);
int store_delete_machine(struct store *s, const char *name);
/* Calls @fn for each, by name, until it returns non-zero; returns that. */
int store_each_machine(struct store *s, int (*fn)(void *userdata, const struct store_machine *m),
                       void *userdata);

struct store_audit {
    uint64_t id;                /* set by the store: from 1, without gaps */
    uint64_t time;              /* microseconds since 1970 */
    const char *source;         /* "cvmd" or "rootvisor" */
    const char *machine, *uuid; /* or NULL */
    const char *event;          /* a word: "launch", "vm-stopped", ... */
    uint32_t reason;            /* enum cvm_reason */
    const char *message;        /* for people */
    const char *who;            /* who asked, or NULL */
    const char *boot_id;        /* of the host, for RootVisor's events */
    uint64_t seq;               /* RootVisor's number, 0 for cvmd's own events */
    uint64_t arg[2];
    const void *raw; /* what RootVisor gave (attest/audit-entry.h), or NULL */
    size_t raw_size;
};

/*
 * The log is a database of its own beside the store's (audit-log.h): no transaction of the store holds it. An entry
 * that is appended within one is committed with it, in the table audit_owed, and goes to the log behind the commit;
 * what a kill or a power loss kept out of the log is appended when the store is opened.
 */
struct audit_log;
struct audit_log *store_audit_log(struct store *s);
/* Appends; an event of RootVisor that is there already is left alone (returns 0, else 1). Within a transaction: only
 * events of cvmd's own. */
int store_append_audit(struct store *s, const struct store_audit *a);
/* Several, all or none, not within a transaction. How many came in. */
int store_append_audits(struct store *s, const struct store_audit *a, size_t n);
/* Makes the log durable and forgets what was kept for it: when nobody waits. */
int store_settle_audit(struct store *s);
bool store_is_settled(const struct store *s);
/* Room for the next commits, likewise. */
void store_make_room(struct store *s);
/* Events with id > @after, at most @limit (0: all), oldest first; only of @machine unless NULL. */
int store_each_audit(struct store *s, uint64_t after, const char *machine, uint32_t limit,
                     int (*fn)(void *userdata, const struct store_audit *a), void *userdata);
/* Highest sequence number of RootVisor's events of one boot, 0 if none. */
int store_last_seq(struct store *s, const char *boot_id, uint64_t *ret);

/* A row of the table of operations; see operation.h. */
struct store_operation {
    const char *id, *kind, *state;
    const char *machine; /* or NULL */
    uint64_t done, total;
    const char *unit;
    const char *error, *message; /* or NULL */
    const char *result;          /* JSON object, or NULL */
    const char *who;
    uint64_t created, started, ended;
};

/* Insert or replace by id. */
int store_put_operation(struct store *s, const struct store_operation *o);
int store_delete_operation(struct store *s, const char *id);
/* By id, so by time; as store_each_machine(). */
int store_each_operation(struct store *s, int (*fn)(void *userdata, const struct store_operation *o),
                         void *userdata);

struct store_image {
    const char *digest, *name, *kind;
    uint64_t size, created;
};

int store_put_image(struct store *s, const struct store_image *i);
int store_delete_image(struct store *s, const char *digest);
/* By digest; as store_each_machine(). */
int store_each_image(struct store *s, int (*fn)(void *userdata, const struct store_image *i), void *userdata);

/* One word that cvmd remembers. @ret: the caller frees; -ENOENT. */
int store_get_value(struct store *s, const char *key, char **ret);
int store_set_value(struct store *s, const char *key, const char *value);

/* A client of the gateway, or a token to become one (then @id is the token's SHA-256); see clients.h. */
struct store_client {
    const char *id, *name, *role, *pattern;
    uint64_t created, expires; /* microseconds since 1970; 0: never */
};

/* Insert or replace by id. */
int store_put_client(struct store *s, const struct store_client *c);
/* The number of rows deleted, or a negative errno. */
int store_delete_client(struct store *s, const char *id);
/* Calls @fn for the one of that id, or for each by age. How many there were, or a negative errno. */
int store_get_client(struct store *s, const char *id, int (*fn)(void *userdata, const struct store_client *c), void *userdata);
int store_each_client(struct store *s, int (*fn)(void *userdata, const struct store_client *c), void *userdata);
int store_put_token(struct store *s, const struct store_client *c);
int store_get_token(struct store *s, const char *id, int (*fn)(void *userdata, const struct store_client *c), void *userdata);
int store_delete_token(struct store *s, const char *id);
int store_expire_tokens(struct store *s, uint64_t before);

/* What became of a request with an Idempotency-Key. */
struct store_key {
    const char *client, *key, *digest; /* @digest: of the request */
    const char *kind, *operation;
    uint64_t created;
};
/* -EEXIST: the client used the key before. */
int store_put_key(struct store *s, const struct store_key *k);
/* Calls @fn; returns what it returns if that is not 0, else 1; 0 if there is no such key. */
int store_get_key(struct store *s, const char *client, const char *key,
                  int (*fn)(void *userdata, const struct store_key *k), void *userdata);
int store_expire_keys(struct store *s, uint64_t before);

/* Highest id of the audit log, 0 if it is empty. */
int store_last_audit(struct store *s, uint64_t *ret);

/* Transactions nest: the outermost one counts. A commit that fails has undone everything. */
int store_begin(struct store *s);
/* Its commit is safe from a kill of cvmd, but from a power loss only after store_sync() or the next commit. */
int store_begin_relaxed(struct store *s);
int store_sync(struct store *s);
int store_commit(struct store *s);
int store_rollback(struct store *s);

#endif
