/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl audit export, checkpoint, key, prove, consistency: what a verifier takes along. */
#include "audit.h"
#include "output.h"
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { OPT_FROM = OPTION_LONG, OPT_TO };

static int put(const char *verb, const char *path, const char *text) {
    struct cvm_error e;

    return cvm_write_file(path, text, strlen(text), &e) < 0 ? fail(verb, EXIT_FAILED, "%s", e.text) : wrote(path);
}

struct writer {
    int fd, error;
    char last;
    uint64_t total;
};

static int write_part(void *userdata, const char *p, size_t n) {
    struct writer *w = userdata;

    while (n) {
        ssize_t k = write(w->fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return w->error = errno;
        w->total += (uint64_t)k;
        w->last = p[k - 1];
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

/* The file takes its name when it is whole. */
static int export_to(struct transport *t, const char *verb, uint64_t from, uint64_t to, const char *path) {
    bool to_stdout = strcmp(path, "-") == 0;
    struct writer w = {.fd = STDOUT_FILENO};
    _cleanup_free_ char *tmp = NULL;
    json_object *o;
    int r;

    if (!to_stdout) {
        if (asprintf(&tmp, "%s.partial", path) < 0)
            return fail(verb, EXIT_FAILED, "out of memory");
        w.fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (w.fd < 0)
            return fail(verb, EXIT_FAILED, "cannot write '%s': %s", tmp, strerror(errno));
    }
    r = t->ops->audit_export(t, verb, from, to, write_part, &w);
    if (!to_stdout && (fsync(w.fd) < 0 || close(w.fd) < 0) && w.error == 0)
        w.error = errno;
    if (r == 0 && w.error == 0 && w.last != '\n')
        w.error = EPIPE; /* cvmd ended, or its disk failed: the last line is not whole */
    if (r == 0 && w.error == 0 && !to_stdout && rename(tmp, path) < 0)
        w.error = errno;
    if ((r != 0 || w.error) && !to_stdout)
        unlink(tmp);
    if (w.error)
        return fail(verb, EXIT_FAILED, "the export to '%s' broke off: %s", path, strerror(w.error));
    if (r != 0 || to_stdout)
        return r;
    o = members("file", path, NULL);
    json_object_object_add(o, "bytes", json_object_new_uint64(w.total));
    return done(o, "Audit log written to %s, %" PRIu64 " bytes.\n", path, w.total);
}

int verb_audit_export(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    uint64_t from = 0, to = 0;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (parse_number(optarg, 0, INT64_MAX, c == OPT_FROM ? &from : &to) < 0)
            return usage_error(argv[0], "'%s' is no number of an entry", optarg);
    r = transport_open(argv[0], &t);
    return r ?: export_to(t, argv[0], from, to, argv[optind]);
}

/* A text that cvmd gives, to -o or standard output. */
static int text_verb(int argc, char **argv, const char *what, bool newline) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_free_ char *text = NULL, *line = NULL;
    _cleanup_json_ json_object *o = NULL;
    const char *output = "-";
    int r;

    while (verb_getopt(argc, argv) >= 0)
        output = optarg;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->audit_text(t, argv[0], what, &text);
    if (r != 0)
        return r;
    if (arg_json && strcmp(output, "-") == 0) {
        o = json_object_new_object();
        json_object_object_add(o, what, json_object_new_string(text));
        return print_json(o);
    }
    if (asprintf(&line, "%s%s", text, newline ? "\n" : "") < 0)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    return put(argv[0], output, line);
}

int verb_audit_checkpoint(int argc, char **argv) {
    return text_verb(argc, argv, "checkpoint", false);
}

int verb_audit_key(int argc, char **argv) {
    return text_verb(argc, argv, "key", true);
}

/* Both proofs: a line of JSON that `audit verify` takes. */
static int proof_verb(int argc, char **argv, bool inclusion) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *o = NULL;
    _cleanup_free_ char *line = NULL;
    const char *output = "-";
    uint64_t n;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        output = optarg;
    if (parse_number(argv[optind], 0, INT64_MAX, &n) < 0)
        return usage_error(argv[0], "'%s' is no number", argv[optind]);
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->audit_proof(t, argv[0], inclusion, n, &o);
    if (r != 0)
        return r;
    if (asprintf(&line, "%s\n",
                 json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) < 0)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    return put(argv[0], output, line);
}

int verb_audit_prove(int argc, char **argv) {
    return proof_verb(argc, argv, true);
}

int verb_audit_consistency(int argc, char **argv) {
    return proof_verb(argc, argv, false);
}

const struct verb_option audit_export_options[] = {
    {"from", OPT_FROM, "INDEX", "first entry, from 0 (default)"},
    {"to", OPT_TO, "INDEX", "up to, without this one (default: all)"},
    {0},
};
const struct verb_option audit_output_options[] = {
    {"output", 'o', "FILE", "- means standard output (default)"},
    {0},
};
