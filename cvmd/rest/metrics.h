/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /metrics: counters of the gateway and numbers of the mirror, in Prometheus' text format 0.0.4. */
#ifndef CVMD_REST_METRICS_H
#define CVMD_REST_METRICS_H

#include "rest.h"

/* A request was answered. @usec: how long it took. */
void metrics_count(struct rest *rest, unsigned status, uint64_t usec);

#endif
