/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit log: cvmd's own events and RootVisor's, in one order. RootVisor keeps a limited number:
 * they are fetched at every look and before every reading. From time to time RootVisor is told the root of
 * the log, which it puts into its own chain, and signs: what stood here then cannot be changed any more.
 */
#include "attest/audit-entry.h"
#include "attest/log-head.h"
#include "audit-log.h"
#include "bus.h"
#include "journal.h"
#include "log.h"
#include "manager.h"
#include "reason.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <x86intrin.h>

/* At most so often RootVisor is asked, without anybody waiting for it, to record how the log stands. */
#define ANCHOR_USEC 10000000u

static void append(struct manager *m, const struct store_audit *a) {
    int r = store_append_audit(m->store, a);

    if (r < 0)
        log_error("The audit log cannot be written: %s (%s: %s)", strerror(-r), a->event, a->message);
    else
        bus_audit_appended(m);
    journal_event(a->event, a->machine, a->uuid, a->who, a->message);
}

void audit(struct manager *m, const struct machine *machine, const char *event, const char *who,
           const char *fmt, ...) {
    char message[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    append(m, &(struct store_audit){
                  .time = now_usec(CLOCK_REALTIME),
                  .source = "cvmd",
                  .machine = machine ? machine->name : NULL,
                  .uuid = machine ? machine->uuid : NULL,
                  .event = event,
                  .message = message,
                  .who = who,
              });
    m->unanchored = true;
}

/* Events carry the time stamp counter; the wall clock is cvmd's. */
static uint64_t event_time(const struct cvm_event *e, uint64_t tsc_khz) {
    uint64_t now = now_usec(CLOCK_REALTIME), tsc = __rdtsc(), ago;

    if (tsc_khz == 0 || e->tsc > tsc)
        return now;
    ago = (tsc - e->tsc) / tsc_khz * 1000;
    return ago < now ? now - ago : now;
}

/* One page of RootVisor's as entries, and what they point to: the store copies. */
struct page_entries {
    struct store_audit a[CVM_EVENTS_PER_PAGE + 2]; /* lost events before, a head in between */
    struct {
        uint8_t before[CVM_CHAIN_SIZE];
        struct cvm_event ev;
    } raw[CVM_EVENTS_PER_PAGE];
    struct {
        struct cvm_log_head head;
        uint8_t point[65];
    } __attribute__((packed)) head;
    char uuid[CVM_EVENTS_PER_PAGE][UUID_STRING_MAX], message[CVM_EVENTS_PER_PAGE + 2][320];
    size_t n;
};
_Static_assert(sizeof(((struct page_entries *)0)->raw[0]) == CVM_AUDIT_RAW_EVENT, "raw event");
_Static_assert(sizeof(((struct page_entries *)0)->head) == CVM_AUDIT_RAW_HEAD, "raw head");

static void describe_counters(const struct cvm_event *e, char *message, size_t size) {
    int why = (int)(e->arg[0] >> 32 & 0x7fffffff);
    int n = snprintf(message, size, "the TPM was extended before the host started");

    if (why == ENODATA)
        snprintf(message + n, size - (size_t)n, "; no rollback counters: firmware or loader measured nothing");
    else if (why)
        snprintf(message + n, size - (size_t)n, "; no rollback counters: %s (TPM response code 0x%x)", strerror(why), (unsigned)e->arg[1]);
    else
        snprintf(message + n, size - (size_t)n, "; rollback counters %s", e->arg[0] >> 63 ? "begin anew" : "go on");
}

static void event_message(const struct cvm_event *e, char *message, size_t size) {
    if (e->type == CVM_EV_BOOT)
        snprintf(message, size, "RootVisor started the host");
    else if (e->type == CVM_EV_VM_PROTECTED)
        snprintf(message, size, "VM %u came under protection", e->vm);
    else if (e->type == CVM_EV_VM_RELEASED)
        snprintf(message, size, "the last frame of VM %u went back to the host", e->vm);
    else if (e->type == CVM_EV_TPM && (uint32_t)e->arg[0] == 0)
        describe_counters(e, message, size);
    else if (e->type == CVM_EV_TPM)
        snprintf(message, size, "no platform anchor: %s (transport %u, TPM response code 0x%x)",
                 (uint32_t)e->arg[0] == ENODEV ? "there is no TPM" : strerror((int)(uint32_t)e->arg[0]), (unsigned)(e->arg[1] >> 32),
                 (unsigned)e->arg[1]);
    else if (e->type == CVM_EV_KEY)
        snprintf(message, size, e->arg[0] ? "the guest of VM %u took its key" : "a key reached the Guardian of VM %u", e->vm);
    else if (e->type == CVM_EV_ANCHOR)
        snprintf(message, size, "RootVisor recorded this log as it was with %" PRIu64 " entries", e->arg[0]);
    else
        snprintf(message, size, "%s (arguments 0x%" PRIx64 ", 0x%" PRIx64 ", CPU %u)", reason_text(e->reason),
                 e->arg[0], e->arg[1], e->cpu);
}

static void add_event(struct manager *m, struct page_entries *p, size_t i, uint64_t tsc_khz) {
    static const uint8_t nobody[16];
    const struct cvm_event *e = &p->raw[i].ev;
    /* An anchor has a part of a root where others have the VM. */
    bool has_vm = e->type != CVM_EV_ANCHOR && memcmp(e->uuid, nobody, sizeof(nobody)) != 0;
    const struct machine *k = has_vm ? manager_find_uuid(m, uuid_to_string(e->uuid, p->uuid[i])) : NULL;
    char *message = p->message[p->n];

    event_message(e, message, sizeof(p->message[0]));
    p->a[p->n++] = (struct store_audit){
        .time = event_time(e, tsc_khz),
        .source = "rootvisor",
        .machine = k ? k->name : NULL,
        .uuid = has_vm ? p->uuid[i] : NULL,
        .event = event_name(e->type),
        .reason = e->reason,
        .message = message,
        .boot_id = m->boot_id,
        .seq = e->seq,
        .arg = {e->arg[0], e->arg[1]},
        .raw = &p->raw[i],
        .raw_size = sizeof(p->raw[i]),
    };
    if (e->type != CVM_EV_ANCHOR)
        m->unanchored = true;
}

static void add_head(struct manager *m, struct page_entries *p, const struct cvm_log_head *head) {
    char *message = p->message[p->n];
    struct cvm_report_key key;
    int r = rootvisor_report_key(m->rootvisor, &key);

    if (r < 0) {
        log_error("RootVisor does not tell its report key: %s", strerror(-r));
        return;
    }
    p->head.head = *head;
    memcpy(p->head.point, key.point, sizeof(p->head.point));
    snprintf(message, sizeof(p->message[0]), "RootVisor signed its log up to event %" PRIu64, head->seq);
    p->a[p->n++] = (struct store_audit){
        .time = now_usec(CLOCK_REALTIME),
        .source = "rootvisor",
        .event = "head",
        .message = message,
        .boot_id = m->boot_id,
        .arg = {head->seq, 0},
        .raw = &p->head,
        .raw_size = sizeof(p->head),
    };
}

static void add_lost(struct manager *m, struct page_entries *p, uint64_t seq) {
    char *message = p->message[p->n];

    snprintf(message, sizeof(p->message[0]), "%" PRIu64 " events of RootVisor were overwritten before cvmd read them",
             seq - m->next_seq);
    p->a[p->n++] = (struct store_audit){
        .time = now_usec(CLOCK_REALTIME),
        .source = "cvmd",
        .event = "events-lost",
        .message = message,
        .boot_id = m->boot_id,
        .seq = seq,
        .arg = {m->next_seq, seq - 1},
    };
}

/* One transaction a page. @head: put behind its last event; may be NULL. */
static void pull(struct manager *m, const struct cvm_log_head *head) {
    _cleanup_free_ struct page_entries *p = malloc(sizeof(*p));
    struct cvm_event_page page;
    struct cvm_host_info info = {0};

    if (!m->rootvisor || !p)
        return;
    for (;;) {
        uint8_t chain[CVM_CHAIN_SIZE];
        int r = rootvisor_events(m->rootvisor, m->next_seq, &page);

        if (r < 0) {
            log_error("RootVisor does not hand out its events: %s", strerror(-r));
            return;
        }
        if (page.count == 0)
            return;
        if (info.tsc_khz == 0)
            (void)rootvisor_host_info(m->rootvisor, &info);
        p->n = 0;
        if (page.ev[0].seq > m->next_seq)
            add_lost(m, p, page.ev[0].seq);
        memcpy(chain, page.before, sizeof(chain));
        for (uint32_t i = 0; i < page.count; i++) {
            memcpy(p->raw[i].before, chain, sizeof(chain));
            p->raw[i].ev = page.ev[i];
            cvm_log_step(chain, &page.ev[i]);
            add_event(m, p, i, info.tsc_khz);
            if (head && page.ev[i].seq == head->seq)
                add_head(m, p, head);
        }
        r = store_append_audits(m->store, p->a, p->n);
        if (r < 0) {
            log_error("The audit log cannot be written: %s", strerror(-r));
            return;
        }
        bus_audit_appended(m);
        for (size_t i = 0; i < p->n; i++)
            journal_event(p->a[i].event, p->a[i].machine, p->a[i].uuid, NULL, p->a[i].message);
        m->next_seq = page.ev[page.count - 1].seq + 1;
    }
}

void audit_pull(struct manager *m) {
    pull(m, NULL);
}

void audit_anchor(struct manager *m) {
    struct cvm_log_head head;
    uint8_t user_data[64] = {0};
    uint64_t size;
    int r;

    if (!m->rootvisor)
        return;
    pull(m, NULL);
    if (!m->unanchored)
        return;
    size = audit_log_root(store_audit_log(m->store), user_data);
    r = rootvisor_log_head(m->rootvisor, size, user_data, &head);
    if (r < 0) {
        log_error("RootVisor does not sign its log: %s", strerror(-r));
        return;
    }
    m->unanchored = false;
    m->anchored = now_usec(CLOCK_MONOTONIC);
    pull(m, &head);
}

void audit_watch(struct manager *m) {
    if (m->unanchored && now_usec(CLOCK_MONOTONIC) - m->anchored > ANCHOR_USEC)
        audit_anchor(m);
    else
        pull(m, NULL);
}
