/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a key broker keeps, in one directory (0700) of the tenant's:
 *
 *   policy.json                       what evidence must meet (policy.h), reference values included
 *   sign.key                          PEM, signs verdicts and the log
 *   tls.key, tls.crt                  PEM, of the server
 *   revoked.json                      hosts and versions that get nothing any more; may be absent
 *   enrolment.pub, enrolments/NAME    key that signed them, and records of hosts' TPMs; may be absent
 *   resources/REPO/TYPE/TAG.json      who gets that key
 *   resources/REPO/TYPE/TAG.key       the key, 1 to CVM_KEY_MAX bytes, wrapped if the store has a wrapping key, a token or Vault
 *   resources/REPO/TYPE/TAG.instances the VMs that got it, 32 bytes each, oldest first
 *   resources/REPO/TYPE/TAG.rollback  the highest rollback counter that got it, for each launch measurement; JSON
 *   resources/REPO/TYPE/TAG.mark      the disk's generation, if its key goes out with one (cvm/disk-mark.h); JSON
 *   log.jws                           releases and refusals, each line signed and chained to the one before
 */
#ifndef CVM_ATTEST_BROKER_STORE_H
#define CVM_ATTEST_BROKER_STORE_H

#include <pthread.h>
#include <time.h>

#include "broker-lease.h"
#include "broker-wrap.h"
#include "enrolment.h"
#include "group-commit.h"
#include "cvm/key.h"
#include "cvm/report.h"
#include "policy.h"
#include "verdict.h"

#define CVM_BROKER_WARNINGS 8
#define CVM_BROKER_ENROLMENTS 256
#define CVM_BROKER_LEASE 3600 /* seconds, if the resource says nothing */
#define CVM_BROKER_LOG_TYPE "vnd.cvmd.broker-event+json"

struct cvm_broker_store {
    char *directory;
    struct cvm_policy policy;
    struct cvm_enrolment *enrolment;
    unsigned nr_enrolment;
    EVP_PKEY *signing_key;
    uint8_t point[65]; /* of the signing key */
    bool wrapped;
    uint8_t wrap_key[CVM_BROKER_WRAP_KEY];
    struct cvm_leases *leases;      /* as the log has them */
    struct cvm_broker_token *token; /* the caller's; set after opening, in place of a wrapping key */
    pthread_mutex_t files_lock; /* of resources' instances and rollback counters */
    pthread_mutex_t log_lock; /* of what follows: lines are made one after the other */
    int log;
    uint64_t log_next; /* sequence number of the next line */
    uint8_t log_head[32];
    struct cvm_commit log_commit; /* broken: nothing more is logged, so nothing more is released */
};

/* What a VM's rollback counter (cvm/counter.h) means for a resource. */
enum cvm_broker_rollback {
    CVM_BROKER_ROLLBACK_REFUSE,  /* no lower one, no other epoch, and none without where there was one */
    CVM_BROKER_ROLLBACK_REQUIRE, /* nor ever one without */
    CVM_BROKER_ROLLBACK_ALLOW,   /* any; what comes is what counts from then on */
};

/* What a guest is told of its disk's age, behind the key (cvm/disk-mark.h). */
enum cvm_broker_mark {
    CVM_BROKER_MARK_NONE,   /* nothing: the key goes out as it is */
    CVM_BROKER_MARK_REFUSE, /* the disk must carry the mark of the start before */
    CVM_BROKER_MARK_ALLOW,  /* any disk; it is marked from then on */
};

struct cvm_broker_resource {
    char name[CVM_BROKER_NAME_SIZE];
    bool has_policy;
    struct cvm_policy policy; /* in force beside the store's own */
    unsigned nr_accepted;
    char accepted[CVM_BROKER_WARNINGS][48]; /* codes of warnings that are no refusal */
    unsigned lease;                         /* seconds */
    bool any_instance;                      /* a VM that a later one replaced may have it, too */
    enum cvm_broker_rollback rollback;
    enum cvm_broker_mark mark; /* not with any_instance */
};

/* What the log tells of one event. Strings may be NULL. */
struct cvm_broker_event {
    const char *event; /* "attested", "released", "refused", "lease-expired" */
    const char *resource, *peer, *code, *detail;
    const struct cvm_report *report; /* NULL: none that was genuine */
    unsigned lease;                  /* seconds, of a key that was released; 0: none */
    uint64_t generation;             /* of the VM among those that got this resource; 0: none */
    uint64_t disk_generation;        /* told behind the key; 0: none */
    time_t now;
};

/**
 * cvm_broker_store_open - read a broker's directory, check its log to the end
 * @wrap_key: CVM_BROKER_WRAP_KEY bytes, or NULL if keys lie bare
 * @ret:      filled; cvm_broker_store_close() also after a failure
 *
 * Returns 0; -EPERM if the directory or a key can be read by others; -EBADMSG if the log was changed; what
 * reading files returns.
 */
