/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /v1/machines */
#include "body.h"
#include "fields.h"
#include "mirror.h"
#include "routes.h"

#include "attest/json.h"
#include "cvm/key.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_MAX (64u << 20)

static const char *member(json_object *o, const char *name) {
    json_object *v = NULL;

    return json_object_object_get_ex(o, name, &v) && v ? json_object_get_string(v) : "";
}

static bool machine_wanted(struct request *req, json_object *o) {
    const char *state = request_query(req, "state"), *name = request_query(req, "name"),
               *protection = request_query(req, "protection");

    return access_allows(req->peer->access, PERMISSION_READ, member(o, "name")) &&
           (!state || strcmp(state, member(o, "state")) == 0) && (!name || fnmatch(name, member(o, "name"), 0) == 0) &&
           (!protection || strcmp(protection, member(o, "protection")) == 0);
}

void machines_list(struct request *req) {
    static const char *const known[] = {"limit", "cursor", "state", "name", "protection", NULL},
                            *const states[] = {"starting", "running", "paused", "stopping", "stopped", "failed", NULL},
                            *const levels[] = {"none", "pending", "protected", NULL};

    if (request_check_query(req, known) >= 0 && request_check_value(req, "state", states) >= 0 &&
        request_check_value(req, "protection", levels) >= 0)
        mirror_page(req, CLASS_MACHINE, "machines", machine_wanted);
}

/* Returns 1, or 0 when the request waits or has been answered. */
static int get(struct request *req, struct object **ret) {
    int r = mirror_get(req, CLASS_MACHINE, req->params[0], ret);

    if (r == -ENOENT)
        reply_problem(req, PROBLEM_NO_SUCH_MACHINE, "there is no machine '%.64s'", req->params[0]);
    return r > 0;
}

void machine_get(struct request *req) {
    const char *match = request_header(req, MHD_HTTP_HEADER_IF_NONE_MATCH);
    struct MHD_Response *response;
    struct object *o;
    char etag[ETAG_MAX];
    bool matches = false;

    if (!get(req, &o))
        return;
    if (match && parse_match(match, o->revision, true, &matches) < 0) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "If-None-Match holds no list of entity tags");
        return;
    }
    if (matches) {
        response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
        if (response)
            MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag_format(o->revision, etag));
        reply_response(req, MHD_HTTP_NOT_MODIFIED, response);
        return;
    }
    reply_shared(req, MHD_HTTP_OK, o->response);
}

/* --- create, change --- */

static void on_begun(struct request *req, sd_bus_message *reply) {
    const char *kind, *id;

    if (sd_bus_message_read(reply, "ss", &kind, &id) < 0)
        reply_errno(req, -EBADMSG);
    else
        reply_accepted(req, kind, id, req->machine);
}

void machines_create(struct request *req) {
    _cleanup_json_ json_object *o = NULL;
    struct cvm_error e = {0};
    sd_bus_message *m = NULL;
    const char *name;
    bool start;
    int r;

    if (request_json(req, NULL, &o) < 0)
        return;
    r = body_create(o, &name, &start, &e);
    if (r < 0) {
        reply_problem(req, PROBLEM_INVALID_ARGUMENT, "%s", e.text);
        return;
    }
    if (free_and_strdup(&req->machine, name) < 0) {
        reply_errno(req, -ENOMEM);
        return;
    }
    if (request_call_new(req, start ? "Create" : "Define", &m) < 0)
        return;
    r = request_append_key(req, m);
    if (r >= 0)
        r = sd_bus_message_append(m, "s", name);
    if (r >= 0)
        r = body_append_options(m, o);
    request_call(req, m, r, on_begun);
}

/* 200 with the machine, or 202 with the operation. @reply: NULL when it was done, and waited to be read. */
static void on_changed(struct request *req, sd_bus_message *reply) {
    const char *kind, *id;
    struct object *o;
    int done = true;

    if (reply && sd_bus_message_read(reply, "ssb", &kind, &id, &done) < 0) {
        reply_errno(req, -EBADMSG);
        return;
    }
    if (!done) {
        reply_accepted(req, kind, id, req->machine);
        return;
    }
    /* The signal came before the answer: what the mirror gives now has the change. */
    if (!get(req, &o))
        return;
    reply_shared(req, MHD_HTTP_OK, o->response);
}

