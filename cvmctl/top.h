/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CVMCTL_TOP_H
#define CVMCTL_TOP_H

#include "cvmctl.h"

/* Two lists of machines' properties, @seconds apart, as what `cvmctl top --json` prints. Pure; the caller
 * puts it. */
json_object *top_compute(json_object *before, json_object *now, double seconds);

#endif
