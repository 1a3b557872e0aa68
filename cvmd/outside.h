/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What other programs change of a running machine: told once each time it is something else. */
#ifndef CVMD_OUTSIDE_H
#define CVMD_OUTSIDE_H

#include "domain-changes.h"
#include "machine.h"

/* What domain_changes() is to hold a machine against. */
static inline struct domain_limits outside_limits(const struct machine *k) {
    return (struct domain_limits){.cpu_shares = k->cpu_shares, .cpu_quota = k->cpu_quota, .io_weight = k->io_weight};
}

/* Returns whether @l are still the machine's limits: otherwise what was found is to be found again. */
static inline bool outside_is_current(const struct machine *k, const struct domain_limits *l) {
    return k->cpu_shares == l->cpu_shares && k->cpu_quota == l->cpu_quota && k->io_weight == l->io_weight;
}

/**
 * outside_look - have a running machine's domain compared, in a thread; now, or behind the job that works on it
 * @detail: constant: what libvirt told, recorded if there is no difference to tell; or NULL
 */
void outside_look(struct machine *k, const char *detail);

/* The same of all that run, every OutsideLookSec= of cvmd.conf(5): libvirt has no event for some changes. If it is due. */
void outside_round(struct manager *m);
/* Microseconds until then; UINT64_MAX: never, as it is. */
uint64_t outside_round_due(const struct manager *m, uint64_t now);

/* What domain_changes() found. Into the log, RestartNeeded and the bus, if it is not what was told last. */
void outside_tell(struct machine *k, const char *changes, const char *detail);

#endif
