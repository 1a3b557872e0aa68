/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmd.conf(5): defaults, then the file, then options of the command line.
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
    uint32_t launch_timeout;        /* seconds */
    uint32_t stop_timeout;          /* seconds */
    uint32_t operation_keep;        /* seconds */
    uint32_t authorization_timeout; /* seconds, while polkit asks somebody */
};

/* Fills @c with the defaults. 0 or -ENOMEM. */
int config_init(struct config *c);
void config_done(struct config *c);

/**
 * config_load - read a file over what is in @c
 * @must_exist: false: a missing file is no error
 *
 * Returns 0; -EINVAL: an unknown key or a bad value, named with its line; an errno of open.
 */
int config_load(struct config *c, const char *path, bool must_exist, struct cvm_error *e);

/**
 * config_backing - the memory backing of a machine of @memory bytes
 *
 * "auto" means huge pages, locked, if enough of them are reserved and free, else pageable.
 */
enum memory_backing config_backing(const struct config *c, uint64_t memory);

#endif
