/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RootVisor's events in an export: each start of the host is a chain of its own. */
#include "audit-entry.h"
#include "audit-verify.h"
#include "log-head.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STARTS_MAX 4096u

struct start {
    char boot[64];
    uint64_t seq;        /* of the last event; 0: none yet */
    uint64_t first;      /* of the first event here */
    uint64_t lost_until; /* cvmd says that it missed all before this one */
    uint64_t since_head; /* events */
    uint64_t counts[16];
    uint8_t chain[CVM_CHAIN_SIZE], first_before[CVM_CHAIN_SIZE];
    bool gap, broken, has_key;
    uint8_t key_id[32];
};

struct cvm_audit_chain {
    const struct cvm_audit_options *o;
    struct cvm_audit_result *r;
    struct start *start;
    size_t nr, last;
    uint64_t unchained; /* entries from before there was a chain */
    uint64_t keys;      /* bit i: a head of o->report_key[i] was there */
};

struct cvm_audit_chain *cvm_audit_chain_new(const struct cvm_audit_options *o, struct cvm_audit_result *r) {
    struct cvm_audit_chain *c = calloc(1, sizeof(*c));

    if (c)
        *c = (struct cvm_audit_chain){.o = o, .r = r};
    return c;
}

void cvm_audit_chain_free(struct cvm_audit_chain *c) {
    free(c->start);
    free(c);
}

/* The start that an entry is of, a new one if need be; NULL: out of memory, or too many. */
static struct start *start_of(struct cvm_audit_chain *c, struct cvm_audit_span boot) {
    struct start *s;

    if (c->nr && cvm_audit_span_is(boot, c->start[c->last].boot))
        return &c->start[c->last];
    for (size_t i = 0; i < c->nr; i++)
        if (cvm_audit_span_is(boot, c->start[i].boot))
            return &c->start[c->last = i];
    if (c->nr == STARTS_MAX)
        return NULL;
    s = realloc(c->start, (c->nr + 1) * sizeof(*s));
    if (!s)
        return NULL;
    c->start = s;
    s += c->last = c->nr++;
    *s = (struct start){0};
    memcpy(s->boot, boot.p, boot.len);
    c->r->starts++;
    return s;
}

static void event(struct cvm_audit_chain *c, struct start *s, const struct cvm_audit_line *l) {
    struct raw {
        uint8_t before[CVM_CHAIN_SIZE];
        struct cvm_event ev;
    } raw;

    c->r->events++;
    if (!l->raw.p) {
        c->unchained++;
        s->seq = l->seq;
        return;
    }
    if (cvm_hex_decode(l->raw.p, l->raw.len, &raw, sizeof(raw)) < 0) {
        cvm_audit_find(c->r, CVM_AUDIT_MALFORMED, l->index, "entry %" PRIu64 " holds no event of RootVisor", l->index);
        return;
    }
    if (raw.ev.seq != l->seq || raw.ev.reason != l->reason || raw.ev.arg[0] != l->arg[0] ||
        raw.ev.arg[1] != l->arg[1])
        cvm_audit_find(c->r, CVM_AUDIT_EDITED, l->index,
                       "entry %" PRIu64 " tells another story than the event of RootVisor in it", l->index);
    if (s->first && l->seq <= s->seq) {
        cvm_audit_find(c->r, CVM_AUDIT_REORDERED, l->index,
                       "entry %" PRIu64 ": event %" PRIu64 " of RootVisor stands behind event %" PRIu64, l->index,
                       l->seq, s->seq);
        return;
    }
    if (s->first ? l->seq != s->seq + 1 : l->seq != 1 && c->r->from == 0) {
        uint64_t missing = l->seq - s->seq - 1;

        s->gap = true;
        if (s->lost_until == l->seq) {
            c->r->lost += missing;
            cvm_audit_find(c->r, CVM_AUDIT_GAP, l->index,
                           "%" PRIu64 " events of RootVisor before entry %" PRIu64 " are missing (%" PRIu64 " to %" PRIu64
                           "): cvmd did not read them before RootVisor wrote over them",
                           missing, l->index, s->seq + 1, l->seq - 1);
        } else
            cvm_audit_find(c->r, CVM_AUDIT_DROPPED, l->index,
                           "%" PRIu64 " events of RootVisor before entry %" PRIu64 " were taken out (%" PRIu64 " to %" PRIu64
                           ")",
                           missing, l->index, s->seq + 1, l->seq - 1);
    } else if (s->first && memcmp(s->chain, raw.before, CVM_CHAIN_SIZE) != 0) {
        s->broken = true;
        cvm_audit_find(c->r, CVM_AUDIT_EDITED, l->index,
                       "the chain of RootVisor breaks at entry %" PRIu64 ": event %" PRIu64 " or %" PRIu64
                       " is not what RootVisor recorded",
                       l->index, s->seq, l->seq);
    }
    if (!s->first) {
        s->first = l->seq;
        memcpy(s->first_before, raw.before, CVM_CHAIN_SIZE);
    }
    memcpy(s->chain, raw.before, CVM_CHAIN_SIZE);
    cvm_log_step(s->chain, &raw.ev);
    s->seq = l->seq;
    s->counts[raw.ev.type < CVM_EV_MAX ? raw.ev.type : 0]++;
    s->since_head++;
}

