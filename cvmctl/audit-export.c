/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl audit export, checkpoint, key, prove, consistency: what a verifier takes along. */
#include "audit.h"
#include "client.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define INTERFACE "org.cvmd1.Audit"

enum { OPT_FROM = OPTION_LONG, OPT_TO };

/* A method of the Audit interface; 0, or prints and returns the exit status. */
static int call(const char *verb, sd_bus *bus, const char *member, sd_bus_message **reply, const char *types,
                uint64_t a, uint64_t b) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL;
    int r = sd_bus_message_new_method_call(bus, &m, "org.cvmd1", "/org/cvmd1", INTERFACE, member);

    if (r >= 0 && types)
        r = sd_bus_message_append(m, types, a, b);
    if (r >= 0)
        r = sd_bus_call(bus, m, CLIENT_TIMEOUT_USEC, &error, reply);
    return r < 0 ? client_fail(verb, r, &error) : 0;
}

static int put(const char *verb, const char *path, const char *text) {
    struct cvm_error e;

    return cvm_write_file(path, text, strlen(text), &e) < 0 ? fail(verb, EXIT_FAILED, "%s", e.text) : EXIT_OK;
}

/* From the pipe to the file, which takes its name when it is whole. */
static int copy(const char *verb, int in, const char *path) {
    bool to_stdout = strcmp(path, "-") == 0;
    _cleanup_free_ char *tmp = NULL;
    char buf[65536], last = 0;
    uint64_t total = 0;
    ssize_t n = 0;
    int out = STDOUT_FILENO, r = 0;

    if (!to_stdout) {
        if (asprintf(&tmp, "%s.partial", path) < 0)
            return fail(verb, EXIT_FAILED, "out of memory");
        out = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (out < 0)
            return fail(verb, EXIT_FAILED, "cannot write '%s': %s", tmp, strerror(errno));
    }
    while (r == 0 && (n = read(in, buf, sizeof(buf))) > 0) {
        for (ssize_t at = 0, k; r == 0 && at < n; at += k) {
            k = write(out, buf + at, (size_t)(n - at));
            if (k < 0) {
                r = errno;
                k = 0;
            }
        }
        total += (uint64_t)n;
        last = buf[n - 1];
    }
    if (r == 0 && n < 0)
        r = errno;
    if (!to_stdout && (fsync(out) < 0 || close(out) < 0) && r == 0)
        r = errno;
    if (r == 0 && last != '\n')
        r = EPIPE; /* cvmd ended, or its disk failed: the last line is not whole */
    if (r == 0 && !to_stdout && rename(tmp, path) < 0)
        r = errno;
    if (r != 0 && !to_stdout)
        unlink(tmp);
    if (r != 0)
        return fail(verb, EXIT_FAILED, "the export to '%s' broke off: %s", path, strerror(r));
    if (!to_stdout)
        say("Audit log written to %s, %" PRIu64 " bytes.\n", path, total);
    return EXIT_OK;
}

int verb_audit_export(int argc, char **argv) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_bus_ sd_bus *bus = NULL;
    uint64_t from = 0, to = 0;
    int c, fd, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (parse_number(optarg, 0, INT64_MAX, c == OPT_FROM ? &from : &to) < 0)
            return usage_error(argv[0], "'%s' is no number of an entry", optarg);
    r = client_connect(argv[0], &bus);
    if (r == 0)
        r = call(argv[0], bus, "Export", &reply, "tt", from, to);
    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "h", &fd);
    if (r < 0)
        return client_fail(argv[0], r, NULL);
    return copy(argv[0], fd, argv[optind]);
}

/* A text that cvmd gives, to -o or standard output. */
static int text_verb(int argc, char **argv, const char *member, const char *json_name, bool newline) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_json_ json_object *o = NULL;
    _cleanup_free_ char *line = NULL;
    _cleanup_bus_ sd_bus *bus = NULL;
    const char *text = NULL, *output = "-";
    int r;

    while (verb_getopt(argc, argv) >= 0)
        output = optarg;
    r = client_connect(argv[0], &bus);
    if (r == 0)
        r = call(argv[0], bus, member, &reply, NULL, 0, 0);
    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "s", &text);
    if (r < 0)
        return client_fail(argv[0], r, NULL);
    if (arg_json && strcmp(output, "-") == 0) {
        o = json_object_new_object();
        json_object_object_add(o, json_name, json_object_new_string(text));
        return print_json(o);
    }
    if (asprintf(&line, "%s%s", text, newline ? "\n" : "") < 0)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    return put(argv[0], output, line);
}

int verb_audit_checkpoint(int argc, char **argv) {
    return text_verb(argc, argv, "Checkpoint", "checkpoint", false);
}

int verb_audit_key(int argc, char **argv) {
    return text_verb(argc, argv, "Key", "key", true);
}

static int read_hashes(sd_bus_message *m, json_object *o) {
    json_object *a = json_object_new_array();
    const char *s;
    int r;

    json_object_object_add(o, "proof", a);
    r = sd_bus_message_enter_container(m, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(m, "s", &s)) > 0)
        json_object_array_add(a, json_object_new_string(s));
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Both proofs: a line of JSON that `audit verify` takes. */
static int proof_verb(int argc, char **argv, const char *member, const char *format, const char *number,
                      bool with_entry) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_json_ json_object *o = json_object_new_object();
    _cleanup_free_ char *line = NULL;
    _cleanup_bus_ sd_bus *bus = NULL;
    const char *output = "-", *s = NULL;
    uint64_t n;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        output = optarg;
    if (parse_number(argv[optind], 0, INT64_MAX, &n) < 0)
        return usage_error(argv[0], "'%s' is no number", argv[optind]);
    r = client_connect(argv[0], &bus);
    if (r == 0)
        r = call(argv[0], bus, member, &reply, "t", n, 0);
    if (r != 0)
        return r;
    json_object_object_add(o, "format", json_object_new_string(format));
    json_object_object_add(o, number, json_object_new_uint64(n));
    if (with_entry) {
        r = sd_bus_message_read(reply, "s", &s);
        json_object_object_add(o, "entry", s ? json_object_new_string(s) : NULL);
    }
    if (r >= 0)
        r = read_hashes(reply, o);
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &s);
    if (r < 0)
        return client_fail(argv[0], r, NULL);
    json_object_object_add(o, "checkpoint", json_object_new_string(s));
    if (asprintf(&line, "%s\n",
                 json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) < 0)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    return put(argv[0], output, line);
}

int verb_audit_prove(int argc, char **argv) {
    return proof_verb(argc, argv, "ProveInclusion", "cvmd-audit-inclusion-1", "index", true);
}

int verb_audit_consistency(int argc, char **argv) {
    return proof_verb(argc, argv, "ProveConsistency", "cvmd-audit-consistency-1", "old", false);
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
