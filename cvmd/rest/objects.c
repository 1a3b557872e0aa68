/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /v1/images, /v1/operations, /v1/host */
#include "fields.h"
#include "mirror.h"
#include "routes.h"
#include "upload.h"

#include <errno.h>
#include <string.h>

static const char *member(json_object *o, const char *name) {
    json_object *v = NULL;

    return json_object_object_get_ex(o, name, &v) && v ? json_object_get_string(v) : NULL;
}

static void reply_object(struct request *req, struct object *o) {
    reply_shared(req, MHD_HTTP_OK, o->response);
}

static void on_operation(struct request *req, sd_bus_message *reply) {
    const char *kind, *id;

    if (sd_bus_message_read(reply, "ss", &kind, &id) < 0)
        reply_errno(req, -EBADMSG);
    else
        reply_accepted(req, kind, id, NULL);
}

/* --- images --- */

static bool image_wanted(struct request *req, json_object *o) {
    const char *kind = request_query(req, "kind"), *is = member(o, "kind");

    return !kind || (is && strcmp(kind, is) == 0);
}

void images_list(struct request *req) {
    static const char *const known[] = {"limit", "cursor", "kind", NULL}, *const kinds[] = {"kernel", "initrd", "cmdline", "disk", NULL};

    if (request_check_query(req, known) >= 0 && request_check_value(req, "kind", kinds) >= 0)
        mirror_page(req, CLASS_IMAGE, "images", image_wanted);
}

void image_get(struct request *req) {
    struct object *o;
    int r = mirror_get(req, CLASS_IMAGE, req->params[0], &o);

    if (r == -ENOENT)
        reply_problem(req, PROBLEM_NO_SUCH_IMAGE, "there is no image %.96s", req->params[0]);
    else if (r > 0)
        reply_object(req, o);
}

void image_delete(struct request *req) {
    sd_bus_message *m;
    int r;

    if (request_call_new(req, "DeleteImage", &m) < 0)
        return;
    r = request_append_key(req, m);
    if (r >= 0)
        r = sd_bus_message_append(m, "s", req->params[0]);
    request_call(req, m, r, on_operation);
}

void images_collect(struct request *req) {
    sd_bus_message *m;
    int r;

    if (request_call_new(req, "CollectImages", &m) < 0)
        return;
    r = request_append_key(req, m);
    request_call(req, m, r, on_operation);
}

void images_upload(struct request *req) {
    static const char *const known[] = {"name", "kind", "digest", NULL};
    const char *name = request_query(req, "name"), *kind = request_query(req, "kind"), *digest = request_query(req, "digest");
    sd_bus_message *m;
    int r;

    if (request_check_query(req, known) < 0)
        return;
    if (!name || !kind || !digest || parse_digest(digest) < 0) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "name=, kind= and digest= (SHA-384, 96 lower-case hexadecimal digits) are needed");
        return;
    }
    if (!req->upload || upload_size(req->upload) == 0) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "the body is empty");
        return;
    }
    if (strcmp(digest, upload_digest(req->upload)) != 0) {
        reply_problem(req, PROBLEM_DIGEST_MISMATCH, "the %llu bytes that came have the digest %s",
                      (unsigned long long)upload_size(req->upload), upload_digest(req->upload));
        return;
    }
    if (request_call_new(req, "ImportImage", &m) < 0)
        return;
    r = request_append_key(req, m);
    if (r >= 0)
        r = sd_bus_message_append(m, "sshs", name, kind, upload_fd(req->upload), digest);
    request_call(req, m, r, on_operation);
}

/* --- operations --- */

/* Those of a machine are for who may see the machine; those of none, for every role. */
static bool may_see(struct request *req, json_object *o) {
    return access_allows(req->peer->access, PERMISSION_READ, member(o, "machine"));
}

static bool operation_wanted(struct request *req, json_object *o) {
    const char *machine = request_query(req, "machine"), *state = request_query(req, "state"), *kind = request_query(req, "kind");
    const char *is = member(o, "machine");

    return may_see(req, o) && (!machine || (is && strcmp(is, machine) == 0)) &&
           (!state || strcmp(state, member(o, "state")) == 0) && (!kind || strcmp(kind, member(o, "kind")) == 0);
}

void operations_list(struct request *req) {
    static const char *const known[] = {"limit", "cursor", "machine", "state", "kind", NULL},
                            *const states[] = {"pending", "running", "done", "failed", "cancelled", NULL},
                            *const kinds[] = {"launch", "define", "set", "start", "stop", "kill", "pause", "resume", "reboot", "delete",
                                              "import-image", "delete-image", "collect-images", NULL};

    if (request_check_query(req, known) >= 0 && request_check_value(req, "state", states) >= 0 &&
        request_check_value(req, "kind", kinds) >= 0)
        mirror_page(req, CLASS_OPERATION, "operations", operation_wanted);
}

static void no_operation(struct request *req) {
    reply_problem(req, PROBLEM_NO_SUCH_OPERATION, "there is no operation %.64s", req->params[0]);
}

void operation_get(struct request *req) {
    struct object *o;
    int r = mirror_get(req, CLASS_OPERATION, req->params[0], &o);

    if (r == -ENOENT)
        no_operation(req);
    else if (r > 0 && !may_see(req, o->json))
        access_deny(req, PERMISSION_READ, member(o->json, "machine"));
    else if (r > 0)
        reply_object(req, o);
}

static void on_cancelled(struct request *req, sd_bus_message *reply) {
    (void)reply;
    reply_accepted(req, "cancel", req->params[0], NULL);
}

void operation_cancel(struct request *req) {
    sd_bus_message *m;
    int r;

    if (request_call_new(req, "Cancel", &m) < 0)
        return;
    r = sd_bus_message_append(m, "s", req->params[0]);
    request_call(req, m, r, on_cancelled);
}

/* --- host --- */

static void on_host(struct request *req, sd_bus_message *reply) {
    json_object *o;
    int r = fields_read(reply, host_fields, &o, NULL);

    if (r < 0)
        reply_errno(req, r);
    else
        reply_json(req, MHD_HTTP_OK, o);
}

void host_get(struct request *req) {
    sd_bus_message *m;
    int r;

    r = sd_bus_message_new_method_call(req->rest->bus, &m, CVMD_NAME, "/org/cvmd1/host", "org.freedesktop.DBus.Properties",
                                       "GetAll");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", "org.cvmd1.Host");
    if (r < 0)
        reply_errno(req, r);
    else
        request_call(req, m, 0, on_host);
}

void host_endorsement(struct request *req) {
    sd_bus_message *m;

    if (request_call_new(req, "Endorsement", &m) >= 0)
        request_call(req, m, 0, reply_document);
}

/* The body is the challenge: what is in it concerns cvmd alone. */
void host_activate(struct request *req) {
    _cleanup_json_ json_object *o = NULL;
    sd_bus_message *m;
    int r;

    if (request_json(req, NULL, &o) < 0 || request_call_new(req, "ActivateCredential", &m) < 0)
        return;
    r = sd_bus_message_append(m, "s", req->body);
    request_call(req, m, r, reply_document);
}

void host_reload(struct request *req) {
    sd_bus_message *m;

    if (request_call_new(req, "Reload", &m) >= 0)
        request_call(req, m, 0, reply_done);
}