static bool key_is_accepted(struct cvm_audit_chain *c, const uint8_t *point) {
    for (size_t i = 0; i < c->o->nr_report_key; i++)
        if (memcmp(c->o->report_key[i], point, 65) == 0) {
            c->keys |= 1ull << i;
            return true;
        }
    return c->o->nr_report_key == 0;
}

/* What the missing events were, by the head's count. */
static void tell_missing(struct cvm_audit_chain *c, const struct start *s, const struct cvm_log_head *h,
                         uint64_t index) {
    static const char *const names[16] = {
        [CVM_EV_BOOT] = "boot",           [CVM_EV_VM_PROTECTED] = "vm-protected", [CVM_EV_VM_STOPPED] = "vm-stopped",
        [CVM_EV_VM_RELEASED] = "vm-released", [CVM_EV_DENIED] = "denied",          [CVM_EV_KEY] = "key", [CVM_EV_TPM] = "tpm",
        [CVM_EV_ANCHOR] = "anchor",
    };
    char text[240] = "";
    size_t at = 0;

    for (unsigned i = 0; i < 16; i++)
        if (h->counts[i] > s->counts[i] && at < sizeof(text))
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%" PRIu64 " %s", at ? ", " : "",
                                   h->counts[i] - s->counts[i], names[i] ?: "of other types");
    if (at)
        cvm_audit_find(c->r, CVM_AUDIT_GAP, index, "of RootVisor's start %s are missing so far: %s", s->boot, text);
}

