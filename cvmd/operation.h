/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations: what takes longer than a moment. One is written to the store before anything is done for it,
 * and ends in the store as done, failed or cancelled; what a restart of cvmd interrupts is resumed or fails
 * with that reason. Ended ones are kept for OperationKeepSec= of cvmd.conf(5).
 */
#ifndef CVMD_OPERATION_H
#define CVMD_OPERATION_H

#include "util.h"

#include <json-c/json.h>

enum operation_kind {
    OPERATION_LAUNCH, /* define and start */
    OPERATION_DEFINE,
    OPERATION_SET,
    OPERATION_START,
    OPERATION_STOP,
    OPERATION_KILL,
    OPERATION_PAUSE,
    OPERATION_RESUME,
    OPERATION_REBOOT,
    OPERATION_DELETE,
    OPERATION_IMPORT_IMAGE,
    OPERATION_DELETE_IMAGE,
    OPERATION_COLLECT_IMAGES,
    OPERATION_KIND_MAX,
};
const char *operation_kind_to_string(enum operation_kind k);
int operation_kind_from_string(const char *s); /* or -EINVAL */

enum operation_state {
    OPERATION_PENDING, /* recorded, nothing done yet */
    OPERATION_RUNNING,
    OPERATION_DONE,
    OPERATION_FAILED,
    OPERATION_CANCELLED,
    OPERATION_STATE_MAX,
};
const char *operation_state_to_string(enum operation_state s);
int operation_state_from_string(const char *s); /* or -EINVAL */

struct manager;

struct operation {
    struct manager *manager;
    char id[UUID_STRING_MAX]; /* version 7: by time, ascending */
    enum operation_kind kind;
    enum operation_state state;
    char *machine;                    /* name, or NULL */
    char *who;                        /* who asked */
    uint64_t done, total;             /* progress, in @unit; total 0: not known */
    const char *unit;                 /* "bytes", "pages", "steps"; constant, or "" */
    char *error, *message;            /* D-Bus error name and text; or NULL */
    json_object *result;              /* strings and unsigned numbers by name; or NULL */
    uint64_t created, started, ended; /* microseconds since 1970, 0 = not yet */
    uint64_t told;                    /* CLOCK_MONOTONIC of the last progress signal */
    bool dirty;                       /* the store lags behind */
    bool saving;                      /* in the change that is open (change.h) */
    bool held; /* somebody works for it: not true of what a restart left, until taken up */

    /* Set by who works for it, if it can be stopped half-way: asks the work to end, which then calls
     * operation_cancelled(). */
    void (*cancel)(struct operation *op, void *userdata);
    void *cancel_data;
};

static inline bool operation_is_active(const struct operation *op) {
    return op->state == OPERATION_PENDING || op->state == OPERATION_RUNNING;
}

/* Whoever cancels it must be allowed to define the machine, not only to control it. */
static inline bool operation_defines(const struct operation *op) {
    return op->kind == OPERATION_LAUNCH || op->kind == OPERATION_SET || op->kind == OPERATION_DELETE;
}

/**
 * operation_new - record an operation, durably
 * @machine: name, or NULL
 * @who: in words, for the record
 * @ret: owned by the manager; valid while it is active and OperationKeepSec= longer
 *
 * Returns 0 or a negative errno of the store with @error set: then nothing may be begun.
 */
int operation_new(struct manager *m, enum operation_kind kind, const char *machine, const char *who,
                  struct operation **ret, sd_bus_error *error);
/* Pending to running. */
void operation_begin(struct operation *op);
/* Told on the bus at most ten times a second. @unit: constant. */
void operation_progress(struct operation *op, uint64_t done, uint64_t total, const char *unit);
void operation_result_string(struct operation *op, const char *key, const char *value);
void operation_result_u64(struct operation *op, const char *key, uint64_t value);

/* The three ends. Nothing happens if @op is NULL or has ended. */
void operation_done(struct operation *op);
void operation_fail(struct operation *op, const char *error, const char *message);
/* What is said where the store took nothing; @r: its negative errno. Returns @text. */
#define STORE_FAILURE_TEXT_MAX 128
const char *store_failure_text(int r, char text[static STORE_FAILURE_TEXT_MAX]);
/* Fails with that. */
void operation_fail_store(struct operation *op, int r);
void operation_cancelled(struct operation *op);
/* Its end did not become durable: it runs on, and ends otherwise. Nothing if @op is NULL. */
void operation_undone(struct operation *op);

/**
 * operation_cancel - ask an operation to end
 *
 * Returns 0: it will end soon, as cancelled unless it was done before; negative with @error set: it has ended
 * (NotRunning), or is past the point where it can be undone (NotCancellable).
 */
int operation_cancel(struct operation *op, const char *who, sd_bus_error *error);

/* As if it had never been; nothing if @op is NULL. */
void operation_forget(struct operation *op);

struct operation *manager_find_operation(struct manager *m, const char *id);
/* The active one of a machine of one kind, or of any kind (OPERATION_KIND_MAX). */
struct operation *manager_machine_operation(struct manager *m, const char *machine, enum operation_kind kind);
/* Reads all from the store. */
int operations_load(struct manager *m);
/* What a restart left active and nobody took up has failed. */
void operations_settle(struct manager *m);
/* Forget what ended long ago; write what could not be written. */
void operations_tidy(struct manager *m);
void operations_free(struct manager *m);

int operation_path(const struct operation *op, char **ret);

#endif
