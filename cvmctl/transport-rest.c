/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * REST of another host's gateway: cvmd/rest/openapi.json. What comes is named as on the bus before anybody
 * sees it.
 */
#include "transport-rest.h"

#include "attest/digest.h"
#include "member.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_USEC 250000u
#define EVENT_MAX (1u << 20)

/* What is not the bus's name in small letters with '_' between the words. */
static const struct {
    const char *property, *key;
} names[] = {
    {"ProtectionLevel", "protection"},
    {"UUID", "uuid"},
    {"VCPUs", "vcpus"},
    {"CPUShares", "cpu_shares"},
    {"CPUQuota", "cpu_quota"},
    {"IOWeight", "io_weight"},
    {"CPUModel", "cpu_model"},
    {"CPUs", "cpus"},
    {"VMs", "vms"},
    {"VM", "vm"},
    {"CPUTime", "cpu_time"},
    {"RootVisorSVN", "rootvisor_svn"},
    {"GuardianSVN", "guardian_svn"},
    {"TSCKHz", "tsc_khz"},
    {"UptimeTSC", "uptime_tsc"},
    {"RootVisorVersion", "rootvisor_version"},
    {"RootVisorDigest", "rootvisor_digest"},
    {"RootVisorFrames", "rootvisor_frames"},
};

static void property_of(const char *key, char *ret, size_t size) {
    size_t n = 0;
    bool word = true;

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (strcmp(names[i].key, key) == 0) {
            snprintf(ret, size, "%s", names[i].property);
            return;
        }
    for (; *key && n + 1 < size; key++) {
        if (*key != '_')
            ret[n++] = word ? (char)toupper((unsigned char)*key) : *key;
        word = *key == '_';
    }
    ret[n] = 0;
}

static void key_of(const char *property, char *ret, size_t size) {
    size_t n = 0;

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (strcmp(names[i].property, property) == 0) {
            snprintf(ret, size, "%s", names[i].key);
            return;
        }
    for (const char *p = property; *p && n + 2 < size; p++) {
        if (isupper((unsigned char)*p) && p != property)
            ret[n++] = '_';
        ret[n++] = (char)tolower((unsigned char)*p);
    }
    ret[n] = 0;
}

/* "2026-11-21T06:30:00.123456Z" as microseconds since 1970, 0 if it is none. */
uint64_t rest_parse_time(const char *s) {
    unsigned usec = 0;
    struct tm tm = {0};
    char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!end || (*end == '.' && sscanf(end, ".%6uZ", &usec) != 1))
        return 0;
    return (uint64_t)timegm(&tm) * 1000000u + usec;
}

static bool is_time(const char *property) {
    return strcmp(property, "Created") == 0 || strcmp(property, "Started") == 0 ||
           strcmp(property, "Ended") == 0;
}

/* On the bus nothing is null: an empty string, or 0 for a time. */
static void add_properties(json_object *to, json_object *from) {
    char property[64];

    json_object_object_foreach(from, key, v) {
        property_of(key, property, sizeof(property));
        if (is_time(property))
            json_object_object_add(to, property,
                                   json_object_new_uint64(v ? rest_parse_time(json_object_get_string(v)) : 0));
        else
            json_object_object_add(to, property, v ? json_object_get(v) : json_object_new_string(""));
    }
}

int rest_request(struct rest_transport *t, const char *verb, const char *method, json_object *body,
                 bool if_match, json_object **ret, const char *fmt, ...) {
    struct http_request q = {.method = method, .body = body, .fd = -1, .if_match = if_match};
    _cleanup_free_ char *path = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&path, fmt, ap);
    va_end(ap);
    if (n < 0) {
        path = NULL;
        return fail(verb, EXIT_FAILED, "out of memory");
    }
    q.path = path;
    return http_call(t->http, verb, &q, ret);
}

static void rest_close(struct transport *t) {
    rest_end_consoles(rest_of(t));
    http_free(rest_of(t)->http);
    free(t);
}

