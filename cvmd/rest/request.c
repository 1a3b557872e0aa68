/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include "attest/json.h"
#include "events.h"
#include "routes.h"
#include "stream.h"
#include "upload.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>

#define RERUNS_MAX 8u

static void suspend(struct request *req) {
    if (req->suspended)
        return;
    req->suspended = true;
    peer_phase(req->peer, PHASE_CALL, 0);
    MHD_suspend_connection(req->connection);
}

static void resume(struct request *req) {
    if (!req->suspended)
        return;
    req->suspended = false;
    MHD_resume_connection(req->connection);
    server_kick(req->rest);
}

void request_free(struct request *req) {
    sd_bus_slot_unref(req->slot);
    if (req->waits)
        req->waits->req = NULL;
    follower_free(req->follower);
    stream_free(req->stream);
    for (struct request **p = &req->rest->keyed; *p; p = &(*p)->next_keyed)
        if (*p == req) {
            *p = req->next_keyed;
            break;
        }
    upload_free(req->upload);
    if (req->response)
        MHD_destroy_response(req->response);
    shared_unref(req->shared);
    for (unsigned i = 0; i < PARAMS_MAX; i++)
        free(req->params[i]);
    free(req->machine);
    free(req->url);
    free(req->body);
    free(req);
}

int request_wait(struct request *req, struct waitlist **list) {
    struct waitlist *w = malloc(sizeof(*w));

    if (!w) {
        reply_errno(req, -ENOMEM);
        return -ENOMEM;
    }
    if (req->reruns++ >= RERUNS_MAX) {
        free(w);
        reply_problem(req, PROBLEM_UNAVAILABLE, "what was asked for changes faster than it can be read");
        return -EAGAIN;
    }
    *w = (struct waitlist){.next = *list, .req = req};
    *list = w;
    req->waits = w;
    suspend(req);
    return 0;
}

void waitlist_wake(struct waitlist **list) {
    struct waitlist *w = TAKE_PTR(*list);

    while (w) {
        struct waitlist *next = w->next;

        if (w->req) {
            w->req->waits = NULL;
            request_run(w->req);
        }
        free(w);
        w = next;
    }
}

/* --- answers --- */

void reply_response(struct request *req, unsigned status, struct MHD_Response *response) {
    if (req->response || req->shared) { /* only the first answer counts */
        if (response)
            MHD_destroy_response(response);
        return;
    }
    req->response = response;
    req->status = status;
    resume(req);
}

void shared_unref(struct shared *s) {
    if (!s || --s->refs)
        return;
    MHD_destroy_response(s->response);
    free(s);
}

void reply_shared(struct request *req, unsigned status, struct shared *s) {
    if (req->response || req->shared)
        return;
    s->refs++;
    req->shared = s;
    req->status = status;
    resume(req);
}

struct MHD_Response *response_from_json(json_object *o, const char *type) {
    const char *text;
    size_t size;
    struct MHD_Response *response;

    text = o ? json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size) : NULL;
    if (!text)
        return NULL;
    response = MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return response;
}

void reply_json(struct request *req, unsigned status, json_object *o) {
    reply_response(req, status, response_from_json(o, "application/json"));
    json_object_put(o);
}

void reply_text(struct request *req, unsigned status, const char *type, const char *text, size_t size) {
    struct MHD_Response *response = MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);

    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    reply_response(req, status, response);
}

void reply_empty(struct request *req, unsigned status) {
    reply_response(req, status, MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT));
}

/* Seconds: what cvmd says at the end of its text ("retry after N s"), else a moment. */
static const char *retry_after(unsigned status, const char *detail, char buf[16]) {
    const char *said = strstr(detail, "retry after ");
    unsigned n = status == 503 ? 2 : 1;

    if (said)
        (void)sscanf(said, "retry after %u s", &n);
    snprintf(buf, 16, "%u", n);
    return buf;
}