void machine_patch(struct request *req) {
    _cleanup_json_ json_object *o = NULL;
    struct cvm_error e = {0};
    sd_bus_message *m = NULL;
    struct object *machine;
    uint64_t revision;
    int r;

    if (req->machine) {
        on_changed(req, NULL);
        return;
    }
    if (!get(req, &machine) || request_if_match(req, machine->revision, &revision) < 0 ||
        request_json(req, NULL, &o) < 0)
        return;
    r = body_check_options(o, true, &e);
    if (r < 0) {
        reply_problem(req, PROBLEM_INVALID_ARGUMENT, "%s", e.text);
        return;
    }
    if (free_and_strdup(&req->machine, req->params[0]) < 0) {
        reply_errno(req, -ENOMEM);
        return;
    }
    if (request_call_new(req, "Set", &m) < 0)
        return;
    r = sd_bus_message_append(m, "st", req->params[0], revision);
    if (r >= 0)
        r = body_append_options(m, o);
    request_call(req, m, r, on_changed);
}

/* --- what becomes an operation --- */

static void on_operation(struct request *req, sd_bus_message *reply) {
    const char *kind, *id;

    if (sd_bus_message_read(reply, "ss", &kind, &id) < 0)
        reply_errno(req, -EBADMSG);
    else
        reply_accepted(req, kind, id, req->params[0]);
}

static void act(struct request *req, const char *action, uint64_t revision, bool force) {
    sd_bus_message *m;
    int r;

    if (request_call_new(req, "Act", &m) < 0)
        return;
    r = request_append_key(req, m);
    if (r >= 0)
        r = sd_bus_message_append(m, "sstb", action, req->params[0], revision, (int)force);
    request_call(req, m, r, on_operation);
}

void machine_delete(struct request *req) {
    struct object *machine;
    uint64_t revision = 0;

    /* Whoever may not even see it hears of no ETag. */
    if (access_allows(req->peer->access, PERMISSION_DEFINE, req->params[0]) && !req->key[0] &&
        (!get(req, &machine) || request_if_match(req, machine->revision, &revision) < 0))
        return;
    act(req, "delete", revision, false);
}

void machine_action(struct request *req) {
    static const char *const actions[] = {"start", "stop", "kill", "pause", "resume", "reboot"};
    static const char *const known[] = {"force", NULL};
    _cleanup_json_ json_object *o = NULL;
    json_object *v = NULL;
    bool found = false, force = false;

    for (size_t i = 0; i < ELEMENTSOF(actions); i++)
        found |= strcmp(actions[i], req->params[1]) == 0;
    if (!found) {
        reply_problem(req, PROBLEM_NOT_FOUND, "there is no action '%.32s'", req->params[1]);
        return;
    }
    if (req->body_size && request_json(req, known, &o) < 0)
        return;
    if (o && json_object_object_get_ex(o, "force", &v)) {
        if (!json_object_is_type(v, json_type_boolean) || strcmp(req->params[1], "stop") != 0) {
            reply_problem(req, PROBLEM_INVALID_ARGUMENT, "force must be true or false, and is for stop");
            return;
        }
        force = json_object_get_boolean(v);
    }
    act(req, req->params[1], 0, force);
}

/* --- what is read as it is now --- */

static void on_stats(struct request *req, sd_bus_message *reply) {
    json_object *o;
    int r = fields_read(reply, machine_stats_fields, &o, NULL);

    if (r < 0)
        reply_errno(req, r);
    else
        reply_json(req, MHD_HTTP_OK, o);
}

void machine_stats(struct request *req) {
    struct object *machine;
    sd_bus_message *m;
    int r;

    if (!get(req, &machine))
        return;
    r = sd_bus_message_new_method_call(req->rest->bus, &m, CVMD_NAME, machine->path, "org.freedesktop.DBus.Properties",
                                       "GetAll");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", "org.cvmd1.Machine");
    if (r < 0)
        reply_errno(req, r);
    else
        request_call(req, m, 0, on_stats);
}

