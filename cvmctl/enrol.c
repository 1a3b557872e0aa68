/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl enrol: the tenant's half of enrolling a host's TPM. Files only; the host's half is `cvmctl host
 * endorsement` and `cvmctl host activate`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attest/enrolment.h"
#include "attest/json.h"
#include "attest/key.h"
#include "cvmctl.h"

#define FILE_MAX 65536u

CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

struct enrol_options {
    const char *endorsement, *roots, *intermediates, *session, *response, *signing_key, *output, *valid;
};

enum {
    OPT_ENDORSEMENT = OPTION_LONG,
    OPT_ROOTS,
    OPT_INTERMEDIATES,
    OPT_SESSION,
    OPT_RESPONSE,
    OPT_SIGNING_KEY,
    OPT_VALID,
    OPT_ENROLMENT_KEY
};

static const struct verb_option make_options[] = {
    {"endorsement", OPT_ENDORSEMENT, "FILE", "what `cvmctl host endorsement` wrote on the host"},
    {"ek-roots", OPT_ROOTS, "FILE",
     "CA certificates (PEM) of makers of TPMs that you trust, got\nfrom the makers; with CRLs, if every "
     "chain shall "
     "be\nchecked against them"},
    {"ek-intermediates", OPT_INTERMEDIATES, "FILE", "further certificates (PEM) that a chain may need"},
    {"session", OPT_SESSION, "FILE", "where to keep the secret until `enrol finish`"},
    {"output", 'o', "FILE", "the challenge, for `cvmctl host activate`"},
    {0},
};
static const struct verb_option finish_options[] = {
    {"session", OPT_SESSION, "FILE", "of `enrol make-credential`"},
    {"response", OPT_RESPONSE, "FILE", "what `cvmctl host activate` wrote on the host"},
    {"signing-key", OPT_SIGNING_KEY, "FILE", "your P-256 private key, PEM"},
    {"valid", OPT_VALID, "DAYS", "how long the record holds; 365 if not given"},
    {"output", 'o', "FILE", "the record, for `cvmctl verify --enrolment`"},
    {0},
};
static const struct verb_option show_options[] = {
    {"enrolment-key", OPT_ENROLMENT_KEY, "FILE", "key that must have signed the record"},
    {0},
};

static void parse_options(int argc, char **argv, struct enrol_options *o) {
    int c;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_ENDORSEMENT:
            o->endorsement = optarg;
            break;
        case OPT_ROOTS:
            o->roots = optarg;
            break;
        case OPT_INTERMEDIATES:
            o->intermediates = optarg;
            break;
        case OPT_SESSION:
            o->session = optarg;
            break;
        case OPT_RESPONSE:
            o->response = optarg;
            break;
        case OPT_SIGNING_KEY:
        case OPT_ENROLMENT_KEY:
            o->signing_key = optarg;
            break;
        case OPT_VALID:
            o->valid = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        }
}

/* The session holds a secret: a new file that only its owner reads. */
static int write_private(const char *path, const char *text, struct cvm_error *e) {
    size_t left = strlen(text);
    int fd, r = 0;

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return cvm_error_set(e, -errno, "cannot create '%s': %s", path, strerror(errno));
    while (left && r == 0) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno != EINTR)
            r = cvm_error_set(e, -errno, "cannot write '%s': %s", path, strerror(errno));
        else if (n > 0) {
            text += n;
            left -= (size_t)n;
        }
    }
    close(fd);
    return r;
}

static int make_credential(const struct enrol_options *o, const char *host, struct cvm_error *e) {
    _cleanup_free_ struct cvm_enrolment_session *s = malloc(sizeof(*s));
    _cleanup_free_ char *challenge = NULL, *text = NULL;
    _cleanup_free_ void *buf = NULL;
    struct cvm_error why = {""};
    struct cvm_ek_trust trust;
    json_object *said;
    size_t size = 0;
    int r;

    if (!s)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_read_file(o->endorsement, FILE_MAX, &buf, &size, e);
    if (r == 0)
        r = cvm_ek_trust_load(o->roots, o->intermediates, time(NULL), &trust, e);
    if (r < 0)
        return r;
    r = cvm_enrolment_begin(&trust, host, buf, size, s, &challenge, &why);
    cvm_ek_trust_done(&trust);
    if (r < 0)
        return cvm_error_set(e, r, "'%s': %.300s", o->endorsement, why.text);
    if (cvm_enrolment_session_to_text(s, &text) < 0)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = write_private(o->session, text, e);
    OPENSSL_cleanse(text, strlen(text));
    if (r == 0)
        r = cvm_write_file(o->output, challenge, strlen(challenge), e);
    if (r < 0)
        return r;
    said = members("host", s->record.host, "tpm_manufacturer", s->record.ek.manufacturer, "tpm_model", s->record.ek.model,
                "ek_issuer", s->record.ek.issuer, NULL);
    json_object_object_add(said, "tpm_emulated", json_object_new_boolean(s->record.ek.emulated));
    (void)done(said, "TPM %s %s, certified by %s%s.\n", s->record.ek.manufacturer, s->record.ek.model, s->record.ek.issuer,
               s->record.ek.emulated ? " (EMULATED: protects from nobody who owns the machine it runs on)" : "");
    return 0;
}

static int verb_make_credential(int argc, char **argv) {
    struct enrol_options o = {0};
    struct cvm_error e = {""};

    parse_options(argc, argv, &o);
    if (!o.endorsement || !o.roots || !o.session || !o.output)
        return usage_error(argv[0], "--%s is missing",
                           !o.endorsement ? "endorsement"
                           : !o.roots     ? "ek-roots"
                           : !o.session   ? "session"
                                          : "output");
    return make_credential(&o, argv[optind], &e) < 0 ? fail(argv[0], EXIT_FAILED, "%s", e.text) : EXIT_OK;
}

static int finish(const struct enrol_options *o, int64_t lifetime, struct cvm_error *e) {
    _cleanup_free_ struct cvm_enrolment_session *s = malloc(sizeof(*s));
    _cleanup_free_ void *session = NULL, *response = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    size_t session_size = 0, response_size = 0;
    _cleanup_free_ char *record = NULL;
    struct cvm_error why = {""};
    int r;

    if (!s)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_read_file(o->session, FILE_MAX, &session, &session_size, e);
    if (r == 0)
        r = cvm_read_file(o->response, FILE_MAX, &response, &response_size, e);
    if (r == 0)
        r = cvm_key_load_private(o->signing_key, &key, e);
    if (r < 0)
        return r;
    r = cvm_enrolment_session_parse(session, session_size, s, &why);
    if (r < 0)
        return cvm_error_set(e, r, "'%s': %.300s", o->session, why.text);
    r = cvm_enrolment_finish(s, response, response_size, key, time(NULL), lifetime, &record, &why);
    if (r < 0)
        return cvm_error_set(e, r, "'%s': %.300s", o->response, why.text);
    r = cvm_write_file(o->output, record, strlen(record), e);
    if (r == 0)
        (void)done(members("host", s->record.host, "file", o->output, NULL), "Host '%s' is enrolled.\n", s->record.host);
    return r;
}

static int verb_finish(int argc, char **argv) {
    struct enrol_options o = {0};
    struct cvm_error e = {""};
    uint64_t days = 365;

    parse_options(argc, argv, &o);
    if (!o.session || !o.response || !o.signing_key || !o.output)
        return usage_error(argv[0], "--%s is missing",
                           !o.session       ? "session"
                           : !o.response    ? "response"
                           : !o.signing_key ? "signing-key"
                                            : "output");
    if (o.valid && parse_number(o.valid, 1, 36500, &days) < 0)
        return usage_error(argv[0], "--valid takes 1 to 36500 days, not '%s'", o.valid);
    return finish(&o, (int64_t)days * 86400, &e) < 0 ? fail(argv[0], EXIT_FAILED, "%s", e.text) : EXIT_OK;
}

static void print_time(const char *what, int64_t t) {
    time_t when = (time_t)t;
    char text[32];
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("%-14s %s\n", what, text);
}

static int verb_show_enrolment(int argc, char **argv) {
    _cleanup_free_ struct cvm_enrolment *en = malloc(sizeof(*en));
    char name[2 * CVM_TPM_NAME_MAX + 1], cert[65];
    struct enrol_options o = {0};
    uint8_t point[CVM_POINT_SIZE];
    struct cvm_error e = {""};

    parse_options(argc, argv, &o);
    if (!o.signing_key)
        return usage_error(argv[0], "--enrolment-key is missing");
    if (!en || cvm_key_load_public(o.signing_key, point, &e) < 0 ||
        cvm_enrolment_load(argv[optind], point, en, &e) < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    cvm_hex_encode(en->name, en->name_size, name);
    cvm_hex_encode(en->ek.fingerprint, sizeof(en->ek.fingerprint), cert);
    if (arg_json) {
        _cleanup_json_ json_object *j = json_object_new_object();

        json_object_object_add(j, "host", json_object_new_string(en->host));
        json_object_object_add(j, "ak_name", json_object_new_string(name));
        json_object_object_add(j, "ek_certificate_sha256", json_object_new_string(cert));
        json_object_object_add(j, "ek_issuer", json_object_new_string(en->ek.issuer));
        json_object_object_add(j, "tpm_manufacturer", json_object_new_string(en->ek.manufacturer));
        json_object_object_add(j, "tpm_model", json_object_new_string(en->ek.model));
        json_object_object_add(j, "tpm_emulated", json_object_new_boolean(en->ek.emulated));
        json_object_object_add(j, "issued", json_object_new_int64(en->issued));
        json_object_object_add(j, "expires", en->expires ? json_object_new_int64(en->expires) : NULL);
        puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        return EXIT_OK;
    }
    printf("%-14s %s\n%-14s %s %s%s\n%-14s %s\n%-14s %s\n%-14s %s\n", "Host", en->host, "TPM",
           en->ek.manufacturer, en->ek.model, en->ek.emulated ? " (EMULATED)" : "", "Issuer", en->ek.issuer,
           "EK certificate", cert, "AK name", name);
    print_time("Enrolled", en->issued);
    if (en->expires)
        print_time("Until", en->expires);
    return EXIT_OK;
}

const struct verb enrol_verbs[] = {
    {.name = "enrol make-credential",
     .arguments = "HOST",
     .summary = "judge a host's TPM and make a challenge for it",
     .run = verb_make_credential,
     .text = "Checks the endorsement certificate's chain and the attestation key, and locks a secret to "
             "both. HOST is what\n"
             "you call the host; it stands in verdicts.",
     .options = {make_options},
     .remark = "--endorsement FILE --ek-roots FILE --session FILE -o FILE"},
    {.name = "enrol finish",
     .arguments = "",
     .summary = "judge the host's response and sign the record",
     .run = verb_finish,
     .options = {finish_options},
     .remark = "--session FILE --response FILE --signing-key FILE -o FILE"},
    {.name = "enrol show",
     .arguments = "FILE",
     .summary = "tell what a record says",
     .run = verb_show_enrolment,
     .options = {show_options},
     .remark = "--enrolment-key FILE"},
    {0},
};
