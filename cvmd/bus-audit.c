/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Audit on /org/cvmd1: what a verifier of the audit log needs. ReadAudit of the Manager lists it. */
#include "audit-log.h"
#include "bus.h"
#include "inbox.h"
#include "log.h"
#include "manager.h"
#include "polkit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int failed(sd_bus_error *error, int r) {
    return sd_bus_error_setf(error, BUS_ERROR_STORE, "the audit log cannot be read: %s", strerror(-r));
}

static struct audit_log *log_of(struct manager *m) {
    return store_audit_log(m->store);
}

/* Public, as a checkpoint tells nothing but a size and a hash. */
static int method_checkpoint(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *note = NULL;
    int r;

    audit_anchor(userdata);
    r = audit_log_checkpoint(log_of(userdata), &note, NULL);
    return r < 0 ? failed(error, r) : sd_bus_reply_method_return(call, "s", note);
}

static int method_key(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *key = cvm_note_key_format(audit_log_key(log_of(userdata)));

    (void)error;
    return key ? sd_bus_reply_method_return(call, "s", key) : -ENOMEM;
}

struct export {
    char *path, *note;
    uint64_t from, to, size;
    int fd;
};

static void export_free(struct export *x) {
    close(x->fd);
    free(x->path);
    free(x->note);
    free(x);
}

static int export_work(void *data) {
    struct export *x = data;

    return audit_log_export(x->path, x->from, x->to, x->note, x->size, x->fd);
}

static void export_done(void *data, int r) {
    if (r < 0 && r != -EPIPE)
        log_error("An export of the audit log broke off: %s", strerror(-r));
    export_free(data);
}

/* The file comes through a pipe, out of a thread: it may be large and its reader slow. */
int bus_audit_export(struct manager *m, uint64_t from, uint64_t to, int *ret, sd_bus_error *error) {
    _cleanup_close_ int fd = -1;
    struct export *x;
    int r, fds[2];

    audit_anchor(m);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return sd_bus_error_set_errno(error, -errno);
    fd = fds[0];
    x = calloc(1, sizeof(*x));
    if (!x) {
        close(fds[1]);
        return -ENOMEM;
    }
    x->fd = fds[1];
    x->path = strdup(audit_log_path(log_of(m)));
    r = x->path ? audit_log_checkpoint(log_of(m), &x->note, &x->size) : -ENOMEM;
    x->from = from;
    x->to = to && to < x->size ? to : x->size;
    if (r >= 0 && x->from > x->to) {
        r = sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "the log has %llu entries, none from %llu on",
                              (unsigned long long)x->to, (unsigned long long)x->from);
        export_free(x);
        return r;
    }
    if (r >= 0)
        r = inbox_run(m->inbox, export_work, export_done, x);
    if (r < 0) {
        export_free(x);
        return failed(error, r);
    }
    *ret = fd;
    fd = -1;
    return 0;
}

static int method_export(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    _cleanup_close_ int fd = -1;
    struct manager *m = userdata;
    uint64_t from, to;
    int r;

    r = sd_bus_message_read(call, "tt", &from, &to);
    if (r < 0)
        return r;
    r = polkit_authorize(call, m, POLKIT_AUDIT, NULL, method_export, m, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = bus_audit_export(m, from, to, &fd, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "h", fd);
}

static int append_proof(sd_bus_message *reply, const uint8_t proof[][CVM_HASH_SIZE], int n) {
    int r = sd_bus_message_open_container(reply, 'a', "s");

    for (int i = 0; r >= 0 && i < n; i++) {
        char hex[2 * CVM_HASH_SIZE + 1];

        r = sd_bus_message_append(reply, "s", cvm_hex_encode(proof[i], CVM_HASH_SIZE, hex));
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_audit_prove(sd_bus_message *call, struct manager *m, uint64_t index, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_free_ char *note = NULL, *line = NULL;
    uint8_t proof[CVM_MERKLE_PROOF_MAX][CVM_HASH_SIZE];
    uint64_t size;
    int r, n;

    r = audit_log_checkpoint(log_of(m), &note, &size);
    if (r < 0)
        return failed(error, r);
    n = audit_log_prove_inclusion(log_of(m), index, size, proof);
    if (n == -EINVAL)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "there is no entry %llu, the log has %llu",
                                 (unsigned long long)index, (unsigned long long)size);
    r = n < 0 ? n : audit_log_entry(log_of(m), index, &line);
    if (r < 0)
        return failed(error, r);
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_append(reply, "s", line);
    if (r >= 0)
        r = append_proof(reply, (const uint8_t(*)[CVM_HASH_SIZE])proof, n);
    if (r >= 0)
        r = sd_bus_message_append(reply, "s", note);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_prove(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    uint64_t index;
    int r = sd_bus_message_read(call, "t", &index);

    if (r < 0)
        return r;
    r = polkit_authorize(call, userdata, POLKIT_AUDIT, NULL, method_prove, userdata, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    return bus_audit_prove(call, userdata, index, error);
}

static int method_consistency(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_free_ char *note = NULL;
    uint8_t proof[CVM_MERKLE_PROOF_MAX][CVM_HASH_SIZE];
    uint64_t old, size;
    int r, n;

    r = sd_bus_message_read(call, "t", &old);
    if (r < 0)
        return r;
    r = audit_log_checkpoint(log_of(userdata), &note, &size);
    if (r < 0)
        return failed(error, r);
    n = audit_log_prove_consistency(log_of(userdata), old, size, proof);
    if (n == -EINVAL)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "the log has %llu entries, there is no size %llu",
                                 (unsigned long long)size, (unsigned long long)old);
    if (n < 0)
        return failed(error, n);
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = append_proof(reply, (const uint8_t(*)[CVM_HASH_SIZE])proof, n);
    if (r >= 0)
        r = sd_bus_message_append(reply, "s", note);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

const sd_bus_vtable bus_audit_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Checkpoint", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", note), method_checkpoint,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Key", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", key), method_key, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Export", SD_BUS_ARGS("t", from, "t", to), SD_BUS_RESULT("h", file), method_export,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ProveInclusion", SD_BUS_ARGS("t", index),
                            SD_BUS_RESULT("s", entry, "as", proof, "s", checkpoint), method_prove,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ProveConsistency", SD_BUS_ARGS("t", old), SD_BUS_RESULT("as", proof, "s", checkpoint),
                            method_consistency, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};
