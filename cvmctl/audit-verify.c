/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl audit verify: an export or a proof, judged with public keys alone. */
#include "attest/audit-proof.h"
#include "attest/key.h"
#include "audit.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_MAX 64u

enum { OPT_KEY = OPTION_LONG, OPT_REPORT_KEY, OPT_CHECKPOINT };

struct inputs {
    struct cvm_note_key key;
    bool has_key;
    uint8_t report_key[KEYS_MAX][65];
    struct cvm_audit_note note[KEYS_MAX];
    struct cvm_audit_options o;
};

static void inputs_free(struct inputs *in) {
    for (size_t i = 0; i < in->o.nr_checkpoint; i++)
        free((void *)in->note[i].text);
}

static int take_option(struct inputs *in, int c, const char *arg, struct cvm_error *e) {
    void *buf = NULL;
    size_t size;
    int r;

    if (c == OPT_KEY) {
        r = cvm_note_key_load(arg, &in->key, e);
        in->has_key = r >= 0;
        return r;
    }
    if ((c == OPT_REPORT_KEY ? in->o.nr_report_key : in->o.nr_checkpoint) == KEYS_MAX)
        return cvm_error_set(e, -E2BIG, "at most %u of these options", KEYS_MAX);
    if (c == OPT_REPORT_KEY)
        return cvm_key_load_public(arg, in->report_key[in->o.nr_report_key++], e);
    r = cvm_read_file(arg, CVM_CHECKPOINT_MAX, &buf, &size, e);
    if (r >= 0)
        in->note[in->o.nr_checkpoint++] = (struct cvm_audit_note){buf, size, arg};
    return r;
}

static json_object *result_to_json(const struct cvm_audit_result *res, const struct inputs *in) {
    static const char *const verdicts[] = {"intact", "incomplete", "tampered"};
    json_object *o = json_object_new_object(), *all = json_object_new_array();
    char root[2 * CVM_HASH_SIZE + 1];

#define NUMBER(key, v) json_object_object_add(o, key, json_object_new_uint64(v))
    json_object_object_add(o, "verdict", json_object_new_string(verdicts[res->verdict]));
    json_object_object_add(o, "origin", json_object_new_string(res->checkpoint.origin));
    NUMBER("size", res->checkpoint.size);
    json_object_object_add(o, "root",
                           json_object_new_string(cvm_hex_encode(res->checkpoint.root, CVM_HASH_SIZE, root)));
    NUMBER("from", res->from);
    NUMBER("to", res->to);
    NUMBER("older_checkpoints", res->checkpoints);
    NUMBER("rootvisor_starts", res->starts);
    NUMBER("rootvisor_events", res->events);
    NUMBER("rootvisor_heads", res->heads);
    NUMBER("rootvisor_anchors", res->anchors);
    NUMBER("rootvisor_lost", res->lost);
    NUMBER("rootvisor_tail", res->tail);
    json_object_object_add(o, "report_key_checked", json_object_new_boolean(in->o.nr_report_key > 0));
    for (size_t i = 0; i < res->nr_findings && i < CVM_AUDIT_FINDINGS_MAX; i++) {
        json_object *f = json_object_new_object();

        json_object_object_add(f, "code", json_object_new_string(cvm_audit_code_name(res->finding[i].code)));
        json_object_object_add(f, "index", json_object_new_uint64(res->finding[i].index));
        json_object_object_add(f, "text", json_object_new_string(res->finding[i].text));
        json_object_array_add(all, f);
    }
    json_object_object_add(o, "findings", all);
    NUMBER("findings_total", res->nr_findings);
#undef NUMBER
    return o;
}

static void print_result(const char *file, const struct cvm_audit_result *res, const struct inputs *in) {
    static const char *const verdicts[] = {"intact", "INCOMPLETE", "TAMPERED"};

    printf("%s: %s\n", file, verdicts[res->verdict]);
    for (size_t i = 0; i < res->nr_findings && i < CVM_AUDIT_FINDINGS_MAX; i++)
        printf("  %-12s %s\n", cvm_audit_code_name(res->finding[i].code), res->finding[i].text);
    if (res->nr_findings > CVM_AUDIT_FINDINGS_MAX)
        printf("  and %zu more\n", res->nr_findings - CVM_AUDIT_FINDINGS_MAX);
    if (arg_quiet)
        return;
    printf("  log %s, entries %" PRIu64 " to %" PRIu64 " of %" PRIu64 "; %u older checkpoints fit\n",
           res->checkpoint.origin, res->from, res->to, res->checkpoint.size, res->checkpoints);
    if (res->starts)
        printf("  RootVisor: %" PRIu64 " events of %u starts, %" PRIu64 " signed heads, %" PRIu64
               " records of this log; %" PRIu64 " events lost, %" PRIu64 " behind the last head\n",
               res->events, res->starts, res->heads, res->anchors, res->lost, res->tail);
    if (res->heads && in->o.nr_report_key == 0)
        printf("  The heads fit the keys beside them; whether these are RootVisor's only --report-key tells.\n");
}

