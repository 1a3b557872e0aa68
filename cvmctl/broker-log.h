/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl broker log: what broker_verbs says of it. */
#ifndef CVMCTL_BROKER_LOG_H
#define CVMCTL_BROKER_LOG_H

#include "verb.h"

extern const struct verb_option broker_log_options[];
extern const struct verb_status broker_log_statuses[];

int broker_log(int argc, char **argv);

#endif
