/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* openapi.json, as it is in the tree, inside the program. */
#ifndef CVMD_REST_OPENAPI_H
#define CVMD_REST_OPENAPI_H

#include <stddef.h>

extern const char openapi_text[];
extern const size_t openapi_size;

#endif