static int verify_proof(const char *file, const char *buf, size_t size, const struct inputs *in) {
    _cleanup_json_ json_object *o = NULL;
    const struct cvm_audit_note *old = in->o.nr_checkpoint ? &in->note[0] : NULL;
    struct cvm_audit_proof p;
    struct cvm_error e = {""};
    int r;

    r = cvm_audit_proof_verify(buf, size, &in->key, old ? old->text : NULL, old ? old->size : 0, &p, &e);
    if (r < 0 && r != -EBADMSG && r != -ENOKEY)
        return fail("audit verify", EXIT_FAILED, "%s: %s", file, e.text);
    if (arg_json) {
        o = json_object_new_object();
        json_object_object_add(o, "verdict", json_object_new_string(r < 0 ? "tampered" : "intact"));
        json_object_object_add(o, "proof", json_object_new_string(p.inclusion ? "inclusion" : "consistency"));
        json_object_object_add(o, "size", json_object_new_uint64(p.checkpoint.size));
        json_object_object_add(o, p.inclusion ? "index" : "old", json_object_new_uint64(p.index));
        json_object_object_add(o, "text", r < 0 ? json_object_new_string(e.text) : NULL);
        print_json(o);
    } else if (r < 0)
        printf("%s: the proof does NOT hold: %s\n", file, e.text);
    else if (p.inclusion)
        printf("%s: the entry is number %" PRIu64 " of the log of %" PRIu64 " entries\n  %s\n", file, p.index,
               p.checkpoint.size, cvm_defang(p.entry));
    else
        printf("%s: the log of %" PRIu64 " entries is the beginning of the log of %" PRIu64 "\n", file, p.index,
               p.checkpoint.size);
    return r < 0 ? EXIT_TAMPERED : EXIT_OK;
}

static int verify_file(const char *file, const char *buf, size_t size, struct inputs *in) {
    static const int status[] = {EXIT_OK, EXIT_INCOMPLETE, EXIT_TAMPERED};
    _cleanup_free_ struct cvm_audit_result *res = malloc(sizeof(*res));
    _cleanup_json_ json_object *o = NULL;
    struct cvm_error e = {""};
    int r;

    if (!res)
        return fail("audit verify", EXIT_FAILED, "out of memory");
    if (cvm_audit_is_proof(buf, size))
        return verify_proof(file, buf, size, in);
    r = cvm_audit_verify(buf, size, &in->o, res, &e);
    if (r < 0)
        return fail("audit verify", EXIT_FAILED, "%s: %s", file, e.text[0] ? e.text : strerror(-r));
    if (arg_json) {
        o = result_to_json(res, in);
        print_json(o);
    } else
        print_result(file, res, in);
    return status[res->verdict];
}

/* A large file is mapped; what is no file ("-", a pipe) is read. */
static int verify_path(const char *path, struct inputs *in) {
    _cleanup_free_ void *buf = NULL;
    struct cvm_error e = {""};
    struct stat st;
    size_t size;
    int fd, r;

    if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        void *p;

        fd = open(path, O_RDONLY | O_CLOEXEC);
        p = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        r = errno;
        if (fd >= 0)
            close(fd);
        if (p == MAP_FAILED)
            return fail("audit verify", EXIT_FAILED, "cannot read '%s': %s", path, strerror(r));
        r = verify_file(path, p, (size_t)st.st_size, in);
        munmap(p, (size_t)st.st_size);
        return r;
    }
    if (cvm_read_file(path, 1u << 30, &buf, &size, &e) < 0)
        return fail("audit verify", EXIT_FAILED, "%s", e.text);
    return verify_file(path, buf, size, in);
}

int verb_audit_verify(int argc, char **argv) {
    _cleanup_(inputs_free) struct inputs in = {0};
    struct cvm_error e = {""};
    int c;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (take_option(&in, c, optarg, &e) < 0)
            return fail(argv[0], EXIT_FAILED, "%s", e.text);
    if (!in.has_key)
        return usage_error(argv[0], "--key is missing: whose log is this to be?");
    in.o.key = &in.key;
    in.o.report_key = (const uint8_t(*)[65])in.report_key;
    in.o.checkpoint = in.note;
    return verify_path(argv[optind], &in);
}

const struct verb_option audit_verify_options[] = {
    {"key", OPT_KEY, "FILE", "key of the log, as `cvmctl audit key` printed it when you trusted the host;\nor that text itself"},
    {"report-key", OPT_REPORT_KEY, "FILE",
     "accept only heads of this RootVisor (PEM, JWK, raw point); one for each start\nof the host in the export"},
    {"checkpoint", OPT_CHECKPOINT, "FILE", "checkpoint that you kept: the log must go on from it; may be repeated"},
    {0},
};

const struct verb_status audit_verify_statuses[] = {
    {EXIT_OK, "intact: all entries are there, unchanged, in order, and signed"},
    {EXIT_FAILED, "could not look: no such file, no export, no key"},
    {EXIT_USAGE, "usage"},
    {EXIT_TAMPERED, "tampered: the findings say what was done"},
    {EXIT_INCOMPLETE, "incomplete: what is there is genuine, but events are known to be missing or unsigned"},
    {-1, NULL},
};
