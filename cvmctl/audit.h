/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of the audit log: audit.c lists, audit-export.c fetches, audit-verify.c judges. */
#ifndef CVMCTL_AUDIT_H
#define CVMCTL_AUDIT_H

#include "cvmctl.h"
#include "verb.h"

#define EXIT_TAMPERED 6
#define EXIT_INCOMPLETE 7

int verb_audit_verify(int argc, char **argv);
extern const struct verb_option audit_verify_options[];
extern const struct verb_status audit_verify_statuses[];

int verb_audit_export(int argc, char **argv);
extern const struct verb_option audit_export_options[];
int verb_audit_checkpoint(int argc, char **argv);
int verb_audit_key(int argc, char **argv);
int verb_audit_prove(int argc, char **argv);
int verb_audit_consistency(int argc, char **argv);
extern const struct verb_option audit_output_options[];

#endif