static void head(struct cvm_audit_chain *c, struct start *s, const struct cvm_audit_line *l) {
    struct raw {
        struct cvm_log_head head;
        uint8_t point[65];
    } __attribute__((packed)) raw;
    struct cvm_log_head h;
    uint8_t genesis[CVM_CHAIN_SIZE];
    struct cvm_error why;
    int r;

    _Static_assert(sizeof(raw) == CVM_AUDIT_RAW_HEAD, "raw head");
    if (!l->raw.p || cvm_hex_decode(l->raw.p, l->raw.len, &raw, sizeof(raw)) < 0 ||
        cvm_log_head_decode(&raw.head, sizeof(raw.head), &h, &why) < 0) {
        cvm_audit_find(c->r, CVM_AUDIT_MALFORMED, l->index, "entry %" PRIu64 " holds no head of RootVisor's log",
                       l->index);
        return;
    }
    r = cvm_log_head_verify(&h, raw.point);
    if (r < 0) {
        cvm_audit_find(c->r, CVM_AUDIT_SIGNATURE, l->index, "entry %" PRIu64 ": RootVisor's head is not signed by %s",
                       l->index, r == -ENOKEY ? "the key that it names" : "its key");
        return;
    }
    if (!key_is_accepted(c, raw.point)) {
        cvm_audit_find(c->r, CVM_AUDIT_KEY, l->index,
                       "entry %" PRIu64 ": RootVisor's head is signed with a report key that was not given", l->index);
        return;
    }
    if (s->has_key && memcmp(s->key_id, h.report_key_id, 32) != 0) {
        cvm_audit_find(c->r, CVM_AUDIT_FOREIGN_HEAD, l->index,
                       "entry %" PRIu64 ": this head is of another start of RootVisor than the ones before it", l->index);
        return;
    }
    cvm_log_genesis(&h, genesis);
    if (s->first == 1 && memcmp(genesis, s->first_before, CVM_CHAIN_SIZE) != 0) {
        cvm_audit_find(c->r, CVM_AUDIT_FOREIGN_HEAD, l->index,
                       "the head in entry %" PRIu64 " is of another start of RootVisor than the events before it", l->index);
        return;
    }
    if (h.seq != s->seq) {
        if (h.seq > s->seq && !s->broken)
            cvm_audit_find(c->r, CVM_AUDIT_DROPPED, l->index,
                           "RootVisor's head in entry %" PRIu64 " tells of %" PRIu64 " events, the log has them up to %" PRIu64,
                           l->index, h.seq, s->seq);
        else
            cvm_audit_find(c->r, CVM_AUDIT_FOREIGN_HEAD, l->index,
                           "RootVisor's head in entry %" PRIu64 " is of its event %" PRIu64 ", the log is at %" PRIu64,
                           l->index, h.seq, s->seq);
        return;
    }
    if (s->first && memcmp(h.chain, s->chain, CVM_CHAIN_SIZE) != 0) {
        cvm_audit_find(c->r, s->has_key || s->first != 1 ? CVM_AUDIT_EDITED : CVM_AUDIT_FOREIGN_HEAD, l->index,
                       "the events up to entry %" PRIu64 " are not those that RootVisor signed: one of the last %" PRIu64
                       " was changed, or the head is of another start",
                       l->index, s->since_head);
        return;
    }
    for (unsigned i = 0; i < 16; i++)
        if (s->first == 1 && !s->gap && h.counts[i] != s->counts[i]) {
            cvm_audit_find(c->r, CVM_AUDIT_EDITED, l->index, "entry %" PRIu64 ": RootVisor counted other events", l->index);
            break;
        }
    if (s->gap && (c->r->from == 0 || s->has_key))
        tell_missing(c, s, &h, l->index);
    memcpy(s->key_id, h.report_key_id, 32);
    s->has_key = true;
    s->since_head = 0;
    s->gap = false;
    memcpy(s->counts, h.counts, sizeof(s->counts));
    c->r->heads++;
}

int cvm_audit_chain_entry(struct cvm_audit_chain *c, const struct cvm_audit_line *l) {
    bool rootvisor = cvm_audit_span_is(l->source, "rootvisor");
    struct start *s;

    if (!rootvisor && !cvm_audit_span_is(l->event, "events-lost"))
        return 0;
    if (!l->boot.p || l->boot.len >= sizeof(s->boot)) {
        if (rootvisor)
            cvm_audit_find(c->r, CVM_AUDIT_MALFORMED, l->index, "entry %" PRIu64 " does not say of which start it is",
                           l->index);
        return 0;
    }
    s = start_of(c, l->boot);
    if (!s)
        return -ENOMEM;
    if (!rootvisor)
        s->lost_until = l->seq;
    else if (cvm_audit_span_is(l->event, "head"))
        head(c, s, l);
    else
        event(c, s, l);
    return 0;
}

void cvm_audit_chain_end(struct cvm_audit_chain *c) {
    for (size_t i = 0; i < c->nr; i++) {
        const struct start *s = &c->start[i];

        if (s->first && !s->has_key)
            cvm_audit_find(c->r, CVM_AUDIT_UNSIGNED, c->r->to,
                           "%" PRIu64 " events of RootVisor's start %s: no head that it signed is there", s->since_head,
                           s->boot);
        else if (i + 1 == c->nr)
            c->r->tail = s->since_head;
        else if (s->since_head)
            cvm_audit_find(c->r, CVM_AUDIT_UNSIGNED, c->r->to,
                           "the last %" PRIu64 " events of RootVisor's start %s stand behind its last signed head",
                           s->since_head, s->boot);
    }
    /* Who takes out all that a RootVisor said leaves nothing that could be wrong. */
    for (size_t i = 0; i < c->o->nr_report_key; i++)
        if (!(c->keys >> i & 1))
            cvm_audit_find(c->r, CVM_AUDIT_UNSIGNED, c->r->to,
                           "no head of the report key given as number %zu is in the export: what that RootVisor recorded is "
                           "not here",
                           i + 1);
    if (c->unchained)
        cvm_audit_find(c->r, CVM_AUDIT_UNSIGNED, c->r->to,
                       "%" PRIu64 " events of RootVisor are from before its log was chained", c->unchained);
}