static const char *const collections[OBJECT_KINDS] = {[OBJECT_HOST] = "host",
                                                      [OBJECT_MACHINE] = "machines",
                                                      [OBJECT_IMAGE] = "images",
                                                      [OBJECT_OPERATION] = "operations"};

/* Counters are a resource of their own. */
static int add_stats(struct rest_transport *t, const char *verb, const char *escaped, json_object *p) {
    _cleanup_json_ json_object *stats = NULL;
    int r = rest_request(t, verb, "GET", NULL, false, &stats, "/v1/machines/%s/stats", escaped);

    if (r == 0)
        add_properties(p, stats);
    return r;
}

static int rest_get(struct transport *transport, const char *verb, enum object_kind kind, const char *id,
                    json_object **ret) {
    struct rest_transport *t = rest_of(transport);
    _cleanup_json_ json_object *answer = NULL, *p = json_object_new_object();
    _cleanup_free_ char *escaped = http_escape(t->http, id ?: "");
    int r;

    if (!escaped)
        return fail(verb, EXIT_FAILED, "out of memory");
    if (kind == OBJECT_HOST)
        r = rest_request(t, verb, "GET", NULL, false, &answer, "/v1/host");
    else
        r = rest_request(t, verb, "GET", NULL, false, &answer, "/v1/%s/%s", collections[kind], escaped);
    if (r != 0)
        return r;
    add_properties(p, answer);
    if (kind == OBJECT_MACHINE)
        r = add_stats(t, verb, escaped, p);
    if (r == 0)
        *ret = json_object_get(p);
    return r;
}

static int take_page(struct rest_transport *t, const char *verb, enum object_kind kind, json_object *page,
                     json_object *all) {
    json_object *list = NULL;
    int r = 0;

    json_object_object_get_ex(page, collections[kind], &list);
    for (size_t i = 0; r == 0 && list && i < json_object_array_length(list); i++) {
        json_object *p = json_object_new_object();

        add_properties(p, json_object_array_get_idx(list, i));
        json_object_array_add(all, p);
        if (kind == OBJECT_MACHINE && strcmp(member_text(p, "State"), "running") == 0) {
            _cleanup_free_ char *escaped = http_escape(t->http, member_text(p, "Name"));

            r = escaped ? add_stats(t, verb, escaped, p) : EXIT_FAILED;
            if (r == EXIT_NO_MACHINE) /* gone meanwhile */
                r = 0;
        }
    }
    return r;
}

static int rest_list(struct transport *transport, const char *verb, enum object_kind kind,
                     json_object **ret) {
    _cleanup_json_ json_object *all = json_object_new_array();
    struct rest_transport *t = rest_of(transport);
    _cleanup_free_ char *cursor = NULL;
    int r;

    do {
        _cleanup_json_ json_object *page = NULL;

        r = rest_request(t, verb, "GET", NULL, false, &page, "/v1/%s?limit=1000%s%s", collections[kind],
                 cursor ? "&cursor=" : "", cursor ?: "");
        if (r == 0)
            r = take_page(t, verb, kind, page, all);
        if (r != 0)
            return r;
        free(cursor);
        cursor = member_text(page, "next")[0] ? http_escape(t->http, member_text(page, "next")) : NULL;
    } while (cursor);
    *ret = json_object_get(all);
    return 0;
}

/* SHA-384 of a file, which is read again from its beginning afterwards. */
static int digest_of(const char *verb, int fd, char hex[2 * CVM_DIGEST_SIZE + 1]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t digest[CVM_DIGEST_SIZE];
    static char buf[1 << 20];
    ssize_t n = -1;
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha384(), NULL);

    while (good && (n = read(fd, buf, sizeof(buf))) > 0)
        good = EVP_DigestUpdate(ctx, buf, (size_t)n);
    good = good && n == 0 && EVP_DigestFinal_ex(ctx, digest, NULL) && lseek(fd, 0, SEEK_SET) == 0;
    EVP_MD_CTX_free(ctx);
    if (!good)
        return fail(verb, EXIT_FAILED, "the file cannot be read: %s", strerror(errno));
    cvm_hex_encode(digest, sizeof(digest), hex);
    return 0;
}

