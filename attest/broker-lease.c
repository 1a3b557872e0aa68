/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-lease.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* What every request looks through lies close together, apart from what a match alone needs. */
struct mark {
    time_t end;  /* 0: free */
    uint64_t vm; /* first bytes of the key that tells VMs apart: a mismatch is certain, a match is checked */
};

struct cvm_leases {
    pthread_mutex_t lock;
    unsigned nr; /* no place behind is taken */
    struct mark mark[CVM_BROKER_LEASES];
    struct cvm_lease lease[CVM_BROKER_LEASES];
};

struct cvm_leases *cvm_leases_new(void) {
    struct cvm_leases *l = calloc(1, sizeof(*l));

    if (l)
        pthread_mutex_init(&l->lock, NULL);
    return l;
}

void cvm_leases_free(struct cvm_leases *l) {
    if (!l)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Behind the byte that says how the point is written. */
static uint64_t mark_of(const struct cvm_report *report) {
    uint64_t vm;

    memcpy(&vm, report->kex_public + 1, sizeof(vm));
    return vm;
}

static bool is_of(const struct cvm_leases *l, unsigned i, uint64_t vm, const struct cvm_report *report) {
    return l->mark[i].end && l->mark[i].vm == vm &&
           memcmp(l->lease[i].report.kex_public, report->kex_public, sizeof(report->kex_public)) == 0;
}

/* A place for a new lease: a free one, or that of the lease that ends first. Locked. */
static unsigned find_place(struct cvm_leases *l) {
    unsigned first = 0;

    for (unsigned i = 0; i < l->nr; i++)
        if (l->mark[i].end < l->mark[first].end)
            first = i;
    if (l->nr == 0 || (l->nr < CVM_BROKER_LEASES && l->mark[first].end))
        return l->nr++;
    return first;
}

void cvm_leases_begin(struct cvm_leases *l, const char *resource, unsigned seconds, const struct cvm_report *report, time_t now) {
    const uint64_t vm = mark_of(report);
    unsigned i;

    pthread_mutex_lock(&l->lock);
    for (i = 0; i < l->nr; i++)
        if (is_of(l, i, vm, report) && strcmp(l->lease[i].resource, resource) == 0)
            break;
    if (i == l->nr)
        i = find_place(l);
    l->mark[i] = (struct mark){.end = now + seconds, .vm = vm};
    l->lease[i].seconds = seconds;
    l->lease[i].report = *report;
    snprintf(l->lease[i].resource, sizeof(l->lease[i].resource), "%s", resource);
    pthread_mutex_unlock(&l->lock);
}

void cvm_leases_renew(struct cvm_leases *l, const struct cvm_report *report, time_t now) {
    const uint64_t vm = mark_of(report);

    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < l->nr; i++)
        if (is_of(l, i, vm, report))
            l->mark[i].end = now + l->lease[i].seconds;
    pthread_mutex_unlock(&l->lock);
}

void cvm_leases_end(struct cvm_leases *l, const char *resource, const struct cvm_report *report) {
    const uint64_t vm = mark_of(report);

    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < l->nr; i++)
        if (is_of(l, i, vm, report) && strcmp(l->lease[i].resource, resource) == 0)
            l->mark[i].end = 0;
    while (l->nr && !l->mark[l->nr - 1].end)
        l->nr--;
    pthread_mutex_unlock(&l->lock);
}

/* Locked. */
static bool take(struct cvm_leases *l, unsigned i, unsigned *from, struct cvm_lease *ret) {
    *ret = l->lease[i];
    l->mark[i].end = 0;
    while (l->nr && !l->mark[l->nr - 1].end)
        l->nr--;
    *from = i + 1;
    return true;
}

bool cvm_leases_take_others(struct cvm_leases *l, const char *resource, const struct cvm_report *newest, unsigned *from,
                            struct cvm_lease *ret) {
    const uint64_t vm = mark_of(newest);
    bool found = false;

    pthread_mutex_lock(&l->lock);
    for (unsigned i = *from; i < l->nr && !found; i++)
        if (l->mark[i].end && !is_of(l, i, vm, newest) && strcmp(l->lease[i].resource, resource) == 0)
            found = take(l, i, from, ret);
    pthread_mutex_unlock(&l->lock);
    return found;
}

bool cvm_leases_take_over(struct cvm_leases *l, time_t now, unsigned *from, struct cvm_lease *ret) {
    bool found = false;

    pthread_mutex_lock(&l->lock);
    for (unsigned i = *from; i < l->nr && !found; i++)
        if (l->mark[i].end && l->mark[i].end <= now)
            found = take(l, i, from, ret);
    pthread_mutex_unlock(&l->lock);
    return found;
}
