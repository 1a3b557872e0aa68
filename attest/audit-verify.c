/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit-entry.h"
#include "audit-proof.h"
#include "json.h"

#define PREFIX 20u /* ["0123456789abcdef", */
#define LEFT_MAX CVM_MERKLE_HEIGHT

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

static const char *const code_names[CVM_AUDIT_CODES] = {
    [CVM_AUDIT_MALFORMED] = "malformed", [CVM_AUDIT_TRUNCATED] = "truncated",
    [CVM_AUDIT_DROPPED] = "dropped",     [CVM_AUDIT_REORDERED] = "reordered",
    [CVM_AUDIT_EDITED] = "edited",       [CVM_AUDIT_ROOT] = "root",
    [CVM_AUDIT_SIGNATURE] = "signature", [CVM_AUDIT_KEY] = "key",
    [CVM_AUDIT_FORK] = "fork",           [CVM_AUDIT_FOREIGN_HEAD] = "foreign-head",
    [CVM_AUDIT_ANCHOR] = "anchor",       [CVM_AUDIT_GAP] = "gap",
    [CVM_AUDIT_UNSIGNED] = "unsigned",   [CVM_AUDIT_UNKNOWN] = "not-compared",
};

const char *cvm_audit_code_name(enum cvm_audit_code code) {
    return (unsigned)code < CVM_AUDIT_CODES ? code_names[code] : "unknown";
}

void cvm_audit_find(struct cvm_audit_result *r, enum cvm_audit_code code, uint64_t index, const char *fmt, ...) {
    enum cvm_audit_verdict v = code < CVM_AUDIT_GAP ? CVM_AUDIT_TAMPERED : CVM_AUDIT_INCOMPLETE;
    va_list ap;

    if (v > r->verdict)
        r->verdict = v;
    if (r->nr_findings < CVM_AUDIT_FINDINGS_MAX) {
        struct cvm_audit_finding *f = &r->finding[r->nr_findings];

        f->code = code;
        f->index = index;
        va_start(ap, fmt);
        vsnprintf(f->text, sizeof(f->text), fmt, ap);
        va_end(ap);
        cvm_defang(f->text);
    }
    r->nr_findings++;
}

/* A size whose root somebody told of: a checkpoint, or RootVisor's anchor. */
struct told {
    uint64_t size;
    uint8_t root[CVM_HASH_SIZE];
    unsigned bytes; /* of the root that count: an anchor has 24 */
    enum cvm_audit_code code;
    uint64_t index; /* of the anchor's entry */
    const char *name;
    bool done;
};

struct state {
    const struct cvm_audit_options *o;
    struct cvm_audit_result *r;
    struct cvm_merkle tree;
    uint8_t proof[CVM_MERKLE_PROOF_MAX][CVM_HASH_SIZE];
    size_t nr_proof;
    struct told *told;
    size_t nr_told, next_told;
    bool structure; /* something is wrong with the entries: then of course the root is, too */
};

static int tell(struct state *s, const struct told *t) {
    struct told *p = realloc(s->told, (s->nr_told + 1) * sizeof(*p));

    if (!p)
        return -ENOMEM;
    s->told = p;
    p[s->nr_told++] = *t;
    return 0;
}

/* A checkpoint that is older than the export, from the verifier or from the export itself. */
static int tell_checkpoint(struct state *s, const char *note, size_t size, const char *name) {
    struct cvm_checkpoint cp;
    struct cvm_error why;
    int r;

    r = cvm_checkpoint_verify(note, size, s->o->key, &cp, &why);
    if (r < 0) {
        cvm_audit_find(s->r, r == -ENOKEY ? CVM_AUDIT_KEY : CVM_AUDIT_SIGNATURE, 0, "%s: %s", name, why.text);
        return 0;
    }
    if (cp.size > s->r->checkpoint.size) {
        cvm_audit_find(s->r, CVM_AUDIT_TRUNCATED, s->r->checkpoint.size,
                       "%s tells of %" PRIu64 " entries, the log has only %" PRIu64 ": the last ones were cut off", name,
                       cp.size, s->r->checkpoint.size);
        return 0;
    }
    if (cp.size < s->r->from || cp.size > s->r->to) {
        cvm_audit_find(s->r, CVM_AUDIT_UNKNOWN, cp.size,
                       "%s is of size %" PRIu64 ", this export has entries %" PRIu64 " to %" PRIu64
                       " only: they cannot be compared",
                       name, cp.size, s->r->from, s->r->to);
        return 0;
    }
    struct told t = {.size = cp.size, .bytes = CVM_HASH_SIZE, .code = CVM_AUDIT_FORK, .name = name};

    memcpy(t.root, cp.root, CVM_HASH_SIZE);
    return tell(s, &t);
}

