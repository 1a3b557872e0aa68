/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit log: cvmd's own events and RootVisor's, in one order. RootVisor keeps a limited number:
 * they are fetched at every look and before every reading.
 */
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
}

/* Events carry the time stamp counter; the wall clock is cvmd's. */
static uint64_t event_time(const struct cvm_event *e, uint64_t tsc_khz) {
    uint64_t now = now_usec(CLOCK_REALTIME), tsc = __rdtsc(), ago;

    if (tsc_khz == 0 || e->tsc > tsc)
        return now;
    ago = (tsc - e->tsc) / tsc_khz * 1000;
    return ago < now ? now - ago : now;
}

static void append_event(struct manager *m, const struct cvm_event *e, uint64_t tsc_khz) {
    static const uint8_t nobody[16];
    bool has_vm = memcmp(e->uuid, nobody, sizeof(nobody)) != 0;
    char uuid[UUID_STRING_MAX], message[320];
    const struct machine *k;

    uuid_to_string(e->uuid, uuid);
    k = has_vm ? manager_find_uuid(m, uuid) : NULL;
    if (e->type == CVM_EV_BOOT)
        snprintf(message, sizeof(message), "RootVisor started the host");
    else if (e->type == CVM_EV_VM_PROTECTED)
        snprintf(message, sizeof(message), "VM %u came under protection", e->vm);
    else if (e->type == CVM_EV_VM_RELEASED)
        snprintf(message, sizeof(message), "the last frame of VM %u went back to the host", e->vm);
    else if (e->type == CVM_EV_TPM && e->arg[0] == 0)
        snprintf(message, sizeof(message), "the TPM was extended before the host started");
    else if (e->type == CVM_EV_TPM)
        snprintf(message, sizeof(message), "no platform anchor: %s (transport %u, TPM response code 0x%x)",
                 e->arg[0] == ENODEV ? "there is no TPM" : strerror((int)e->arg[0]),
                 (unsigned)(e->arg[1] >> 32), (unsigned)e->arg[1]);
    else
        snprintf(message, sizeof(message), "%s (arguments 0x%" PRIx64 ", 0x%" PRIx64 ", CPU %u)",
                 reason_text(e->reason), e->arg[0], e->arg[1], e->cpu);
    append(m, &(struct store_audit){
                  .time = event_time(e, tsc_khz),
                  .source = "rootvisor",
                  .machine = k ? k->name : NULL,
                  .uuid = has_vm ? uuid : NULL,
                  .event = event_name(e->type),
                  .reason = e->reason,
                  .message = message,
                  .boot_id = m->boot_id,
                  .seq = e->seq,
                  .arg = {e->arg[0], e->arg[1]},
              });
}

void audit_pull(struct manager *m) {
    struct cvm_event_page page;
    struct cvm_host_info info = {0};

    if (!m->rootvisor)
        return;
    for (;;) {
        int r = rootvisor_events(m->rootvisor, m->next_seq, &page);

        if (r < 0) {
            log_error("RootVisor does not hand out its events: %s", strerror(-r));
            return;
        }
        if (page.count == 0)
            return;
        if (info.tsc_khz == 0)
            (void)rootvisor_host_info(m->rootvisor, &info);
        if (page.ev[0].seq > m->next_seq)
            audit(m, NULL, "events-lost", NULL,
                  "%" PRIu64 " events of RootVisor were overwritten before cvmd read them",
                  page.ev[0].seq - m->next_seq);

        /* One transaction a page. */
        r = store_begin(m->store);
        for (uint32_t i = 0; i < page.count; i++)
            append_event(m, &page.ev[i], info.tsc_khz);
        if (r >= 0)
            r = store_commit(m->store);
        if (r < 0) {
            log_error("The audit log cannot be written: %s", strerror(-r));
            return;
        }
        m->next_seq = page.ev[page.count - 1].seq + 1;
    }
}
