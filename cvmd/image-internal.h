/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of images, for those who change it. */
#ifndef CVMD_IMAGE_INTERNAL_H
#define CVMD_IMAGE_INTERNAL_H

#include "image.h"

void image_free(struct image *image);
CVM_DEFINE_CLEANUP(struct image *, image_free)
int image_add(struct image *image); /* takes it, if 0 */
void image_remove(struct image *image);

#endif
