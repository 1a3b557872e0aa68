/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /v1/enrol, /v1/clients */
#include "parse.h"
#include "routes.h"

#include "attest/json.h"

#include <errno.h>
#include <string.h>

static void on_enrolled(struct request *req, sd_bus_message *reply) {
    const char *certificate, *authority, *id;
    json_object *o;

    if (sd_bus_message_read(reply, "sss", &certificate, &authority, &id) < 0) {
        reply_errno(req, -EBADMSG);
        return;
    }
    o = json_object_new_object();
    json_object_object_add(o, "id", json_object_new_string(id));
    json_object_object_add(o, "certificate", json_object_new_string(certificate));
    json_object_object_add(o, "authority", json_object_new_string(authority));
    reply_json(req, MHD_HTTP_CREATED, o);
}

void enrol(struct request *req) {
    static const char *const known[] = {"token", "csr", NULL};
    _cleanup_json_ json_object *o = NULL;
    const char *token, *csr;
    struct cvm_error e = {0};
    sd_bus_message *m;
    int r;

    if (request_json(req, known, &o) < 0)
        return;
    if (cvm_json_string(o, "token", &token, &e) < 0 || cvm_json_string(o, "csr", &csr, &e) < 0) {
        reply_problem(req, PROBLEM_INVALID_ARGUMENT, "%s", e.text);
        return;
    }
    if (request_call_new(req, "Enrol", &m) < 0)
        return;
    r = sd_bus_message_append(m, "ss", token, csr);
    request_call(req, m, r, on_enrolled);
}

static json_object *time_or_null(uint64_t usec) {
    char text[RFC3339_MAX];

    return usec ? json_object_new_string(rfc3339_format(usec, text)) : NULL;
}

/* The next client of ListClients' answer: 1; 0 behind the last; or negative. */
static int next_client(sd_bus_message *reply, json_object **ret, const char **id, uint64_t *revision) {
    const char *name, *role, *pattern;
    uint64_t expires;
    json_object *c;
    int r = sd_bus_message_read(reply, "(sssstt)", id, &name, &role, &pattern, revision, &expires);

    if (r <= 0)
        return r;
    c = json_object_new_object();
    json_object_object_add(c, "id", json_object_new_string(*id));
    json_object_object_add(c, "name", json_object_new_string(name));
    json_object_object_add(c, "role", json_object_new_string(role));
    json_object_object_add(c, "machines", json_object_new_string(pattern));
    json_object_object_add(c, "created", time_or_null(*revision));
    json_object_object_add(c, "expires", time_or_null(expires));
    *ret = c;
    return 1;
}

static void on_clients(struct request *req, sd_bus_message *reply) {
    json_object *o = json_object_new_object(), *list = json_object_new_array(), *c;
    uint64_t revision;
    const char *id;
    int r = sd_bus_message_enter_container(reply, 'a', "(sssstt)");

    while (r >= 0 && (r = next_client(reply, &c, &id, &revision)) > 0)
        json_object_array_add(list, c);
    json_object_object_add(o, "clients", list);
    if (r < 0) {
        json_object_put(o);
        reply_errno(req, r);
    } else
        reply_json(req, MHD_HTTP_OK, o);
}

/* The one that the path names, NULL if there is none. Negative: answered. */
static int find_client(struct request *req, sd_bus_message *reply, json_object **ret, uint64_t *revision) {
    json_object *c;
    const char *id;
    int r = sd_bus_message_enter_container(reply, 'a', "(sssstt)");

    *ret = NULL;
    *revision = 0;
    while (r >= 0 && !*ret && (r = next_client(reply, &c, &id, revision)) > 0)
        if (strcmp(id, req->params[0]) == 0)
            *ret = c;
        else
            json_object_put(c);
    if (r < 0)
        reply_errno(req, r);
    return r;
}

static void on_client(struct request *req, sd_bus_message *reply) {
    _cleanup_json_ json_object *c = NULL;
    struct MHD_Response *response;
    char etag[ETAG_MAX];
    uint64_t revision;

    if (find_client(req, reply, &c, &revision) < 0)
        return;
    if (!c) {
        reply_problem(req, PROBLEM_NOT_FOUND, "there is no client '%.80s'", req->params[0]);
        return;
    }
    response = response_from_json(c, "application/json");
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag_format(revision, etag));
    reply_response(req, MHD_HTTP_OK, response);
}

static void call_list(struct request *req, void (*on_reply)(struct request *req, sd_bus_message *reply)) {
    sd_bus_message *m;

    if (request_call_new(req, "ListClients", &m) >= 0)
        request_call(req, m, 0, on_reply);
}

void client_get(struct request *req) {
    call_list(req, on_client);
}

static void change(struct request *req, uint64_t revision);

