/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl key: carries a disk key from the tenant's broker to a machine. Each step can be done on another
 * machine, by anybody: what is carried is sealed to the Guardian.
 */
#include "broker-client.h"
#include "output.h"
#include "transport.h"

#include "attest/broker.h"
#include "attest/evidence.h"
#include "attest/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SESSION_PROFILE "tag:cvmd.org,2026:broker-session#1"

enum { OPT_BROKER = OPTION_LONG, OPT_CERTIFICATE, OPT_RESOURCE, OPT_SESSION, OPT_REPORT, OPT_EAR };

struct key_options {
    const char *broker, *certificate, *resource, *session, *report, *output, *ear;
};

static const struct verb_option broker_options[] = {
    {"broker", OPT_BROKER, "URL", "https://HOST:PORT of the tenant's key broker"},
    {"broker-cert", OPT_CERTIFICATE, "FILE", "certificate (PEM) that the broker must show"},
    {0},
};
static const struct verb_option resource_options[] = {
    {"resource", OPT_RESOURCE, "REPO/TYPE/TAG", "which key"},
    {"ear", OPT_EAR, "FILE", "where to write the broker's verdict, a JWT"},
    {0},
};
static const struct verb_option challenge_options[] = {
    {"output", 'o', "FILE", "where to write the session"},
    {0},
};
static const struct verb_option fetch_options[] = {
    {"session", OPT_SESSION, "FILE", "what 'key challenge' wrote"},
    {"report", OPT_REPORT, "FILE", "evidence that answers the session's nonce"},
    {"output", 'o', "FILE", "where to write the sealed key"},
    {0},
};

static int parse_options(int argc, char **argv, struct key_options *o) {
    int c;

    *o = (struct key_options){0};
    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_BROKER:
            o->broker = optarg;
            break;
        case OPT_CERTIFICATE:
            o->certificate = optarg;
            break;
        case OPT_RESOURCE:
            o->resource = optarg;
            break;
        case OPT_SESSION:
            o->session = optarg;
            break;
        case OPT_REPORT:
            o->report = optarg;
            break;
        case OPT_EAR:
            o->ear = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        }
    if (o->resource && !cvm_broker_name_ok(o->resource))
        return usage_error(argv[0], "a resource is named REPOSITORY/TYPE/TAG, not '%s'", o->resource);
    return 0;
}

static int missing(const char *verb, const char *what) {
    return usage_error(verb, "--%s is missing", what);
}

/* What the broker said, as an exit status. */
static int tell(const char *verb, int r, const struct broker_refusal *why) {
    if (r == -EACCES)
        return fail(verb, EXIT_REFUSED, "the broker refused: %s [%s]", why->detail, *why->code ? why->code : "no code");
    if (r == -ENOMEM)
        return fail(verb, EXIT_FAILED, "out of memory");
    return fail(verb, EXIT_FAILED, r == -EPROTO ? "this is no key broker: %s" : "cannot reach the broker: %s",
                why->detail);
}

static int begin(const char *verb, const struct key_options *o, struct broker_session *s) {
    struct broker_refusal why;
    size_t n;
    int r;

    if (!o->broker || !o->certificate)
        return missing(verb, o->broker ? "broker-cert" : "broker");
    n = strlen(o->broker);
    while (n && o->broker[n - 1] == '/')
        n--;
    if (n >= sizeof(s->url) || strlen(o->certificate) >= sizeof(s->certificate))
        return usage_error(verb, "--broker or --broker-cert is too long");
    memset(s, 0, sizeof(*s));
    memcpy(s->url, o->broker, n);
    strcpy(s->certificate, o->certificate);
    r = broker_client_auth(s, &why);
    return r < 0 ? tell(verb, r, &why) : 0;
}

/* Evidence to the broker, the sealed key back. */
static int exchange(const char *verb, const struct key_options *o, const struct broker_session *s,
                    const char *evidence, struct cvm_key_blob *blob) {
    _cleanup_free_ char *token = NULL;
    struct broker_refusal why;
    struct cvm_error e = {""};
    int r;

    r = broker_client_attest(s, evidence, &token, &why);
    if (r == 0 && o->ear && cvm_write_file(o->ear, token, strlen(token), &e) < 0)
        return fail(verb, EXIT_FAILED, "%s", e.text);
    if (r == 0)
        r = broker_client_resource(s, o->resource, blob, &why);
    return r < 0 ? tell(verb, r, &why) : 0;
}

