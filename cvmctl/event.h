/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CVMCTL_EVENT_H
#define CVMCTL_EVENT_H

#include "cvmctl.h"

/* An entry of the audit log, as transport_ops.audit() gives it, the way `cvmctl events --json` prints it. */
json_object *event_to_json(json_object *entry);

#endif