void reply_problem(struct request *req, enum problem p, const char *fmt, ...) {
    const struct problem_type *t = &problem_types[p];
    _cleanup_json_ json_object *o = json_object_new_object();
    struct MHD_Response *response;
    char detail[512], type[64], wait[16];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    cvm_defang(detail);
    snprintf(type, sizeof(type), "/v1/problems/%s", t->name);
    json_object_object_add(o, "type", json_object_new_string(type));
    json_object_object_add(o, "title", json_object_new_string(t->title));
    json_object_object_add(o, "status", json_object_new_int((int)t->status));
    json_object_object_add(o, "detail", json_object_new_string(detail));
    if (req->url)
        json_object_object_add(o, "instance", json_object_new_string(req->url));
    response = response_from_json(o, "application/problem+json");
    if (response && (t->status == 503 || t->status == 429))
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, retry_after(t->status, detail, wait));
    if (response && t->status == 401)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Certificate realm=\"cvmd\"");
    reply_response(req, t->status, response);
}

void reply_error(struct request *req, const sd_bus_error *error) {
    enum problem p = problem_from_bus_error(error->name);

    req->rest->metrics.call_errors++;
    reply_problem(req, p, "%s", error->message ?: error->name);
}

void reply_errno(struct request *req, int r) {
    reply_problem(req, r == -ETIMEDOUT ? PROBLEM_TIMEOUT : r == -ENOTCONN || r == -ECONNRESET ? PROBLEM_UNAVAILABLE
                                                                                              : PROBLEM_INTERNAL,
                  "%s", strerror(-r));
}

void reply_accepted(struct request *req, const char *kind, const char *id, const char *machine) {
    json_object *o = json_object_new_object();
    struct MHD_Response *response;
    char location[96];

    snprintf(location, sizeof(location), "/v1/operations/%s", id);
    json_object_object_add(o, "id", json_object_new_string(id));
    json_object_object_add(o, "kind", json_object_new_string(kind));
    json_object_object_add(o, "machine", machine && machine[0] ? json_object_new_string(machine) : NULL);
    json_object_object_add(o, "href", json_object_new_string(location));
    response = response_from_json(o, "application/json");
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, location);
    json_object_put(o);
    reply_response(req, MHD_HTTP_ACCEPTED, response);
}

/* --- calls --- */

int request_call_new(struct request *req, const char *member, sd_bus_message **ret) {
    int r;

    r = sd_bus_message_new_method_call(req->rest->bus, ret, CVMD_NAME, CVMD_PATH, CVMD_GATEWAY, member);
    if (r >= 0)
        r = sd_bus_message_append(*ret, "s", req->peer->access ? req->peer->access->id : "");
    if (r < 0)
        reply_errno(req, r);
    return r;
}

static int on_call_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret) {
    struct request *req = userdata;

    (void)ret;
    req->slot = sd_bus_slot_unref(req->slot);
    if (sd_bus_message_is_method_error(reply, NULL) && !req->stranger)
        reply_error(req, sd_bus_message_get_error(reply));
    else
        req->on_reply(req, reply);
    return 0;
}

void request_call(struct request *req, sd_bus_message *m, int r,
                  void (*on_reply)(struct request *req, sd_bus_message *reply)) {
    if (r >= 0) {
        req->on_reply = on_reply;
        req->rest->metrics.calls++;
        r = sd_bus_call_async(req->rest->bus, &req->slot, m, on_call_reply, req, CALL_TIMEOUT_USEC);
    }
    sd_bus_message_unref(m);
    if (r < 0)
        reply_errno(req, r);
    else
        suspend(req);
}

/* --- what a request says --- */