/* Of those that talk to a broker and to no cvmd. */
static const struct verb_status broker_statuses[] = {
    {EXIT_OK, "success"},
    {EXIT_FAILED, "failure; the broker cannot be reached, or a file not be read"},
    {EXIT_USAGE, "usage"},
    {EXIT_REFUSED, "the broker refused"},
    {-1},
};

/* --- the steps, one by one -------------------------------------------------------------- */

static int verb_challenge(int argc, char **argv) {
    _cleanup_json_ json_object *j = json_object_new_object();
    struct broker_session s;
    struct key_options o;
    struct cvm_error e = {""};
    char hex[2 * NONCE_SIZE + 1];
    const char *text;
    int r;

    r = parse_options(argc, argv, &o);
    if (r == 0 && !o.output)
        r = missing(argv[0], "output");
    if (r == 0)
        r = begin(argv[0], &o, &s);
    if (r != 0)
        return r;
    cvm_hex_encode(s.nonce, sizeof(s.nonce), hex);
    json_object_object_add(j, "profile", json_object_new_string(SESSION_PROFILE));
    json_object_object_add(j, "broker", json_object_new_string(s.url));
    json_object_object_add(j, "certificate", json_object_new_string(s.certificate));
    json_object_object_add(j, "cookie", json_object_new_string(s.cookie));
    json_object_object_add(j, "nonce", json_object_new_string(hex));
    text = json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    r = cvm_write_file(o.output, text, strlen(text), &e);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    if (arg_json)
        return print_json(j);
    puts(hex);
    return EXIT_OK;
}

static int read_session(const char *path, struct broker_session *s, struct cvm_error *e) {
    static const char *const names[] = {"broker", "certificate", "cookie"};
    char *const out[] = {s->url, s->certificate, s->cookie};
    const size_t sizes[] = {sizeof(s->url), sizeof(s->certificate), sizeof(s->cookie)};
    _cleanup_json_ json_object *o = NULL;
    _cleanup_free_ void *buf = NULL;
    const char *text;
    size_t size = 0;
    int r;

    r = cvm_read_file(path, CVM_JSON_MAX, &buf, &size, e);
    if (r == 0)
        r = cvm_json_parse(buf, size, &o, e);
    for (unsigned i = 0; r == 0 && i < ELEMENTSOF(names); i++) {
        r = cvm_json_string(o, names[i], &text, e);
        if (r == 0 && strlen(text) >= sizes[i])
            r = cvm_error_set(e, -EINVAL, "%s is too long", names[i]);
        if (r == 0)
            strcpy(out[i], text);
    }
    return r < 0 ? r : cvm_json_hex(o, "nonce", s->nonce, sizeof(s->nonce), e);
}

static int verb_fetch(int argc, char **argv) {
    _cleanup_free_ char *evidence = NULL;
    struct broker_session s = {""};
    struct cvm_key_blob blob;
    struct key_options o;
    struct cvm_error e = {""};
    size_t size = 0;
    int r;

    r = parse_options(argc, argv, &o);
    if (r != 0)
        return r;
    if (!o.session || !o.report || !o.resource || !o.output)
        return missing(argv[0], !o.session ? "session" : !o.report ? "report" : !o.resource ? "resource" : "output");
    r = read_session(o.session, &s, &e);
    if (r == 0)
        r = cvm_read_file(o.report, CVM_BROKER_EVIDENCE_MAX, (void **)&evidence, &size, &e);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    r = exchange(argv[0], &o, &s, evidence, &blob);
    if (r != 0)
        return r;
    r = cvm_write_file(o.output, &blob, sizeof(blob), &e);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    return done(members("resource", o.resource, "file", o.output, NULL), "Sealed key %s written to %s.\n", o.resource, o.output);
}

