/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths of requests against those of routes: pure. */
#ifndef CVMD_REST_ROUTES_MATCH_H
#define CVMD_REST_ROUTES_MATCH_H

#include "attest/util.h"

#define PATH_PARAMS_MAX 2

/* Whether @path has the form of @pattern, in which "{x}" stands for one segment that is not empty. @segments, @sizes:
 * what stands for its parameters, in @path. */
bool path_matches(const char *pattern, const char *path, const char *segments[PATH_PARAMS_MAX],
                  size_t sizes[PATH_PARAMS_MAX]);
/* One segment, percent-decoded; control characters, NUL and '/' do not come out of it. 0, -EINVAL, -ENOMEM; the caller
 * frees. */
int path_decode(const char *s, size_t n, char **ret);

#endif