/* What If-Match is held against; cvmd compares again in the same step in which it acts. */
static void on_current(struct request *req, sd_bus_message *reply) {
    _cleanup_json_ json_object *c = NULL;
    bool matches = false;
    uint64_t revision;
    int r;

    if (find_client(req, reply, &c, &revision) < 0)
        return;
    r = parse_match(request_header(req, MHD_HTTP_HEADER_IF_MATCH), revision, false, &matches);
    if (r < 0)
        reply_problem(req, PROBLEM_BAD_REQUEST, "If-Match holds no list of entity tags");
    else if (!matches || !c)
        reply_problem(req, PROBLEM_PRECONDITION_FAILED, "the client is not as If-Match says");
    else
        change(req, revision);
}

static void change_if_match(struct request *req) {
    if (request_header(req, MHD_HTTP_HEADER_IF_MATCH))
        call_list(req, on_current);
    else
        change(req, 0);
}

void clients_list(struct request *req) {
    call_list(req, on_clients);
}

void client_self(struct request *req) {
    const struct access *a = req->peer->access;
    json_object *o = json_object_new_object();

    json_object_object_add(o, "id", json_object_new_string(a->id));
    json_object_object_add(o, "name", json_object_new_string(a->name));
    json_object_object_add(o, "role", json_object_new_string(role_to_string(a->role)));
    json_object_object_add(o, "machines", json_object_new_string(a->pattern));
    reply_json(req, MHD_HTTP_OK, o);
}

void client_delete(struct request *req) {
    change_if_match(req);
}

static void on_token(struct request *req, sd_bus_message *reply) {
    const char *token, *authority;
    struct MHD_Response *response;
    json_object *o;
    uint64_t expires;

    if (sd_bus_message_read(reply, "sts", &token, &expires, &authority) < 0) {
        reply_errno(req, -EBADMSG);
        return;
    }
    o = json_object_new_object();
    json_object_object_add(o, "token", json_object_new_string(token));
    json_object_object_add(o, "expires", time_or_null(expires));
    json_object_object_add(o, "authority_sha256", json_object_new_string(authority));
    response = response_from_json(o, "application/json");
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    json_object_put(o);
    reply_response(req, MHD_HTTP_CREATED, response);
}

/* Who is to have which role on which machines. The body is the caller's; -1: answered. */
static int read_grant(struct request *req, const char *const *known, json_object **body, const char **name, const char **role,
                      const char **pattern, uint64_t *lifetime) {
    struct cvm_error e = {0};
    int r;

    *pattern = "*";
    if (request_json(req, known, body) < 0)
        return -1;
    r = cvm_json_string(*body, "name", name, &e);
    if (r >= 0)
        r = cvm_json_string(*body, "role", role, &e);
    if (r >= 0 && json_object_object_get_ex(*body, "machines", NULL))
        r = cvm_json_string(*body, "machines", pattern, &e);
    if (r >= 0 && json_object_object_get_ex(*body, "lifetime", NULL))
        r = cvm_json_uint(*body, "lifetime", UINT32_MAX, lifetime, &e);
    if (r >= 0)
        return 0;
    reply_problem(req, PROBLEM_INVALID_ARGUMENT, "%s", e.text);
    return -1;
}

void tokens_create(struct request *req) {
    static const char *const known[] = {"name", "role", "machines", "lifetime", NULL};
    _cleanup_json_ json_object *o = NULL;
    const char *name, *role, *pattern;
    uint64_t lifetime = 3600;
    sd_bus_message *m;
    int r;

    if (read_grant(req, known, &o, &name, &role, &pattern, &lifetime) < 0 || request_call_new(req, "CreateToken", &m) < 0)
        return;
    r = sd_bus_message_append(m, "sssu", name, role, pattern, (uint32_t)lifetime);
    request_call(req, m, r, on_token);
}

void client_put(struct request *req) {
    change_if_match(req);
}

static void change(struct request *req, uint64_t revision) {
    static const char *const known[] = {"name", "role", "machines", NULL};
    _cleanup_json_ json_object *o = NULL;
    const char *name, *role, *pattern;
    sd_bus_message *m;
    int r;

    if (strcmp(req->route->method, "DELETE") == 0) {
        if (request_call_new(req, "RemoveClient", &m) < 0)
            return;
        r = sd_bus_message_append(m, "st", req->params[0], revision);
    } else {
        if (read_grant(req, known, &o, &name, &role, &pattern, NULL) < 0 || request_call_new(req, "AddClient", &m) < 0)
            return;
        r = sd_bus_message_append(m, "sssst", req->params[0], name, role, pattern, revision);
    }
    request_call(req, m, r, reply_done);
}

static void on_authority(struct request *req, sd_bus_message *reply) {
    const char *certificate, *sha256;
    json_object *o;

    if (sd_bus_message_read(reply, "ss", &certificate, &sha256) < 0) {
        reply_errno(req, -EBADMSG);
        return;
    }
    o = json_object_new_object();
    json_object_object_add(o, "certificate", json_object_new_string(certificate));
    json_object_object_add(o, "sha256", json_object_new_string(sha256));
    reply_json(req, MHD_HTTP_OK, o);
}

void client_authority(struct request *req) {
    sd_bus_message *m;

    if (request_call_new(req, "Authority", &m) >= 0)
        request_call(req, m, 0, on_authority);
}