static int verb_put(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_free_ void *blob = NULL;
    struct cvm_error e = {""};
    struct key_options o;
    size_t size = 0;
    int r;

    r = parse_options(argc, argv, &o);
    if (r != 0)
        return r;
    r = cvm_read_file(argv[optind + 1], sizeof(struct cvm_key_blob), &blob, &size, &e);
    if (r == 0 && size != sizeof(struct cvm_key_blob))
        r = cvm_error_set(&e, -EINVAL, "'%s' has %zu bytes, a sealed key has %zu", argv[optind + 1], size,
                          sizeof(struct cvm_key_blob));
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->put_key(t, argv[0], argv[optind], blob, size);
    return r ?: done(members("machine", argv[optind], NULL), "The Guardian of '%s' has the key.\n", argv[optind]);
}

/* --- all at once ------------------------------------------------------------------------ */

static int verb_release(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_free_ char *evidence = NULL;
    struct broker_session s;
    struct cvm_key_blob blob;
    struct key_options o;
    int r;

    r = parse_options(argc, argv, &o);
    if (r == 0 && !o.resource)
        r = missing(argv[0], "resource");
    if (r == 0)
        r = transport_open(argv[0], &t);
    if (r == 0)
        r = begin(argv[0], &o, &s);
    if (r == 0)
        r = t->ops->evidence(t, argv[0], argv[optind], s.nonce, &evidence);
    if (r == 0)
        r = exchange(argv[0], &o, &s, evidence, &blob);
    if (r == 0)
        r = t->ops->put_key(t, argv[0], argv[optind], &blob, sizeof(blob));
    return r ?: done(members("machine", argv[optind], "resource", o.resource, NULL), "The Guardian of '%s' has the key %s.\n",
                     argv[optind], o.resource);
}

/* Attests again, so that the broker's lease goes on: no key moves. */
static int verb_renew(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_free_ char *evidence = NULL;
    struct broker_session s;
    struct broker_refusal why;
    struct key_options o;
    int r;

    r = parse_options(argc, argv, &o);
    if (r == 0)
        r = transport_open(argv[0], &t);
    if (r == 0)
        r = begin(argv[0], &o, &s);
    if (r == 0)
        r = t->ops->evidence(t, argv[0], argv[optind], s.nonce, &evidence);
    if (r != 0)
        return r;
    r = broker_client_attest(&s, evidence, NULL, &why);
    if (r < 0)
        return tell(argv[0], r, &why);
    return done(members("machine", argv[optind], NULL), "The broker accepts '%s' as it is.\n", argv[optind]);
}

const struct verb key_verbs[] = {
    {.name = "key release",
     .arguments = "MACHINE",
     .summary = "have a tenant's broker release a disk key to a machine",
     .run = verb_release,
     .text = "Asks the broker for a nonce, hands it a report that answers it, and hands the key, which is sealed to the\n"
             "machine's Guardian, to that Guardian. This host can read none of it but the report.",
     .options = {broker_options, resource_options},
     .remark = "--broker URL --broker-cert FILE --resource REPO/TYPE/TAG",
     .remote = true},
    {.name = "key renew",
     .arguments = "MACHINE",
     .summary = "attest again to a broker before its lease ends",
     .run = verb_renew,
     .options = {broker_options},
     .remark = "--broker URL --broker-cert FILE",
     .remote = true},
    {.name = "key challenge",
     .arguments = "",
     .summary = "begin a session with a broker, print its nonce",
     .run = verb_challenge,
     .text = "For machines that cannot reach the broker: 'cvmctl report --nonce', 'key fetch' and 'key put' go on.",
     .options = {broker_options, challenge_options},
     .statuses = broker_statuses,
     .remark = "--broker URL --broker-cert FILE -o FILE"},
    {.name = "key fetch",
     .arguments = "",
     .summary = "hand evidence to a broker, get a sealed key",
     .run = verb_fetch,
     .options = {fetch_options, resource_options},
     .statuses = broker_statuses,
     .remark = "--session FILE --report FILE --resource REPO/TYPE/TAG -o FILE"},
    {.name = "key put",
     .arguments = "MACHINE FILE",
     .summary = "hand a sealed key to a machine's Guardian",
     .run = verb_put,
     .options = {NULL},
     .remote = true},
    {0},
};
