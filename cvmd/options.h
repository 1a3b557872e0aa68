/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a caller may say of a machine (Define, Launch, SetProperties; docs/dbus.md lists it): one option at a
 * time, checked in pure functions.
 */
#ifndef CVMD_OPTIONS_H
#define CVMD_OPTIONS_H

#include "attest/util.h"

enum machine_option {
    OPTION_KERNEL,       /* h */
    OPTION_INITRD,       /* h */
    OPTION_KERNEL_IMAGE, /* s: digest */
    OPTION_INITRD_IMAGE, /* s: digest, "" none */
    OPTION_COMMAND_LINE, /* s */
    OPTION_MEMORY,       /* t: bytes */
    OPTION_VCPUS,        /* u */
    OPTION_UNPROTECTED,  /* b */
    OPTION_DESCRIPTION,  /* s */
    OPTION_LABELS,       /* a{ss} */
    OPTION_AUTOSTART,    /* b */
    OPTION_RESTART,      /* s: no, on-failure, always */
    OPTION_CPU_SHARES,   /* t: 2 to 10000, 0 libvirt's default */
    OPTION_CPU_QUOTA,    /* u: percent of one CPU, all vCPUs together; 0 no limit */
    OPTION_IO_WEIGHT,    /* u: 10 to 1000, 0 default */
    OPTION_NETWORK,      /* s: "none", "network:NAME", "bridge:NAME" */
    OPTION_DISKS,        /* as: digests of images, or absolute paths */
    OPTION_MAX,
};

enum restart_policy {
    RESTART_NO,
    RESTART_ON_FAILURE,
    RESTART_ALWAYS,
    RESTART_POLICY_MAX,
};
const char *restart_policy_to_string(enum restart_policy p);
int restart_policy_from_string(const char *s); /* or -EINVAL */

#define DISKS_MAX 8u
#define LABELS_MAX 64u
#define DESCRIPTION_MAX 1024u

/* Strings and descriptors belong to whoever filled them in, but for labels and disks. */
struct machine_options {
    unsigned set;             /* bit (1 << OPTION_...) for each that was given */
    int kernel_fd, initrd_fd; /* -1: none */
    const char *kernel_image, *initrd_image;
    const char *cmdline;
    uint64_t memory;
    uint32_t vcpus;
    bool unprotected;
    const char *description;
    char *labels; /* "KEY=VALUE\n" for each, sorted by key; options_done() frees */
    bool autostart;
    enum restart_policy restart;
    uint64_t cpu_shares;
    uint32_t cpu_quota, io_weight;
    const char *network;
    char *disks; /* "IMAGE\n" for each; options_done() frees */
};

union option_value {
    const char *s;
    uint64_t u; /* u, t, b */
    int fd;
    const char *const *l; /* as: strings; a{ss}: key, value, key, ...; ends with NULL */
};

void options_init(struct machine_options *o);
void options_done(struct machine_options *o);

static inline bool option_given(const struct machine_options *o, enum machine_option k) {
    return o->set & 1u << k;
}

/* D-Bus signature of an option, NULL if there is none of that name. */
const char *option_signature(const char *key);

/**
 * option_set - take one option
 * @signature: of the value; must be the option's own
 *
 * Returns 0; -ENOENT: no such option; -EMEDIUMTYPE: wrong type; -EEXIST: given twice; -EINVAL, -ERANGE,
 * -E2BIG: bad value. Sizes that depend on the host and the form of kernel and command line are validate.h's.
 */
int option_set(struct machine_options *o, const char *key, const char *signature, const union option_value *v,
               struct cvm_error *e);

/* 96 lower-case hexadecimal digits (SHA-384). */
bool digest_is_valid(const char *s);

#endif