/* The first line. @keep: what the strings of older checkpoints live in. */
static int read_header(struct state *s, const char *line, size_t len, json_object **keep, struct cvm_error *e) {
    const char *format = NULL, *note = NULL;
    json_object *o = NULL, *older = NULL;
    size_t left = 0;
    struct cvm_error why;
    int r;

    r = cvm_json_parse(line, len, &o, e);
    if (r < 0)
        return r;
    *keep = o;
    r = cvm_json_string(o, "format", &format, e);
    if (r >= 0 && strcmp(format, "cvmd-audit-1") != 0)
        r = cvm_error_set(e, -EINVAL, "format '%.40s' is not known", format);
    if (r >= 0)
        r = cvm_json_uint(o, "from", INT64_MAX, &s->r->from, e);
    if (r >= 0)
        r = cvm_json_uint(o, "to", INT64_MAX, &s->r->to, e);
    if (r >= 0)
        r = cvm_json_string(o, "checkpoint", &note, e);
    if (r >= 0)
        r = cvm_audit_read_hashes(o, "left", s->tree.node, LEFT_MAX, &left, e);
    if (r >= 0)
        r = cvm_audit_read_hashes(o, "proof", s->proof, CVM_MERKLE_PROOF_MAX, &s->nr_proof, e);
    if (r >= 0)
        r = cvm_json_get(o, "checkpoints", json_type_array, &older, e);
    if (r >= 0 && (s->r->from > s->r->to || s->r->to >> CVM_MERKLE_HEIGHT || left != cvm_merkle_nodes(s->r->from)))
        r = cvm_error_set(e, -EINVAL, "the first line contradicts itself");
    if (r < 0)
        return r;
    s->tree.size = s->r->from;

    r = cvm_checkpoint_verify(note, strlen(note), s->o->key, &s->r->checkpoint, &why);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        cvm_audit_find(s->r, r == -ENOKEY ? CVM_AUDIT_KEY : CVM_AUDIT_SIGNATURE, 0, "%s", why.text);
    if (s->r->checkpoint.size < s->r->to)
        cvm_audit_find(s->r, CVM_AUDIT_ROOT, s->r->to,
                       "the checkpoint is of %" PRIu64 " entries, the export goes up to %" PRIu64, s->r->checkpoint.size,
                       s->r->to);
    for (size_t i = 0; i < json_object_array_length(older); i++) {
        json_object *t = json_object_array_get_idx(older, i);

        if (!json_object_is_type(t, json_type_string))
            return cvm_error_set(e, -EINVAL, "'checkpoints' holds something that is no text");
        r = tell_checkpoint(s, json_object_get_string(t), (size_t)json_object_get_string_len(t),
                            "an older checkpoint in the export");
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < s->o->nr_checkpoint; i++) {
        const struct cvm_audit_note *n = &s->o->checkpoint[i];

        r = tell_checkpoint(s, n->text, n->size, n->name);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool next_line(const char **p, const char *end, const char **line, size_t *len) {
    const char *nl = *p < end ? memchr(*p, '\n', (size_t)(end - *p)) : NULL;

    if (!nl)
        return false;
    *line = *p;
    *len = (size_t)(nl - *p);
    *p = nl + 1;
    return true;
}

/* ["0123456789abcdef",{...}] to the leaf in it. */
static bool leaf_of(const char *line, size_t len, const char **leaf, size_t *leaf_len) {
    if (len < PREFIX + 2 || memcmp(line, "[\"", 2) != 0 || memcmp(line + PREFIX - 2, "\",", 2) != 0 || line[len - 1] != ']')
        return false;
    *leaf = line + PREFIX;
    *leaf_len = len - PREFIX - 1;
    return true;
}

/* RootVisor's anchors name sizes that have gone by when they come: collected beforehand. */
static int collect_anchors(struct state *s, const char *p, const char *end) {
    static const char mark[] = "\"event\":\"anchor\"";
    const char *at = p, *line, *leaf;
    size_t len, leaf_len;

    while (at < end && (at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1))) {
        struct cvm_audit_line l;
        struct {
            uint8_t before[32];
            struct cvm_event ev;
        } raw;

        line = memrchr(p, '\n', (size_t)(at - p));
        line = line ? line + 1 : p;
        if (!next_line(&at, end, &(const char *){NULL}, &len))
            return 0;
        len = (size_t)(at - 1 - line);
        if (!leaf_of(line, len, &leaf, &leaf_len) || cvm_audit_line_parse(leaf, leaf_len, &l, NULL) < 0 ||
            !cvm_audit_span_is(l.source, "rootvisor") || !cvm_audit_span_is(l.event, "anchor") || !l.raw.p ||
            cvm_hex_decode(l.raw.p, l.raw.len, &raw, sizeof(raw)) < 0 || raw.ev.type != CVM_EV_ANCHOR)
            continue;

        struct told t = {.size = raw.ev.arg[0], .bytes = 24, .code = CVM_AUDIT_ANCHOR, .index = l.index};

        memcpy(t.root, raw.ev.uuid, 16);
        memcpy(t.root + 16, &raw.ev.arg[1], 8);
        if (t.size < s->r->from)
            continue; /* of before this export */
        if (t.size > l.index) {
            cvm_audit_find(s->r, CVM_AUDIT_ANCHOR, l.index,
                           "entry %" PRIu64 ": RootVisor recorded a log of %" PRIu64 " entries before: entries were taken out",
                           l.index, t.size);
            continue;
        }
        int r = tell(s, &t);

        if (r < 0)
            return r;
    }
    return 0;
}

static int by_size(const void *a, const void *b) {
    const struct told *x = a, *y = b;

    return x->size < y->size ? -1 : x->size > y->size;
}

/* The tree has reached a size: is its root what was told? */
static void compare_told(struct state *s) {
    uint8_t root[CVM_HASH_SIZE];
    bool known = false;

    for (; s->next_told < s->nr_told && s->told[s->next_told].size <= s->tree.size; s->next_told++) {
        struct told *t = &s->told[s->next_told];

        if (t->size != s->tree.size)
            continue;
        if (!known)
            cvm_merkle_root(&s->tree, root);
        known = true;
        t->done = true;
        if (memcmp(root, t->root, t->bytes) == 0) {
            if (t->code == CVM_AUDIT_ANCHOR)
                s->r->anchors++;
            else
                s->r->checkpoints++;
        } else if (t->code == CVM_AUDIT_ANCHOR)
            cvm_audit_find(s->r, t->code, t->index,
                           "entry %" PRIu64 ": RootVisor recorded that the log's first %" PRIu64
                           " entries were others: they were changed afterwards",
                           t->index, t->size);
        else
            cvm_audit_find(s->r, t->code, t->size,
                           "%s of size %" PRIu64 " is of other entries: the log was rewritten before entry %" PRIu64, t->name,
                           t->size, t->size);
    }
}

static int entry(struct state *s, struct cvm_audit_chain *chain, const char *line, size_t len) {
    uint8_t hash[CVM_HASH_SIZE], said[8];
    uint64_t expected = s->tree.size;
    struct cvm_audit_line l;
    struct cvm_error why;
    const char *leaf;
    size_t leaf_len;
    int r;

    if (!leaf_of(line, len, &leaf, &leaf_len) || cvm_hex_decode(line + 2, 16, said, sizeof(said)) < 0) {
        s->structure = true;
        cvm_audit_find(s->r, CVM_AUDIT_MALFORMED, expected, "where entry %" PRIu64 " is expected stands no entry", expected);
        return 0;
    }
    cvm_merkle_leaf(leaf, leaf_len, hash);
    if (memcmp(hash, said, sizeof(said)) != 0) {
        s->structure = true;
        cvm_audit_find(s->r, CVM_AUDIT_EDITED, expected, "entry %" PRIu64 " was edited", expected);
    }
    r = cvm_audit_line_parse(leaf, leaf_len, &l, &why);
    if (r < 0) {
        s->structure = true;
        cvm_audit_find(s->r, CVM_AUDIT_MALFORMED, expected, "entry %" PRIu64 ": %s", expected, why.text);
        return cvm_merkle_append(&s->tree, hash);
    }
    if (l.index != expected) {
        s->structure = true;
        if (l.index > expected && l.index < s->r->to) {
            cvm_audit_find(s->r, CVM_AUDIT_DROPPED, expected, "entries %" PRIu64 " to %" PRIu64 " are missing here", expected,
                           l.index - 1);
            s->tree.size = l.index; /* goes on behind the hole; its root is worth nothing any more */
        } else
            cvm_audit_find(s->r, CVM_AUDIT_REORDERED, l.index, "entry %" PRIu64 " stands where %" PRIu64 " is expected",
                           l.index, expected);
    }
    r = cvm_audit_chain_entry(chain, &l);
    if (r < 0)
        return r;
    if (l.index == s->tree.size || !s->structure)
        r = cvm_merkle_append(&s->tree, hash);
    if (r >= 0 && !s->structure)
        compare_told(s);
    return r;
}

static void compare_root(struct state *s) {
    uint8_t root[CVM_HASH_SIZE];
    const char *good = "none";
    char text[32];

    cvm_merkle_root(&s->tree, root);
    if (s->r->to == s->r->checkpoint.size
            ? s->nr_proof == 0 && memcmp(root, s->r->checkpoint.root, CVM_HASH_SIZE) == 0
            : cvm_merkle_verify_consistency(s->r->to, root, s->r->checkpoint.size, s->r->checkpoint.root,
                                            (const uint8_t(*)[CVM_HASH_SIZE])s->proof, s->nr_proof) == 0)
        return;
    for (size_t i = 0; i < s->nr_told; i++) /* ascending: where the trouble begins */
        if (s->told[i].done && s->told[i].code == CVM_AUDIT_FORK) {
            snprintf(text, sizeof(text), "%" PRIu64, s->told[i].size);
            good = text;
        }
    cvm_audit_find(s->r, CVM_AUDIT_ROOT, s->r->to,
                   "the entries are not those of the signed checkpoint: one was changed, taken out or put in, and its hash "
                   "made to fit (older checkpoints compared up to size: %s)",
                   good);
}

int cvm_audit_verify(const char *buf, size_t size, const struct cvm_audit_options *o, struct cvm_audit_result *ret,
                     struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *header = NULL;
    _cleanup_(cvm_audit_chain_freep) struct cvm_audit_chain *chain = NULL;
    _cleanup_cvm_free_ struct state *s = calloc(1, sizeof(*s));
    const char *p = buf, *end = buf + size, *line = NULL;
    bool ended = false;
    size_t len;
    int r;

    memset(ret, 0, sizeof(*ret));
    chain = s ? cvm_audit_chain_new(o, ret) : NULL;
    if (!chain)
        return -ENOMEM;
    s->o = o;
    s->r = ret;
    if (!next_line(&p, end, &line, &len))
        return cvm_error_set(e, -EINVAL, "this is no export of an audit log");
    r = read_header(s, line, len, &header, e);
    if (r >= 0)
        r = collect_anchors(s, p, end);
    if (r < 0)
        goto out;
    if (s->nr_told)
        qsort(s->told, s->nr_told, sizeof(*s->told), by_size);
    compare_told(s);
    while (!ended && next_line(&p, end, &line, &len)) {
        char want[40];

        snprintf(want, sizeof(want), "{\"end\":%" PRIu64 "}", ret->to);
        ended = len == strlen(want) && memcmp(line, want, len) == 0;
        if (!ended) {
            r = entry(s, chain, line, len);
            if (r < 0)
                goto out;
        }
    }
    if (s->tree.size < ret->to)
        cvm_audit_find(ret, CVM_AUDIT_TRUNCATED, s->tree.size,
                       "the export stops before entry %" PRIu64 ", it should go up to %" PRIu64, s->tree.size, ret->to);
    else if (!ended)
        cvm_audit_find(ret, CVM_AUDIT_TRUNCATED, s->tree.size, "the export's last line is missing");
    else if (s->tree.size > ret->to)
        cvm_audit_find(ret, CVM_AUDIT_ROOT, ret->to, "there are more entries than the export says: some were put in");
    else if (!s->structure)
        compare_root(s);
    if (p != end)
        cvm_audit_find(ret, CVM_AUDIT_MALFORMED, ret->to, "something stands behind the last line");
    cvm_audit_chain_end(chain);
out:
    free(s->told);
    return r < 0 ? r : 0;
}
