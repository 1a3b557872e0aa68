/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rv/types.h"

/* Is this file a Guardian image that RootVisor can lay out (struct cvm_g_header)? Pure.
 * 0, or -EINVAL with *error naming what is wrong. */
int guardian_image_check(const u8 *file, u64 size, const char **error);
