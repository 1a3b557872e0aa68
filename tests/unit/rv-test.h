/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of RootVisor's pure units have in common. */
#ifndef RV_TEST_H
#define RV_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline void put_le(uint8_t *p, uint64_t v, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t) (v >> 8 * i);
}

/* *error is read after the call that sets it. */
static inline void expect_error(int r, int want, const char *const *error, const char *part) {
    if (r != want || !*error || !strstr(*error, part))
        fail_msg("got %d '%s', expected %d '...%s...'", r, *error ? *error : "(none)", want, part);
}

#endif