/* Sends a file as an image. *operation: its import. */
static int send_image(struct rest_transport *t, const char *verb, int fd, const char *name, const char *kind,
                      const char *digest, char **operation) {
    _cleanup_free_ char *escaped = http_escape(t->http, name), *path = NULL;
    struct http_request q = {.method = "POST", .fd = fd};
    _cleanup_json_ json_object *answer = NULL;
    int r;

    if (!escaped || asprintf(&path, "/v1/images?name=%s&kind=%s&digest=%s", escaped, kind, digest) < 0)
        return fail(verb, EXIT_FAILED, "out of memory");
    q.path = path;
    r = http_call(t->http, verb, &q, &answer);
    if (r == 0)
        *operation = strdup(member_text(answer, "id"));
    return r;
}

static int await(struct rest_transport *t, const char *verb, const char *operation) {
    for (;;) {
        _cleanup_json_ json_object *p = NULL;
        int r = rest_get(&t->t, verb, OBJECT_OPERATION, operation, &p);

        if (r != 0)
            return r;
        if (strcmp(member_text(p, "State"), "done") == 0)
            return 0;
        if (strcmp(member_text(p, "State"), "failed") == 0 ||
            strcmp(member_text(p, "State"), "cancelled") == 0)
            return fail(verb, EXIT_FAILED, "%s", member_text(p, "Message"));
        usleep(POLL_USEC);
    }
}

/* Descriptors do not travel: a kernel or initrd becomes an image first, unless the host has it. */
static int send_files(struct rest_transport *t, const struct request *q, json_object *body) {
    char digest[2 * CVM_DIGEST_SIZE + 1], name[96], key[32];

    for (size_t i = 0; i < ELEMENTSOF(q->files); i++) {
        _cleanup_free_ char *operation = NULL;
        _cleanup_json_ json_object *there = NULL;
        bool kernel;
        int r;

        if (!q->files[i].key || q->files[i].fd < 0)
            continue;
        kernel = strcmp(q->files[i].key, "Kernel") == 0;
        r = digest_of(q->verb, q->files[i].fd, digest);
        if (r != 0)
            return r;
        silent_status = EXIT_NO_MACHINE;
        r = rest_get(&t->t, q->verb, OBJECT_IMAGE, digest, &there);
        silent_status = 0;
        if (r == EXIT_NO_MACHINE) {
            snprintf(name, sizeof(name), "%s-%s", q->name, kernel ? "kernel" : "initrd");
            r = send_image(t, q->verb, q->files[i].fd, name, kernel ? "kernel" : "initrd", digest,
                           &operation);
            if (r == 0)
                r = await(t, q->verb, operation);
        }
        if (r != 0)
            return r;
        snprintf(key, sizeof(key), "%s_image", kernel ? "kernel" : "initrd");
        json_object_object_add(body, key, json_object_new_string(digest));
    }
    return 0;
}

static json_object *body_of(const struct request *q) {
    json_object *body = json_object_new_object();
    char key[64];

    json_object_object_foreach(q->options, property, v) {
        key_of(property, key, sizeof(key));
        json_object_object_add(body, key, json_object_get(v));
    }
    return body;
}

static int create(struct rest_transport *t, const struct request *q, json_object **answer) {
    _cleanup_json_ json_object *body = body_of(q);
    int r;

    json_object_object_add(body, "name", json_object_new_string(q->name));
    json_object_object_add(body, "start", json_object_new_boolean(strcmp(q->method, "Launch") == 0));
    r = send_files(t, q, body);
    return r ?: rest_request(t, q->verb, "POST", body, false, answer, "/v1/machines");
}

static int import(struct rest_transport *t, const struct request *q, char **operation) {
    char digest[2 * CVM_DIGEST_SIZE + 1];
    json_object *wanted = NULL;
    int r = digest_of(q->verb, q->files[0].fd, digest);

    if (r != 0)
        return r;
    if (json_object_object_get_ex(q->options, "Digest", &wanted) &&
        strcmp(json_object_get_string(wanted), digest) != 0)
        return fail(q->verb, EXIT_FAILED, "the file has the digest %s", digest);
    return send_image(t, q->verb, q->files[0].fd, q->name, q->kind, digest, operation);
}