static void on_log(struct request *req, sd_bus_message *reply) {
    const char *range = request_header(req, MHD_HTTP_HEADER_RANGE);
    struct MHD_Response *response;
    uint64_t first = 0, last, size;
    char text[80];
    struct stat st;
    int fd, r;

    if (sd_bus_message_read(reply, "h", &fd) < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        reply_errno(req, -EBADMSG);
        return;
    }
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        reply_errno(req, -errno);
        return;
    }
    size = (uint64_t)st.st_size;
    last = size ? size - 1 : 0;
    r = range ? parse_range(range, size, &first, &last) : -EINVAL;
    if (r == -ERANGE) {
        close(fd);
        reply_problem(req, PROBLEM_RANGE, "the console log has %" PRIu64 " bytes", size);
        if (req->response) {
            snprintf(text, sizeof(text), "bytes */%" PRIu64, size);
            MHD_add_response_header(req->response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
        }
        return;
    }
    if (size == 0) {
        close(fd);
        response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    } else
        response = MHD_create_response_from_fd_at_offset64(last - first + 1, fd, first);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
        if (r == 0) {
            snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, last, size);
            MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
        }
    }
    reply_response(req, r == 0 ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response);
}

void machine_log(struct request *req) {
    sd_bus_message *m;
    int r;

    if (request_call_new(req, "OpenLog", &m) < 0)
        return;
    r = sd_bus_message_append(m, "s", req->params[0]);
    request_call(req, m, r, on_log);
}

static void on_report(struct request *req, sd_bus_message *reply) {
    _cleanup_free_ char *text = NULL;
    json_object *o;
    const void *p;
    size_t size;

    if (sd_bus_message_read_array(reply, 'y', &p, &size) < 0) {
        reply_errno(req, -EBADMSG);
        return;
    }
    text = cvm_base64url_encode(p, size);
    o = json_object_new_object();
    if (!text || !o) {
        json_object_put(o);
        reply_errno(req, -ENOMEM);
        return;
    }
    json_object_object_add(o, "machine", json_object_new_string(req->params[0]));
    json_object_object_add(o, "report", json_object_new_string(text));
    reply_json(req, MHD_HTTP_OK, o);
}

static void with_nonce(struct request *req, const char *member, void (*on_reply)(struct request *req, sd_bus_message *reply)) {
    static const char *const known[] = {"nonce", NULL};
    _cleanup_json_ json_object *o = NULL;
    struct cvm_error e = {0};
    uint8_t nonce[64];
    sd_bus_message *m;
    int r;

    if (request_json(req, known, &o) < 0)
        return;
    if (cvm_json_base64url(o, "nonce", nonce, sizeof(nonce), &e) < 0) {
        reply_problem(req, PROBLEM_INVALID_ARGUMENT, "%s", e.text);
        return;
    }
    if (request_call_new(req, member, &m) < 0)
        return;
    r = sd_bus_message_append(m, "s", req->params[0]);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', nonce, sizeof(nonce));
    request_call(req, m, r, on_reply);
}

void machine_report(struct request *req) {
    with_nonce(req, "Report", on_report);
}

void machine_evidence(struct request *req) {
    with_nonce(req, "Evidence", reply_document);
}

void machine_key(struct request *req) {
    static const char *const known[] = {"key", NULL};
    _cleanup_json_ json_object *o = NULL;
    struct cvm_key_blob blob;
    struct cvm_error e = {0};
    sd_bus_message *m;
    int r;

    if (request_json(req, known, &o) < 0)
        return;
    if (cvm_json_base64url(o, "key", &blob, sizeof(blob), &e) < 0) {
        reply_problem(req, PROBLEM_INVALID_ARGUMENT, "%s", e.text);
        return;
    }
    if (request_call_new(req, "PutKey", &m) < 0)
        return;
    r = sd_bus_message_append(m, "s", req->params[0]);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', &blob, sizeof(blob));
    request_call(req, m, r, reply_done);
}
