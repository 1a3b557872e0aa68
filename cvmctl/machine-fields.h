/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CVMCTL_MACHINE_FIELDS_H
#define CVMCTL_MACHINE_FIELDS_H

#include "output.h"

/* A machine's properties as `cvmctl show --json` prints them. */
json_object *machine_to_json(json_object *properties);

#endif