static int act(struct rest_transport *t, const struct request *q, const char *escaped, json_object **answer) {
    _cleanup_json_ json_object *body = json_object_new_object();
    char action[16];
    size_t n = 0;

    for (; q->method[n] && n + 1 < sizeof(action); n++)
        action[n] = (char)tolower((unsigned char)q->method[n]);
    action[n] = 0;
    if (q->force)
        json_object_object_add(body, "force", json_object_new_boolean(true));
    return rest_request(t, q->verb, "POST", body, false, answer, "/v1/machines/%s/actions/%s", escaped, action);
}

static int rest_call(struct transport *transport, const struct request *q, char **operation) {
    struct rest_transport *t = rest_of(transport);
    _cleanup_free_ char *escaped = http_escape(t->http, q->name ?: "");
    _cleanup_json_ json_object *answer = NULL;
    const char *m = q->method;
    int r;

    *operation = NULL;
    if (!escaped)
        return fail(q->verb, EXIT_FAILED, "out of memory");
    if (strcmp(m, "Launch") == 0 || strcmp(m, "Define") == 0)
        r = create(t, q, &answer);
    else if (strcmp(m, "SetProperties") == 0) {
        _cleanup_json_ json_object *body = body_of(q);

        r = rest_request(t, q->verb, "PATCH", body, true, &answer, "/v1/machines/%s", escaped); /* the machine, or an operation */
    } else if (strcmp(m, "Delete") == 0)
        r = rest_request(t, q->verb, "DELETE", NULL, true, &answer, "/v1/machines/%s", escaped);
    else if (strcmp(m, "ImportImage") == 0)
        return import(t, q, operation);
    else if (strcmp(m, "DeleteImage") == 0)
        r = rest_request(t, q->verb, "DELETE", NULL, false, &answer, "/v1/images/%s", escaped);
    else if (strcmp(m, "CollectImages") == 0)
        r = rest_request(t, q->verb, "POST", NULL, false, &answer, "/v1/images/collect");
    else if (strcmp(m, "Reload") == 0)
        r = rest_request(t, q->verb, "POST", NULL, false, &answer, "/v1/host/reload");
    else
        r = act(t, q, escaped, &answer);
    if (r == 0 && member_text(answer, "id")[0])
        *operation = strdup(member_text(answer, "id"));
    return r;
}

static int rest_cancel(struct transport *t, const char *verb, const char *operation) {
    _cleanup_json_ json_object *answer = NULL, *body = json_object_new_object();

    return rest_request(rest_of(t), verb, "POST", body, false, &answer, "/v1/operations/%s/cancel", operation);
}

static int rest_wait(struct transport *t, const char *verb, uint64_t usec) {
    (void)t;
    (void)verb;
    if (usec)
        usleep(usec < POLL_USEC ? (useconds_t)usec : POLL_USEC);
    return 0;
}

/* An event as ReadAudit() has it. */
static json_object *audit_entry(json_object *e) {
    static const struct {
        const char *from, *to;
    } same[] = {{"id", "id"},           {"source", "source"}, {"machine", "machine"},
                {"uuid", "uuid"},       {"event", "event"},   {"reason_code", "reason_code"},
                {"reason", "reason"},   {"message", "message"}, {"who", "who"},   {"arguments", "args"}};
    json_object *o = json_object_new_object(), *v = NULL;

    for (size_t i = 0; i < ELEMENTSOF(same); i++) {
        v = NULL;
        json_object_object_get_ex(e, same[i].from, &v);
        json_object_object_add(o, same[i].to, v ? json_object_get(v) : json_object_new_string(""));
        if (i == 0) /* in its place: the output is the bus's */
            json_object_object_add(o, "time",
                                   json_object_new_uint64(rest_parse_time(member_text(e, "time"))));
    }
    v = NULL;
    json_object_object_get_ex(e, "rootvisor_seq", &v);
    json_object_object_add(o, "seq", json_object_new_uint64(v ? json_object_get_uint64(v) : 0));
    return o;
}

