/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /v1/audit/...: what a verifier takes along. /v1/audit itself is in events.c. */
#include "routes.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

/* A number of the query; 0 if absent and not needed. Answers 400 itself and returns negative. */
static int number(struct request *req, const char *name, bool needed, uint64_t *ret) {
    const char *s = request_query(req, name);

    *ret = 0;
    if ((!s && !needed) || (s && parse_event_id(s, ret) >= 0))
        return 0;
    reply_problem(req, PROBLEM_BAD_REQUEST, "%s= must be a number", name);
    return -EINVAL;
}

static void on_export(struct request *req, sd_bus_message *reply) {
    int fd;

    if (sd_bus_message_read(reply, "h", &fd) < 0) {
        reply_errno(req, -EBADMSG);
        return;
    }
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message owns the other */
    if (fd < 0)
        reply_errno(req, -errno);
    else
        stream_pipe(req, fd, "application/jsonl");
}

static void call(struct request *req, const char *member, uint64_t a, uint64_t b, bool two,
                 void (*on_reply)(struct request *req, sd_bus_message *reply)) {
    sd_bus_message *m;
    int r;

    if (request_call_new(req, member, &m) < 0)
        return;
    r = sd_bus_message_append(m, "t", a);
    if (r >= 0 && two)
        r = sd_bus_message_append(m, "t", b);
    request_call(req, m, r, on_reply);
}

void audit_export(struct request *req) {
    static const char *const known[] = {"from", "to", NULL};
    uint64_t from, to;

    if (request_check_query(req, known) >= 0 && number(req, "from", false, &from) >= 0 && number(req, "to", false, &to) >= 0)
        call(req, "AuditExport", from, to, true, on_export);
}

static void on_proof(struct request *req, sd_bus_message *reply, const char *format, const char *name, bool with_entry) {
    json_object *o = json_object_new_object(), *proof = json_object_new_array();
    const char *s;
    uint64_t n = 0;
    int r = 0;

    (void)parse_event_id(request_query(req, name) ?: "0", &n);
    json_object_object_add(o, "format", json_object_new_string(format));
    json_object_object_add(o, name, json_object_new_uint64(n));
    if (with_entry) {
        r = sd_bus_message_read(reply, "s", &s);
        if (r >= 0)
            json_object_object_add(o, "entry", json_object_new_string(s));
    }
    json_object_object_add(o, "proof", proof);
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(reply, "s", &s)) > 0)
        json_object_array_add(proof, json_object_new_string(s));
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &s);
    if (r < 0) {
        json_object_put(o);
        reply_errno(req, r);
        return;
    }
    json_object_object_add(o, "checkpoint", json_object_new_string(s));
    reply_json(req, MHD_HTTP_OK, o);
}

static void on_inclusion(struct request *req, sd_bus_message *reply) {
    on_proof(req, reply, "cvmd-audit-inclusion-1", "index", true);
}

static void on_consistency(struct request *req, sd_bus_message *reply) {
    on_proof(req, reply, "cvmd-audit-consistency-1", "old", false);
}

void audit_inclusion(struct request *req) {
    static const char *const known[] = {"index", NULL};
    uint64_t index;

    if (request_check_query(req, known) >= 0 && number(req, "index", true, &index) >= 0)
        call(req, "AuditInclusion", index, 0, false, on_inclusion);
}

/* A method that cvmd answers to everybody: the gateway has looked at the role. */
static void call_public(struct request *req, const char *member, const uint64_t *argument,
                        void (*on_reply)(struct request *req, sd_bus_message *reply)) {
    sd_bus_message *m;
    int r = sd_bus_message_new_method_call(req->rest->bus, &m, CVMD_NAME, CVMD_PATH, "org.cvmd1.Audit", member);

    if (r < 0) {
        reply_errno(req, r);
        return;
    }
    if (argument)
        r = sd_bus_message_append(m, "t", *argument);
    request_call(req, m, r, on_reply);
}

void audit_consistency(struct request *req) {
    static const char *const known[] = {"old", NULL};
    uint64_t old;

    if (request_check_query(req, known) >= 0 && number(req, "old", true, &old) >= 0)
        call_public(req, "ProveConsistency", &old, on_consistency);
}

static void on_text(struct request *req, sd_bus_message *reply, const char *name) {
    json_object *o;
    const char *s;

    if (sd_bus_message_read(reply, "s", &s) < 0) {
        reply_errno(req, -EBADMSG);
        return;
    }
    o = json_object_new_object();
    json_object_object_add(o, name, json_object_new_string(s));
    reply_json(req, MHD_HTTP_OK, o);
}

static void on_key(struct request *req, sd_bus_message *reply) {
    on_text(req, reply, "key");
}

static void on_checkpoint(struct request *req, sd_bus_message *reply) {
    on_text(req, reply, "checkpoint");
}

void audit_key(struct request *req) {
    call_public(req, "Key", NULL, on_key);
}

void audit_checkpoint(struct request *req) {
    call_public(req, "Checkpoint", NULL, on_checkpoint);
}