const char *request_query(struct request *req, const char *name) {
    return MHD_lookup_connection_value(req->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(struct request *req, const char *name) {
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

int request_limit(struct request *req, uint32_t *limit) {
    int r = parse_limit(request_query(req, "limit"), limit);

    if (r < 0)
        reply_problem(req, PROBLEM_BAD_REQUEST, "limit must be 1 to %u", LIMIT_MAX);
    return r;
}

int request_cursor(struct request *req, char kind, char key[CURSOR_KEY_MAX + 1], bool *present) {
    const char *s = request_query(req, "cursor");
    int r;

    *present = s;
    if (!s)
        return 0;
    r = parse_cursor(s, kind, key);
    if (r < 0)
        reply_problem(req, PROBLEM_BAD_REQUEST, "cursor is not one of this list");
    return r;
}

struct query_check {
    const char *const *known;
    char unknown[64];
};

static enum MHD_Result check_parameter(void *cls, enum MHD_ValueKind kind, const char *key, const char *value) {
    struct query_check *c = cls;

    (void)kind;
    (void)value;
    for (const char *const *k = c->known; *k; k++)
        if (strcmp(*k, key) == 0)
            return MHD_YES;
    snprintf(c->unknown, sizeof(c->unknown), "%s", key);
    return MHD_NO;
}

int request_check_query(struct request *req, const char *const *known) {
    struct query_check c = {.known = known};

    MHD_get_connection_values(req->connection, MHD_GET_ARGUMENT_KIND, check_parameter, &c);
    if (!c.unknown[0])
        return 0;
    reply_problem(req, PROBLEM_BAD_REQUEST, "there is no query parameter '%s' here", c.unknown);
    return -EINVAL;
}

int request_check_value(struct request *req, const char *name, const char *const *values) {
    const char *value = request_query(req, name);
    char list[256] = "";

    for (size_t n = 0; value && *values; values++) {
        if (strcmp(value, *values) == 0)
            return 0;
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", *values);
        if (n >= sizeof(list))
            n = sizeof(list) - 1;
    }
    if (!value)
        return 0;
    reply_problem(req, PROBLEM_BAD_REQUEST, "%s '%.64s' is none of: %s", name, value, list);
    return -EINVAL;
}

int request_json(struct request *req, const char *const *known, json_object **ret) {
    _cleanup_json_ json_object *o = NULL;
    struct cvm_error e = {0};
    int r;

    r = cvm_json_parse(req->body ?: "", req->body_size, &o, &e);
    if (r < 0) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "%s", e.text[0] ? e.text : strerror(-r));
        return r;
    }
    if (known) {
        json_object_object_foreach(o, key, value) {
            bool found = false;

            (void)value;
            for (const char *const *k = known; *k && !found; k++)
                found = strcmp(*k, key) == 0;
            if (!found) {
                reply_problem(req, PROBLEM_INVALID_ARGUMENT, "there is no member '%.64s' here", key);
                return -EINVAL;
            }
        }
    }
    *ret = TAKE_PTR(o);
    return 0;
}

void reply_done(struct request *req, sd_bus_message *reply) {
    (void)reply;
    reply_empty(req, MHD_HTTP_NO_CONTENT);
}

void reply_document(struct request *req, sd_bus_message *reply) {
    const char *text;

    if (sd_bus_message_read(reply, "s", &text) < 0)
        reply_errno(req, -EBADMSG);
    else
        reply_text(req, MHD_HTTP_OK, "application/json", text, strlen(text));
}

int request_append_key(struct request *req, sd_bus_message *m) {
    const char *if_match = request_header(req, MHD_HTTP_HEADER_IF_MATCH);
    const char *parts[] = {req->route->method, req->url, if_match ?: ""};
    char hex[65] = "";

    if (req->key[0]) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        uint8_t digest[32];
        bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);

        for (size_t i = 0; ok && i < ELEMENTSOF(parts); i++)
            ok = EVP_DigestUpdate(md, parts[i], strlen(parts[i]) + 1);
        if (ok && req->upload)
            ok = EVP_DigestUpdate(md, upload_digest(req->upload), 96);
        else if (ok && req->body)
            ok = EVP_DigestUpdate(md, req->body, req->body_size);
        ok = ok && EVP_DigestFinal_ex(md, digest, NULL);
        EVP_MD_CTX_free(md);
        if (!ok)
            return -ENOMEM;
        cvm_hex_encode(digest, sizeof(digest), hex);
    }
    return sd_bus_message_append(m, "ss", req->key, hex);
}

int request_if_match(struct request *req, uint64_t current, uint64_t *revision) {
    bool matches = false;
    int r = parse_match(request_header(req, MHD_HTTP_HEADER_IF_MATCH), current, false, &matches);

    if (r == MATCH_ABSENT) {
        reply_problem(req, PROBLEM_PRECONDITION_REQUIRED, "send If-Match with the ETag of the machine, or *");
        return -EINVAL;
    }
    if (r < 0) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "If-Match holds no list of entity tags");
        return r;
    }
    if (!matches) {
        reply_problem(req, PROBLEM_PRECONDITION_FAILED, "the machine is not as If-Match says");
        return -EINVAL;
    }
    *revision = r == MATCH_ANY ? 0 : current;
    return 0;
}
