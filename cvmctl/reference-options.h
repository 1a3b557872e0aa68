/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options that `cvmctl verify` and `cvmctl digest` share: the files that reference values are
 * computed from.
 */
#ifndef CVMCTL_REFERENCE_OPTIONS_H
#define CVMCTL_REFERENCE_OPTIONS_H

#include "attest/reference.h"
#include "verb.h"

#include <limits.h>

/* Values of long options, above any character. */
enum {
    OPT_KERNEL = OPTION_SHARED,
    OPT_INITRD,
    OPT_CMDLINE,
    OPT_FIRMWARE,
    OPT_ROOTVISOR,
    OPT_GUARDIAN,
    OPT_IMAGES,
    OPT_EVENT_LOG,
    OPT_REF_VCPUS,
};

extern const struct verb_option reference_options[];

struct reference_options {
    struct cvm_reference_files files;
    const char *images; /* directory; NULL: where an installation keeps them */
    char firmware[PATH_MAX], rootvisor[PATH_MAX], guardian[PATH_MAX];
};

/* Takes one option; false if it is not one of these. */
bool reference_options_take(struct reference_options *o, int opt, const char *arg);

/* Whether any of them was given. */
bool reference_options_given(const struct reference_options *o);

/**
 * reference_options_complete - fill in the files that were not named, where they exist
 * @known: reference values from elsewhere, or NULL. If given, files are looked for with --images
 *         only: beside them counts what was named, not what happens to be installed
 *
 * With --images a missing file is an error, otherwise it is left out.
 * Returns 0 or -ENOENT.
 */
int reference_options_complete(struct reference_options *o, const struct cvm_reference *known,
                               struct cvm_error *e);

#endif
