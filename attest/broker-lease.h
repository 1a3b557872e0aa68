/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that a broker released, and when their VMs must have attested again. Any thread may call. */
#ifndef CVM_ATTEST_BROKER_LEASE_H
#define CVM_ATTEST_BROKER_LEASE_H

#include <time.h>

#include "cvm/report.h"
#include "util.h"

#define CVM_BROKER_NAME_MAX 64                             /* bytes of each part of a resource's name */
#define CVM_BROKER_NAME_SIZE (3 * CVM_BROKER_NAME_MAX + 3) /* "REPO/TYPE/TAG" */
#define CVM_BROKER_LEASES 4096 /* more forget the one that ends first */

struct cvm_leases;

struct cvm_lease {
    unsigned seconds;
    char resource[CVM_BROKER_NAME_SIZE];
    struct cvm_report report;
};

/* NULL if out of memory. */
struct cvm_leases *cvm_leases_new(void);
void cvm_leases_free(struct cvm_leases *l);

/* A VM got a key; if it had that one, its lease begins anew. */
void cvm_leases_begin(struct cvm_leases *l, const char *resource, unsigned seconds, const struct cvm_report *report, time_t now);

/* A VM attested: what it holds begins anew. */
void cvm_leases_renew(struct cvm_leases *l, const struct cvm_report *report, time_t now);

/* A VM's lease on a resource is over, and was told. */
void cvm_leases_end(struct cvm_leases *l, const char *resource, const struct cvm_report *report);

/**
 * cvm_leases_take_others, cvm_leases_take_over - take out a lease: on @resource by another VM than @newest's; one that is over
 * @from: place to look from, 0 at first
 *
 * Returns whether there was one; then @ret is it.
 */
bool cvm_leases_take_others(struct cvm_leases *l, const char *resource, const struct cvm_report *newest, unsigned *from,
                            struct cvm_lease *ret);
bool cvm_leases_take_over(struct cvm_leases *l, time_t now, unsigned *from, struct cvm_lease *ret);

#endif
