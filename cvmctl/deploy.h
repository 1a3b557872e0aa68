/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl host deploy, status, undeploy: the images below Linux in /boot/cvmd, a script of grub-mkconfig, and
 * what GRUB starts.
 */
#ifndef CVMCTL_DEPLOY_H
#define CVMCTL_DEPLOY_H

#include "cvmctl.h"

#include <limits.h>

/* One pair of images, as /boot/cvmd/deployed names it: a line "current" or "previous". */
struct deployed_images {
    char rootvisor[64], guardian[64];                   /* names in /boot/cvmd; "" if there is none */
    char rootvisor_sha384[97], guardian_sha384[97];     /* of the files */
    char rootvisor_measured[97], guardian_measured[97]; /* as reports name them */
};

struct deployed {
    struct deployed_images current, previous;
    bool trial; /* GRUB is still to be told to try them at the next boot: a kill came in between */
};

/* Pure: the text of /boot/cvmd/deployed. Lines that it does not know are skipped; -EBADMSG: a line is cut or
 * strange. */
int deployed_parse(const char *text, struct deployed *ret);
/* The caller frees. NULL if out of memory. */
char *deployed_format(const struct deployed *d);

enum check_state {
    CHECK_GOOD,
    CHECK_WARNING, /* it works, and something is missing */
    CHECK_BAD,     /* RootVisor would not start */
    CHECK_UNKNOWN, /* cannot be told here */
};

struct check {
    const char *name;
    enum check_state state;
    char text[256];
};

#define CHECKS_MAX 12u

/* What stands in the way of RootVisor on the host whose root directory is @root. Returns how many there are.
 */
unsigned deploy_checks(const char *root, struct check checks[static CHECKS_MAX]);

/* --- deploy-cpu.c --- */
void check_cpu(struct check *c);

/* --- deploy-grub.c --- */
/* @path below @root. */
int path_below(const char *root, const char *path, char ret[PATH_MAX], struct cvm_error *e);
/* Makes grub.cfg anew with grub-mkconfig and puts it in place whole. @expect: must (not) hold entries of
 * RootVisor. */
int grub_update(const char *root, bool expect, bool *changed, struct cvm_error *e);
/* next_entry of grubenv: what GRUB starts at the next boot only; "" none. */
int grub_set_next(const char *root, const char *entry, bool *changed, struct cvm_error *e);
int grub_get_next(const char *root, char *ret, size_t size);

int verb_host_deploy(int argc, char **argv);
int verb_host_undeploy(int argc, char **argv);
int verb_host_status(int argc, char **argv);
extern const struct verb_option deploy_options[], root_options[];

#endif
