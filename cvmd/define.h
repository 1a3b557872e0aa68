/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From options to a machine, for launch, define and SetProperties. */
#ifndef CVMD_DEFINE_H
#define CVMD_DEFINE_H

#include "machine.h"
#include "options.h"

/* Whether it could be started as it is, but for what the host of the moment has. 0, or negative with @error
 * set. */
int machine_check(const struct machine *k, sd_bus_error *error);
/* Takes over the options that are given. -ENOMEM leaves @k half-changed: work on a copy. */
int machine_apply(struct machine *k, const struct machine_options *o);
/* A new one, checked, stopped, not yet the manager's. */
int machine_make(struct manager *m, const char *name, const struct machine_options *o, struct machine **ret,
                 sd_bus_error *error);

#endif
