/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "appraise.h"
#include "ear.h"
#include "evidence.h"
#include "json.h"
#include "key.h"
#include "release.h"

#define PROTOCOL_MAJOR 0u
#define PROTOCOL_VERSION "0.1.0"
#define ERROR_TYPE "https://github.com/confidential-containers/kbs/errors/"
#define PATH_RESOURCE "/kbs/v0/resource/"
#define KEY_UNAVAILABLE "key.unavailable"
#define KEY_UNREADABLE "key.unreadable"
#define UNAVAILABLE_SECONDS 5u
#define SUPERSEDED "instance.superseded"
#define SUPERSEDED_TEXT "a later instance of this machine has the key"
#define ID_SIZE (CVM_BROKER_SESSION_HEX / 2)

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

enum state { FREE, ASKED, ATTESTED };

struct session {
    enum state state;
    bool busy; /* a request works on it: no other may */
    bool given;    /* evidence was */
    bool released; /* and a key for it: then neither evidence nor verdict are kept */
    uint8_t id[ID_SIZE]; /* the first two bytes are its place in the table */
    uint8_t nonce[CVM_NONCE_SIZE];
    time_t end;
    void *evidence;
    size_t evidence_size;
    struct cvm_verdict *verdict; /* by the store's own policy */
};

struct cvm_broker {
    struct cvm_broker_store *store;
    pthread_mutex_t lock; /* of what follows */
    unsigned hint;        /* where a free session is looked for first */
    struct session session[CVM_BROKER_SESSIONS];
};

