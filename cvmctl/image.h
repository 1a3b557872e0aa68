/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CVMCTL_IMAGE_H
#define CVMCTL_IMAGE_H

#include "transport.h"

/**
 * image_digest - the image that somebody means
 * @word: its digest, the first digits of it (eight at least), or its name if only one has it
 *
 * Returns 0 with *@ret for the caller to free, or prints and returns an exit status.
 */
int image_digest(struct transport *t, const char *verb, const char *word, char **ret);

#endif