int cvm_broker_store_open(const char *directory, const uint8_t *wrap_key, struct cvm_broker_store *ret,
                          struct cvm_error *e);
void cvm_broker_store_close(struct cvm_broker_store *s);

/* "REPO/TYPE/TAG", each of letters, digits, '.', '_', '-', not beginning with '.'. */
bool cvm_broker_name_ok(const char *name);

/**
 * cvm_broker_resource_load - the conditions of a resource
 *
 * Returns 0; -ENOENT if there is none of that name; -EINVAL if its file is malformed.
 */
int cvm_broker_resource_load(const struct cvm_broker_store *s, const char *name, struct cvm_broker_resource *ret,
                             struct cvm_error *e);

/* Its key: CVM_KEY_MAX bytes at most. -EBADMSG: not wrapped with this store's key for this name; -EAGAIN: who has that key cannot be asked now. */
int cvm_broker_key_load(const struct cvm_broker_store *s, const char *name, uint8_t *key, size_t *size,
                        struct cvm_error *e);

/* Writes a resource: its key, wrapped if the store has a wrapping key, and its conditions. */
int cvm_broker_resource_save(const struct cvm_broker_store *s, const struct cvm_broker_resource *r,
                             const char *policy_path, const void *key, size_t size, struct cvm_error *e);

/*
 * A disk that lost what a release must remember tells so once, and then has it in memory as if nothing had been: if @r is -EIO, nothing
 * is logged and so nothing released any more. Returns @r.
 */
int cvm_broker_lost(struct cvm_broker_store *s, int r);

/**
 * cvm_broker_instance - which of the VMs that got a resource is this?
 * @ret: its generation, from 1: what comes later has a greater one. Never goes back, whatever the host restores
 *
 * A VM is known by its Guardian's key-agreement key, made when it was protected. One that was not seen before is the newest, and
 * that is on the disk when this returns.
 * Returns 0 if it is the newest; 1 if a later one has been here; a negative errno.
 */
int cvm_broker_instance(struct cvm_broker_store *s, const char *name, const struct cvm_report *report, uint64_t *ret,
                        struct cvm_error *e);

/**
 * cvm_broker_rollback - does a report's rollback counter stand against the release?
 * @code: "rollback.old", "rollback.epoch" or "rollback.missing" if so, with words in @e
 *
 * If not, it is remembered, on the disk when this returns. Returns 0; 1: refused; a negative errno: nothing may be released.
 */
int cvm_broker_rollback(struct cvm_broker_store *s, const char *name, const struct cvm_report *report,
                        enum cvm_broker_rollback rule, const char **code, struct cvm_error *e);

/* Its name in a resource's file, and back: -EINVAL. */
const char *cvm_broker_rollback_to_string(enum cvm_broker_rollback rule);
int cvm_broker_rollback_from_string(const char *name, enum cvm_broker_rollback *ret);

/**
 * cvm_broker_mark - put behind a key what its guest must know of the disk's age
 * @start:      of the VM, from cvm_broker_instance()
 * @rule:       CVM_BROKER_MARK_REFUSE or CVM_BROKER_MARK_ALLOW
 * @key, @size: the key, of CVM_KEY_MAX bytes of room; struct cvm_disk_mark is behind it then, and counted
 * @generation: filled: of this start, from 1
 *
 * A VM that had no key before is the next generation, on the disk when this returns; the same VM is told the same again.
 * Returns 0; 1 if a later VM has been here; -EMSGSIZE: the key has more than CVM_DISK_MARK_KEY_MAX bytes; a negative errno: nothing may be released.
 */
int cvm_broker_mark(struct cvm_broker_store *s, const char *name, const struct cvm_report *report, uint64_t start,
                    enum cvm_broker_mark rule, uint8_t *key, size_t *size, uint64_t *generation, struct cvm_error *e);

/* Its name in a resource's file, and back: -EINVAL. */
const char *cvm_broker_mark_to_string(enum cvm_broker_mark rule);
int cvm_broker_mark_from_string(const char *name, enum cvm_broker_mark *ret);

/**
 * cvm_broker_revoked - is this host or version on the list?
 * @code, @why: filled if so
 *
 * Returns 1, 0, or a negative errno if the list cannot be read: then nothing may be released.
 */
int cvm_broker_revoked(const struct cvm_broker_store *s, const struct cvm_report *report, const char **code,
                       struct cvm_error *why);

/*
 * Appends to the log; it is on the disk when this returns 0, "attested" with the next line or cvm_broker_log_sync(). Threads that wait
 * for the disk share the way there (group-commit.h).
 * -EIO if it could not be brought there: from then on nothing can be, until the store is opened again.
 */
int cvm_broker_log(struct cvm_broker_store *s, const struct cvm_broker_event *event);
int cvm_broker_log_sync(struct cvm_broker_store *s);

#endif