int cvm_broker_open(struct cvm_broker_store *store, struct cvm_broker **ret) {
    struct cvm_broker *b;

    /* Two that write one log would break its chain. */
    if (flock(store->log, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->store = store;
    pthread_mutex_init(&b->lock, NULL);
    *ret = b;
    return 0;
}

static void forget_evidence(struct session *s) {
    free(s->evidence);
    free(s->verdict);
    s->evidence = NULL;
    s->verdict = NULL;
}

static void drop(struct session *s) {
    forget_evidence(s);
    memset(s, 0, sizeof(*s));
}

void cvm_broker_free(struct cvm_broker *b) {
    if (!b)
        return;
    for (unsigned i = 0; i < CVM_BROKER_SESSIONS; i++)
        drop(&b->session[i]);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* --- replies ---------------------------------------------------------------------------- */

static int reply_json(struct cvm_broker_reply *ret, unsigned status, json_object *o) {
    const char *text = o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;

    ret->status = status;
    ret->body = text ? strdup(text) : NULL;
    return ret->body ? 0 : -ENOMEM;
}

/* As KBS tells errors: a type out of a fixed list, and a text. */
static int reply_error(struct cvm_broker_reply *ret, unsigned status, const char *type, const char *code,
                       const char *detail) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    char url[128];

    if (!o)
        return -ENOMEM;
    snprintf(url, sizeof(url), ERROR_TYPE "%s", type);
    json_object_object_add(o, "type", json_object_new_string(url));
    if (code)
        json_object_object_add(o, "code", json_object_new_string(code));
    json_object_object_add(o, "detail", json_object_new_string(detail));
    return reply_json(ret, status, o);
}

/* --- sessions --------------------------------------------------------------------------- */

/* A free place, or one whose time is over. Locked. */
static struct session *find_place(struct cvm_broker *b, time_t now) {
    for (unsigned n = 0; n < CVM_BROKER_SESSIONS; n++) {
        unsigned i = (b->hint + n) % CVM_BROKER_SESSIONS;
        struct session *s = &b->session[i];

        if (s->state == FREE || (!s->busy && s->end <= now)) {
            drop(s);
            b->hint = i + 1;
            s->id[0] = (uint8_t)i;
            s->id[1] = (uint8_t)(i >> 8);
            return s;
        }
    }
    return NULL;
}

/* The session of a cookie, for this request alone; give it back with put_session(). */
static struct session *get_session(struct cvm_broker *b, const struct cvm_broker_request *q) {
    uint8_t id[ID_SIZE];
    struct session *s;

    if (!q->session || cvm_hex_decode(q->session, strlen(q->session), id, sizeof(id)) < 0)
        return NULL;
    s = &b->session[(id[0] | id[1] << 8) % CVM_BROKER_SESSIONS];
    pthread_mutex_lock(&b->lock);
    if (s->state == FREE || s->busy || s->end <= q->now || CRYPTO_memcmp(s->id, id, sizeof(id)))
        s = NULL;
    else
        s->busy = true;
    pthread_mutex_unlock(&b->lock);
    return s;
}

static void put_session(struct cvm_broker *b, struct session *s) {
    pthread_mutex_lock(&b->lock);
    s->busy = false;
    pthread_mutex_unlock(&b->lock);
}

static int no_session(struct cvm_broker_reply *ret) {
    return reply_error(ret, 401, "UnAuthorized", "session.unknown", "no session of that cookie, or its time is over");
}

/* --- POST /auth ------------------------------------------------------------------------- */

/* Semantic versioning: "MAJOR.MINOR.PATCH", and what may stand behind it. Another major version may mean anything: -EPROTO. */
static int check_version(const char *s, struct cvm_error *e) {
    unsigned major, minor, patch;
    int n = 0;

    if (strspn(s, "0123456789.") < 5 || sscanf(s, "%5u.%5u.%5u%n", &major, &minor, &patch, &n) != 3 || !n || (s[n] && !strchr("-+", s[n])))
        return cvm_error_set(e, -EINVAL, "'version' is none: MAJOR.MINOR.PATCH");
    return major == PROTOCOL_MAJOR ? 0 : cvm_error_set(e, -EPROTO, "the broker speaks version " PROTOCOL_VERSION " of the protocol, not %u", major);
}

static int handle_auth(struct cvm_broker *b, const struct cvm_broker_request *q, struct cvm_broker_reply *ret) {
    _cleanup_(json_object_putp) json_object *in = NULL, *out = json_object_new_object();
    _cleanup_cvm_free_ char *nonce = NULL;
    uint8_t random[ID_SIZE - 2 + CVM_NONCE_SIZE];
    struct cvm_error e = {""};
    const char *tee = NULL, *version = NULL;
    struct session *s;
    int r;

    r = cvm_json_parse(q->body, q->size, &in, &e);
    if (r == 0)
        r = cvm_json_string(in, "tee", &tee, &e);
    if (r == 0 && strcmp(tee, "cvmd"))
        r = cvm_error_set(&e, -EINVAL, "the tee must be 'cvmd'");
    if (r == 0)
        r = cvm_json_string(in, "version", &version, &e);
    if (r == 0)
        r = check_version(version, &e);
    if (r == -EPROTO)
        return reply_error(ret, 400, "ProtocolVersion", "request.version", e.text);
    if (r < 0)
        return reply_error(ret, 400, "InvalidRequest", "request.malformed", e.text);
    if (!out || RAND_bytes(random, sizeof(random)) != 1)
        return -ENOMEM;
    pthread_mutex_lock(&b->lock);
    s = find_place(b, q->now);
    if (s) {
        s->state = ASKED;
        memcpy(s->id + 2, random, ID_SIZE - 2);
        memcpy(s->nonce, random + ID_SIZE - 2, CVM_NONCE_SIZE);
        s->end = q->now + CVM_BROKER_SESSION_SECONDS;
        cvm_hex_encode(s->id, ID_SIZE, ret->session);
        nonce = cvm_base64url_encode(s->nonce, CVM_NONCE_SIZE);
    }
    pthread_mutex_unlock(&b->lock);
    if (!s) {
        ret->retry_after = 30;
        return reply_error(ret, 503, "Busy", "sessions.full", "too many sessions at once");
    }
    if (!nonce)
        return -ENOMEM;
    json_object_object_add(out, "nonce", json_object_new_string(nonce));
    json_object_object_add(out, "extra-params", json_object_new_string(""));
    return reply_json(ret, 200, out);
}

/* --- POST /attest ----------------------------------------------------------------------- */

/* The evidence of a request: an object, or text that holds one. */
static int take_evidence(const struct cvm_broker_request *q, struct session *s, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *in = NULL;
    json_object *evidence = NULL;
    const char *text;
    int r;

    r = cvm_json_parse(q->body, q->size, &in, e);
    if (r < 0)
        return r;
    if (!json_object_object_get_ex(in, "tee-evidence", &evidence))
        return cvm_error_set(e, -ENOENT, "no member 'tee-evidence'");
    text = json_object_is_type(evidence, json_type_object)
               ? json_object_to_json_string_ext(evidence, JSON_C_TO_STRING_PLAIN)
               : json_object_get_string(evidence);
    if (!text || strlen(text) > CVM_BROKER_EVIDENCE_MAX)
        return cvm_error_set(e, -EFBIG, "the evidence has more than %u bytes", CVM_BROKER_EVIDENCE_MAX);
    s->evidence_size = strlen(text);
    s->evidence = strdup(text);
    s->given = s->evidence;
    return s->evidence ? 0 : -ENOMEM;
}

static int appraise(const struct cvm_broker *b, const struct session *s, const struct cvm_policy *policy, time_t now,
                    struct cvm_verdict *v) {
    const struct cvm_appraisal a = {
        .evidence = s->evidence,
        .evidence_size = s->evidence_size,
        .nonce = s->nonce,
        .reference = &policy->reference,
        .policy = policy,
        .now = now,
        .enrolment = b->store->enrolment,
        .nr_enrolment = b->store->nr_enrolment,
    };

    return cvm_appraise(&a, v);
}

static int sign_token(const struct cvm_broker *b, const struct session *s, time_t now, char **ret) {
    return cvm_ear_create(
        &(struct cvm_ear_input){
            .verdict = s->verdict,
            .nonce = s->nonce,
            .evidence = s->evidence,
            .evidence_size = s->evidence_size,
            .policy_id = b->store->policy.id,
            .now = now,
            .signing_key = b->store->signing_key,
        },
        ret);
}

static const struct cvm_finding *primary(const struct cvm_verdict *v) {
    static const struct cvm_finding none = {.code = "none", .detail = "every link holds"};

    return v->primary >= 0 ? &v->finding[v->primary] : &none;
}

/* Nobody signed for a report whose evidence is broken. */
static const struct cvm_report *genuine(const struct cvm_verdict *v) {
    return v->has_report && v->failure != CVM_BROKEN_EVIDENCE ? &v->report : NULL;
}

/* A JWT has no character that JSON would escape: it goes as it is, all its kilobytes. */
static int reply_token(struct cvm_broker_reply *ret, const char *token) {
    static const char before[] = "{\"token\":\"", behind[] = "\"}";
    size_t n = strlen(token);

    ret->body = malloc(sizeof(before) - 1 + n + sizeof(behind));
    if (!ret->body)
        return -ENOMEM;
    ret->status = 200;
    memcpy(ret->body, before, sizeof(before) - 1);
    memcpy(ret->body + sizeof(before) - 1, token, n);
    memcpy(ret->body + sizeof(before) - 1 + n, behind, sizeof(behind));
    return 0;
}

static int attest(struct cvm_broker *b, const struct cvm_broker_request *q, struct session *s,
                  struct cvm_broker_reply *ret) {
    _cleanup_cvm_free_ char *token = NULL;
    struct cvm_broker_event event = {.event = "refused", .peer = q->peer, .now = q->now};
    struct cvm_error e = {""};
    const struct cvm_finding *f;
    const char *code = NULL;
    int r;

    r = take_evidence(q, s, &e);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return reply_error(ret, 400, "InvalidRequest", "request.malformed", e.text);
    if (!s->verdict)
        s->verdict = malloc(sizeof(*s->verdict));
    if (!s->verdict)
        return -ENOMEM;
    s->state = ASKED;
    r = appraise(b, s, &b->store->policy, q->now, s->verdict);
    if (r < 0)
        return r;
    f = primary(s->verdict);
    event.report = genuine(s->verdict);
    event.code = f->code;
    event.detail = f->detail;
    if (s->verdict->tier == CVM_TIER_CONTRAINDICATED) {
        r = cvm_broker_log(b->store, &event);
        return r < 0 ? r : reply_error(ret, 401, "AttestationFailed", f->code, f->detail);
    }
    r = cvm_broker_revoked(b->store, &s->verdict->report, &code, &e);
    if (r != 0) {
        event.code = r < 0 ? "revoked.unreadable" : code;
        event.detail = e.text;
        r = cvm_broker_log(b->store, &event);
        return r < 0 ? r : reply_error(ret, 401, "AttestationFailed", event.code, event.detail);
    }
    r = sign_token(b, s, q->now, &token);
    event.event = "attested";
    if (r == 0)
        r = cvm_broker_log(b->store, &event);
    if (r < 0)
        return r;
    s->state = ATTESTED;
    cvm_leases_renew(b->store->leases, &s->verdict->report, q->now);
    return reply_token(ret, token);
}

static int handle_attest(struct cvm_broker *b, const struct cvm_broker_request *q, struct cvm_broker_reply *ret) {
    struct session *s = get_session(b, q);
    int r;

    if (!s)
        return no_session(ret);
    /* A nonce is asked once: evidence that failed may not be mended until it passes. */
    if (s->given)
        r = reply_error(ret, 409, "SessionUsed", "session.used", "evidence was given in this session; begin another");
    else
        r = attest(b, q, s, ret);
    put_session(b, s);
    return r;
}

/* --- GET /resource ---------------------------------------------------------------------- */

/* Affirming, or warnings that the resource accepts by name. Else the finding that stands against it. */
static const struct cvm_finding *objection(const struct cvm_verdict *v, const struct cvm_broker_resource *res) {
    if (v->tier == CVM_TIER_AFFIRMING)
        return NULL;
    if (v->tier != CVM_TIER_WARNING)
        return primary(v);
    for (unsigned i = 0; i < CVM_CHECK_MAX; i++) {
        const struct cvm_finding *f = &v->finding[i];
        /* No link failed: what was skipped depends on one that is told as a warning. */
        bool accepted = f->state == CVM_OK || f->state == CVM_SKIPPED;

        for (unsigned n = 0; n < res->nr_accepted && !accepted; n++)
            accepted = f->state == CVM_WARN && f->code && strcmp(f->code, res->accepted[n]) == 0;
        if (!accepted)
            return f;
    }
    return NULL;
}

/* Whoever had the key before is no longer waited for: what it does from now on is an older state of the machine. */
static void supersede(struct cvm_broker *b, const struct cvm_broker_request *q, const struct cvm_broker_resource *res,
                      const struct cvm_report *newest) {
    struct cvm_lease over;
    unsigned from = 0;

    while (cvm_leases_take_others(b->store->leases, res->name, newest, &from, &over))
        cvm_broker_log(b->store, &(struct cvm_broker_event){
                                     .event = "superseded",
                                     .resource = over.resource,
                                     .code = SUPERSEDED,
                                     .detail = "a later instance of this machine got the key",
                                     .peer = q->peer,
                                     .report = &over.report,
                                     .now = q->now,
                                 });
}

static int send_blob(const struct cvm_key_blob *blob, struct cvm_broker_reply *ret) {
    static const char header[] = "{\"alg\":\"HPKE-Base-P256-SHA256-AES256GCM\",\"typ\":\"vnd.cvmd.key-blob\"}";
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    _cleanup_cvm_free_ char *text = cvm_base64url_encode(blob, sizeof(*blob));
    _cleanup_cvm_free_ char *head = cvm_base64url_encode(header, sizeof(header) - 1);

    if (!o || !text || !head)
        return -ENOMEM;
    json_object_object_add(o, "protected", json_object_new_string(head));
    json_object_object_add(o, "blob", json_object_new_string(text));
    return reply_json(ret, 200, o);
}

/* 0: @blob is sealed. 1: refused, with the reason in @event. */
static int decide(struct cvm_broker *b, const struct session *s, const struct cvm_broker_resource *res,
                  struct cvm_broker_event *event, struct cvm_key_blob *blob, struct cvm_error *e, time_t now) {
    _cleanup_cvm_free_ struct cvm_verdict *own = NULL;
    const struct cvm_verdict *v = s->verdict;
    const struct cvm_finding *f = objection(v, res);
    uint8_t key[CVM_KEY_MAX];
    const char *code = NULL;
    size_t size = 0;
    int r;

    if (!f && res->has_policy) {
        own = malloc(sizeof(*own));
        r = own ? appraise(b, s, &res->policy, now, own) : -ENOMEM;
        if (r < 0)
            return r;
        f = objection(own, res);
        if (f)
            cvm_error_set(e, 0, "%s", f->detail);
    } else if (f)
        cvm_error_set(e, 0, "%s", f->detail);
    event->code = f ? f->code : NULL;
    event->detail = e->text;
    if (f)
        return 1;
    r = cvm_broker_revoked(b->store, &v->report, &code, e);
    if (r != 0) {
        event->code = r < 0 ? "revoked.unreadable" : code;
        return 1;
    }
    /* Before the instances: one that is refused here must not be the newest there. */
    r = cvm_broker_rollback(b->store, res->name, &v->report, res->rollback, &code, e);
    if (r != 0) {
        event->code = r < 0 ? "rollback.unreadable" : code;
        return 1;
    }
    r = cvm_broker_instance(b->store, res->name, &v->report, &event->generation, e);
    if (r < 0 || (r == 1 && !res->any_instance)) {
        event->code = r < 0 ? "instances.unreadable" : SUPERSEDED;
        if (r == 1)
            cvm_error_set(e, 0, SUPERSEDED_TEXT);
        return 1;
    }
    r = cvm_broker_key_load(b->store, res->name, key, &size, e);
    if (r < 0) {
        event->code = r == -EAGAIN ? KEY_UNAVAILABLE : KEY_UNREADABLE;
        return r == -ENOMEM ? r : 1;
    }
    if (res->mark != CVM_BROKER_MARK_NONE)
        r = cvm_broker_mark(b->store, res->name, &v->report, event->generation, res->mark, key, &size, &event->disk_generation, e);
    if (r != 0) {
        OPENSSL_cleanse(key, sizeof(key));
        event->code = r < 0 ? "mark.unreadable" : SUPERSEDED;
        if (r == 1)
            cvm_error_set(e, 0, SUPERSEDED_TEXT);
        return 1;
    }
    r = cvm_key_release(&v->report, key, size, blob);
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

/* How the keys are kept is for the log, not for who asks. */
static int reply_refusal(struct cvm_broker_reply *ret, const struct cvm_broker_event *event) {
    if (strcmp(event->code, KEY_UNAVAILABLE) == 0) {
        ret->retry_after = UNAVAILABLE_SECONDS;
        return reply_error(ret, 503, "Busy", event->code, "the key cannot be had at the moment");
    }
    return reply_error(ret, 403, "PolicyDeny", event->code,
                       strcmp(event->code, KEY_UNREADABLE) ? event->detail : "the broker cannot read this key");
}

static int release(struct cvm_broker *b, const struct cvm_broker_request *q, struct session *s,
                   struct cvm_broker_reply *ret) {
    _cleanup_cvm_free_ struct cvm_broker_resource *res = malloc(sizeof(*res));
    const char *name = q->path + strlen(PATH_RESOURCE);
    struct cvm_broker_event event = {
        .event = "refused", .peer = q->peer, .now = q->now};
    struct cvm_key_blob blob;
    struct cvm_error e = {""};
    int r;

    if (!res)
        return -ENOMEM;
    if (s->released)
        return reply_error(ret, 409, "SessionUsed", "session.used", "a key was released in this session; begin another");
    event.report = &s->verdict->report;
    event.resource = cvm_broker_name_ok(name) ? name : NULL;
    r = cvm_broker_resource_load(b->store, name, res, &e);
    if (r < 0) {
        event.code = r == -ENOENT || !event.resource ? "resource.unknown" : "resource.malformed";
        event.detail = e.text;
        r = cvm_broker_log(b->store, &event);
        /* What the store holds is nobody's business. */
        return r < 0 ? r : reply_error(ret, 404, "ResourceNotFound", "resource.unknown", "no such resource");
    }
    r = decide(b, s, res, &event, &blob, &e, q->now);
    if (r < 0)
        return r;
    if (r == 0) {
        event.event = "released";
        event.lease = res->lease;
        event.code = event.detail = NULL;
    }
    /* On the disk first: no key leaves that is not in the log. */
    if (cvm_broker_log(b->store, &event) < 0)
        return reply_error(ret, 500, "Internal", "log.failed", "the log cannot be written, so nothing is released");
    if (r == 1)
        return reply_refusal(ret, &event);
    s->released = true;
    if (!res->any_instance)
        supersede(b, q, res, &s->verdict->report);
    cvm_leases_begin(b->store->leases, res->name, res->lease, &s->verdict->report, q->now);
    forget_evidence(s);
    return send_blob(&blob, ret);
}

static int handle_resource(struct cvm_broker *b, const struct cvm_broker_request *q, struct cvm_broker_reply *ret) {
    struct session *s = get_session(b, q);
    int r;

    if (!s)
        return no_session(ret);
    r = s->state == ATTESTED ? release(b, q, s, ret)
                             : reply_error(ret, 401, "UnAuthorized", "session.not-attested", "attest first");
    put_session(b, s);
    return r;
}

int cvm_broker_handle(struct cvm_broker *b, const struct cvm_broker_request *q, struct cvm_broker_reply *ret) {
    static const struct {
        const char *path, *method;
        int (*run)(struct cvm_broker *b, const struct cvm_broker_request *q, struct cvm_broker_reply *ret);
    } routes[] = {
        {"/kbs/v0/auth", "POST", handle_auth},
        {"/kbs/v0/attest", "POST", handle_attest},
        {PATH_RESOURCE, "GET", handle_resource},
    };

    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < ELEMENTSOF(routes); i++) {
        size_t n = strlen(routes[i].path);

        if (routes[i].path[n - 1] == '/' ? strncmp(q->path, routes[i].path, n) : strcmp(q->path, routes[i].path))
            continue;
        if (strcmp(q->method, routes[i].method))
            return reply_error(ret, 405, "InvalidRequest", "request.method", "another method is wanted");
        return routes[i].run(b, q, ret);
    }
    return reply_error(ret, 404, "InvalidRequest", "request.path", "no such path");
}

unsigned cvm_broker_expire(struct cvm_broker *b, time_t now) {
    unsigned n = 0, from = 0;
    struct cvm_lease over;

    cvm_broker_log_sync(b->store);
    for (; cvm_leases_take_over(b->store->leases, now, &from, &over); n++)
        cvm_broker_log(b->store, &(struct cvm_broker_event){
                                     .event = "lease-expired",
                                     .resource = over.resource,
                                     .code = "lease.expired",
                                     .detail = "the VM holds the key and has not attested again",
                                     .report = &over.report,
                                     .now = now,
                                 });
    return n;
}