static int rest_audit(struct transport *transport, const char *verb, uint64_t after, const char *machine,
                      uint32_t limit, json_object **ret) {
    _cleanup_json_ json_object *all = json_object_new_array();
    struct rest_transport *t = rest_of(transport);
    _cleanup_free_ char *escaped = http_escape(t->http, machine), *cursor = NULL;
    size_t n = 0;
    int r;

    if (!escaped)
        return fail(verb, EXIT_FAILED, "out of memory");
    do {
        _cleanup_json_ json_object *page = NULL;
        json_object *list = NULL;

        r = rest_request(t, verb, "GET", NULL, false, &page, "/v1/audit?after=%" PRIu64 "&limit=%u%s%s%s%s", after,
                 limit && limit - n < 1000 ? (unsigned)(limit - n) : 1000, machine[0] ? "&machine=" : "", escaped,
                 cursor ? "&cursor=" : "", cursor ?: "");
        if (r != 0)
            return r;
        json_object_object_get_ex(page, "events", &list);
        for (size_t i = 0; list && i < json_object_array_length(list); i++)
            json_object_array_add(all, audit_entry(json_object_array_get_idx(list, i)));
        n = json_object_array_length(all);
        free(cursor);
        cursor = member_text(page, "next")[0] ? http_escape(t->http, member_text(page, "next")) : NULL;
    } while (cursor && (!limit || n < limit));
    *ret = json_object_get(all);
    return 0;
}

/* --- events as they come --- */

struct events {
    char *line;
    size_t n;
    int (*each)(void *userdata, json_object *entry);
    void *userdata;
};

/* Of an event only its line of data counts: the number is in it. */
static int take_line(struct events *e) {
    _cleanup_json_ json_object *o = NULL, *entry = NULL;

    if (strncmp(e->line, "data: ", 6) != 0)
        return 0;
    o = json_tokener_parse(e->line + 6);
    if (!o)
        return 0;
    entry = audit_entry(o);
    return e->each(e->userdata, entry);
}

static int on_events(void *userdata, const char *p, size_t n) {
    struct events *e = userdata;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            int r = 0;

            if (e->line) {
                e->line[e->n] = 0;
                r = take_line(e);
            }
            e->n = 0;
            if (r != 0)
                return r;
            continue;
        }
        if (e->n % 4096 == 0) {
            char *q = e->n < EVENT_MAX ? realloc(e->line, e->n + 4097) : NULL;

            if (!q)
                return -1;
            e->line = q;
        }
        e->line[e->n++] = p[i];
    }
    return 0;
}

static int rest_follow(struct transport *transport, const char *verb, uint64_t after, const char *machine,
                       int (*each)(void *userdata, json_object *entry), void *userdata) {
    struct rest_transport *t = rest_of(transport);
    _cleanup_free_ char *escaped = http_escape(t->http, machine), *path = NULL;
    struct events e = {.each = each, .userdata = userdata};
    char id[24];
    struct http_stream s = {.accept = "text/event-stream",
                            .last_event_id = id,
                            .data = on_events,
                            .userdata = &e,
                            .idle_ends = true};
    int r;

    snprintf(id, sizeof(id), "%" PRIu64, after);
    if (!escaped || asprintf(&path, "/v1/events%s%s", machine[0] ? "?machine=" : "", escaped) < 0)
        return fail(verb, EXIT_FAILED, "out of memory");
    s.path = path;
    r = http_follow(t->http, &s);
    free(e.line);
    /* No answer without an end has one: the gateway ended. */
    return r == 0 || r == EXIT_NO_DAEMON ? EXIT_NO_DAEMON : s.error[0] ? fail(verb, r, "%s", s.error) : r;
}

/* --- what a verifier takes along --- */

