/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host calls by VMCALL from ring 3 (cvm/abi.h): no kernel module. The buffer is one page that stays
 * mapped (call-page.h), because RootVisor walks the host's page tables and does not fault pages in.
 */
#include "cvm/layout.h"
#include "rootvisor.h"

#include "acpi-table.h"
#include "call-page.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct cvm_event_page) <= CALL_PAGE_SIZE, "event page");
_Static_assert(sizeof(struct cvm_vm_list) <= CALL_PAGE_SIZE, "vm list");
_Static_assert(sizeof(struct cvm_report_call) <= CALL_PAGE_SIZE, "report call");

struct rootvisor {
    uint64_t secret[2];
    uint8_t *buffer; /* a call page */
};

static long vmcall(const struct rootvisor *rv, uint32_t nr, uint64_t arg, size_t size) {
    long rax = (long)CVM_CALL(nr);

    __asm__ volatile("vmcall"
                     : "+a"(rax)
                     : "b"(rv->secret[0]), "c"(rv->secret[1]), "d"(arg), "S"(size ? rv->buffer : NULL),
                       "D"(size)
                     : "memory", "cc");
    return rax;
}

/*
 * The page is locked, yet the kernel may have unmapped it for a moment (migration, compaction):
 * RootVisor then says -EFAULT. Touching maps it again.
 */
static int call(struct rootvisor *rv, uint32_t nr, uint64_t arg, size_t size) {
    long r = vmcall(rv, nr, arg, size);

    if (r == -EFAULT && size) {
        volatile uint8_t *p = rv->buffer;

        *p = *p;
        r = vmcall(rv, nr, arg, size);
    }
    return (int)r;
}

static int call_out(struct rootvisor *rv, uint32_t nr, uint64_t arg, void *ret, size_t size) {
    int r = call(rv, nr, arg, size);

    if (r >= 0)
        memcpy(ret, rv->buffer, size);
    return r;
}

static sigjmp_buf sigill_jmp;

static void on_sigill(int sig) {
    (void)sig;
    siglongjmp(sigill_jmp, 1);
}

/* The first call decides whether anybody answers VMCALL at all: on a bare CPU it is #UD. */
static int probe(struct rootvisor *rv, struct cvm_host_info *info) {
    struct sigaction old, sa = {.sa_handler = on_sigill};
    int r;

    sigaction(SIGILL, &sa, &old);
    if (sigsetjmp(sigill_jmp, 1) == 0)
        r = rootvisor_host_info(rv, info);
    else
        r = -ENXIO;
    sigaction(SIGILL, &old, NULL);
    return r;
}

int rootvisor_open(struct rootvisor **ret, struct cvm_error *e) {
    _cleanup_(rootvisor_closep) struct rootvisor *rv = NULL;
    struct cvm_host_info info;
    uint32_t abi;
    int r;

    rv = calloc(1, sizeof(*rv));
    if (!rv)
        return cvm_error_set(e, -ENOMEM, "out of memory");

    r = acpi_table_read(ACPI_TABLE_PATH, &abi, rv->secret, e);
    if (r < 0)
        return r;
    if (abi != CVM_ABI_VERSION)
        return cvm_error_set(
            e, -EPROTO, "RootVisor speaks ABI version %u, this cvmd version %u: install matching versions",
            abi, CVM_ABI_VERSION);

    r = call_page_new(&rv->buffer);
    if (r < 0)
        return cvm_error_set(e, r, "cannot lock the call buffer in memory: %s", strerror(-r));

    r = probe(rv, &info);
    if (r == -ENXIO)
        return cvm_error_set(
            e, r,
            "the ACPI table CVMD is there, but VMCALL is an invalid instruction: RootVisor is not running");
    if (r < 0)
        return cvm_error_set(e, r, "RootVisor refused the first call: %s", strerror(-r));
    if (info.abi_version != CVM_ABI_VERSION)
        return cvm_error_set(
            e, -EPROTO, "RootVisor speaks ABI version %u, this cvmd version %u: install matching versions",
            info.abi_version, CVM_ABI_VERSION);
    *ret = rv;
    rv = NULL;
    return 0;
}

void rootvisor_close(struct rootvisor *rv) {
    if (!rv)
        return;
    call_page_free(rv->buffer);
    explicit_bzero(rv->secret, sizeof(rv->secret));
    free(rv);
}

int rootvisor_host_info(struct rootvisor *rv, struct cvm_host_info *ret) {
    return call_out(rv, CVM_HOST_INFO, 0, ret, sizeof(*ret));
}

int rootvisor_host_stats(struct rootvisor *rv, struct cvm_stats *ret) {
    return call_out(rv, CVM_HOST_STATS, 0, ret, sizeof(*ret));
}

int rootvisor_vm_list(struct rootvisor *rv, struct cvm_vm_list *ret) {
    int r = call_out(rv, CVM_HOST_VM_LIST, 0, ret, sizeof(*ret));

    if (r >= 0 && ret->count > CVM_MAX_VMS)
        return -EBADMSG;
    return r;
}

int rootvisor_vm_stats(struct rootvisor *rv, uint32_t id, struct cvm_stats *ret) {
    return call_out(rv, CVM_HOST_VM_STATS, id, ret, sizeof(*ret));
}

int rootvisor_vm_destroy(struct rootvisor *rv, uint32_t id) {
    return call(rv, CVM_HOST_VM_DESTROY, id, 0);
}

int rootvisor_vm_report(struct rootvisor *rv, uint32_t id, const uint8_t user_data[64],
                        struct cvm_report *ret) {
    struct cvm_report_call *c = (struct cvm_report_call *)rv->buffer;
    int r;

    memset(c, 0, sizeof(*c));
    memcpy(c->user_data, user_data, sizeof(c->user_data));
    r = call(rv, CVM_HOST_VM_REPORT, id, sizeof(*c));
    if (r >= 0)
        memcpy(ret, &c->report, sizeof(*ret));
    return r;
}

int rootvisor_key_put(struct rootvisor *rv, uint32_t id, const struct cvm_key_blob *blob) {
    memcpy(rv->buffer, blob, sizeof(*blob));
    return call(rv, CVM_HOST_KEY_PUT, id, sizeof(*blob));
}

int rootvisor_counter(struct rootvisor *rv, uint32_t id, struct cvm_counter_call *c) {
    int r;

    memcpy(rv->buffer, c, sizeof(*c));
    r = call(rv, CVM_HOST_COUNTER, id, sizeof(*c));
    if (r >= 0)
        memcpy(c, rv->buffer, sizeof(*c));
    return r;
}

int rootvisor_events(struct rootvisor *rv, uint64_t first, struct cvm_event_page *ret) {
    int r = call_out(rv, CVM_HOST_EVENTS, first, ret, sizeof(*ret));

    if (r >= 0 && ret->count > CVM_EVENTS_PER_PAGE)
        return -EBADMSG;
    return r;
}

int rootvisor_log_head(struct rootvisor *rv, uint64_t tree_size, const uint8_t user_data[64],
                       struct cvm_log_head *ret) {
    struct cvm_log_call *c = (struct cvm_log_call *)rv->buffer;
    int r;

    memset(c, 0, sizeof(*c));
    memcpy(c->user_data, user_data, sizeof(c->user_data));
    r = call(rv, CVM_HOST_LOG_HEAD, tree_size, sizeof(*c));
    if (r >= 0)
        memcpy(ret, &c->head, sizeof(*ret));
    return r;
}

int rootvisor_report_key(struct rootvisor *rv, struct cvm_report_key *ret) {
    return call_out(rv, CVM_HOST_REPORT_KEY, 0, ret, sizeof(*ret));
}
