/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmd.conf(5): defaults, then the file, then drop-ins, then options of the command line.
 */
#ifndef CVMD_CONFIG_H
#define CVMD_CONFIG_H

#include "domain-xml.h"

#include <stdbool.h>

struct config {
    char *state_directory;
    char *libvirt_uri;
    char *firmware;
    char *domain_type; /* command line only */
    char *gateway_user; /* may call org.cvmd1.Gateway */
    bool memory_backing_auto;
    enum memory_backing memory_backing;
    uint32_t launch_timeout; /* seconds */
    uint32_t stop_timeout;   /* seconds */
    char *tpm;               /* TCTI, "" for none */
    char *tpm_event_log;
    uint32_t tpm_quotes_per_minute;
    uint32_t operation_keep;        /* seconds */
    uint32_t outside_look;          /* seconds between looks at what others changed */
    uint32_t authorization_timeout; /* seconds, while polkit asks somebody */
};

/* Fills @c with the defaults. 0 or -ENOMEM. */
int config_init(struct config *c);
void config_done(struct config *c);

/* Where settings come from. What stands in the file and its drop-ins, options of the command line override.
 */
struct config_source {
    const char *file; /* NULL: the system's places, see cvmd.conf(5); else this file and FILE.d only */
    const char *root; /* in front of the system's places, for tests; NULL: none */
    const char *libvirt_uri, *state_directory, *firmware, *domain_type; /* overrides, or NULL */
};

/**
 * config_load - all of a source, over the defaults
 * @c: filled also when it fails: config_done()
 *
 * Returns 0; -EINVAL: an unknown key or a bad value, named with file and line; an errno of open; -ENOMEM.
 */
int config_load(struct config *c, const struct config_source *source, struct cvm_error *e);

/**
 * config_read - one file over what is in @c
 * @must_exist: false: a missing file is no error
 */
int config_read(struct config *c, const char *path, bool must_exist, struct cvm_error *e);

/**
 * config_parse - text of a file over what is in @c; pure
 * @name: for the error text
 */
int config_parse(struct config *c, const char *text, const char *name, struct cvm_error *e);

/* Takes over what can change while cvmd runs. Returns the name of a setting that differs and cannot, or NULL.
 */
const char *config_adopt(struct config *c, struct config *from);

/**
 * config_backing - the memory backing of a machine of @memory bytes
 *
 * "auto" means huge pages, locked, if enough of them are reserved and free, else pageable.
 */
enum memory_backing config_backing(const struct config *c, uint64_t memory);

#endif