static int rest_audit_text(struct transport *t, const char *verb, const char *what, char **ret) {
    _cleanup_json_ json_object *answer = NULL;
    int r = rest_request(rest_of(t), verb, "GET", NULL, false, &answer, "/v1/audit/%s", what);

    if (r != 0)
        return r;
    *ret = strdup(member_text(answer, what));
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

static int rest_audit_export(struct transport *transport, const char *verb, uint64_t from, uint64_t to,
                             int (*sink)(void *userdata, const char *p, size_t n), void *userdata) {
    struct rest_transport *t = rest_of(transport);
    char path[96];
    struct http_stream s = {.path = path, .accept = "application/jsonl", .data = sink, .userdata = userdata};
    int r;

    snprintf(path, sizeof(path), "/v1/audit/export?from=%" PRIu64 "&to=%" PRIu64, from, to);
    r = http_follow(t->http, &s);
    return r && s.error[0] ? fail(verb, r, "%s", s.error) : r;
}

static int rest_audit_proof(struct transport *t, const char *verb, bool inclusion, uint64_t n, json_object **ret) {
    return rest_request(rest_of(t), verb, "GET", NULL, false, ret, inclusion ? "/v1/audit/inclusion?index=%" PRIu64 : "/v1/audit/consistency?old=%" PRIu64, n);
}

static int ask(struct rest_transport *t, const char *verb, const char *machine,
               const uint8_t nonce[NONCE_SIZE], const char *what, json_object **ret) {
    _cleanup_free_ char *escaped = http_escape(t->http, machine),
                        *base64 = cvm_base64url_encode(nonce, NONCE_SIZE);
    _cleanup_json_ json_object *body = json_object_new_object();

    if (!escaped || !base64)
        return fail(verb, EXIT_FAILED, "out of memory");
    json_object_object_add(body, "nonce", json_object_new_string(base64));
    return rest_request(t, verb, "POST", body, false, ret, "/v1/machines/%s/%s", escaped, what);
}

static int rest_report(struct transport *t, const char *verb, const char *machine,
                       const uint8_t nonce[NONCE_SIZE], void *ret, size_t size) {
    _cleanup_json_ json_object *answer = NULL;
    const char *s;
    size_t n = 0;
    int r = ask(rest_of(t), verb, machine, nonce, "report", &answer);

    if (r != 0)
        return r;
    s = member_text(answer, "report");
    if (cvm_base64url_decode(s, strlen(s), ret, size, &n) < 0 || n != size)
        return fail(verb, EXIT_FAILED, "the gateway sent no report of %zu bytes", size);
    return 0;
}

static int rest_evidence(struct transport *t, const char *verb, const char *machine,
                         const uint8_t nonce[NONCE_SIZE], char **ret) {
    _cleanup_json_ json_object *answer = NULL;
    int r = ask(rest_of(t), verb, machine, nonce, "evidence", &answer);

    if (r != 0)
        return r;
    *ret = strdup(
        json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

static const struct transport_ops rest_ops = {
    .close = rest_close,
    .get = rest_get,
    .list = rest_list,
    .call = rest_call,
    .cancel = rest_cancel,
    .wait = rest_wait,
    .audit = rest_audit,
    .follow = rest_follow,
    .audit_text = rest_audit_text,
    .audit_export = rest_audit_export,
    .audit_proof = rest_audit_proof,
    .open_log = rest_open_log,
    .open_console = rest_open_console,
    .settle = rest_settle,
    .report = rest_report,
    .evidence = rest_evidence,
    .put_key = rest_put_key,
    .enrolment = rest_enrolment,
    .clients = rest_clients,
    .add_client = rest_add_client,
    .remove_client = rest_remove_client,
    .create_token = rest_create_token,
    .authority = rest_authority,
};

int transport_rest_open(const char *verb, struct http_target *target, struct transport **ret) {
    struct rest_transport *t;
    int r = http_target_resolve(verb, target);

    if (r != 0)
        return r;
    t = calloc(1, sizeof(*t));
    if (!t)
        return fail(verb, EXIT_FAILED, "out of memory");
    t->t.ops = &rest_ops;
    t->target = *target;
    r = http_new(verb, target, &t->http);
    if (r != 0) {
        free(t);
        return r;
    }
    *ret = &t->t;
    return 0;
}
