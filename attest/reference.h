/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reference values: what a tenant expects of RootVisor, Guardian and launch measurement. Computed
 * from files, kept as JSON:
 *
 *   {
 *     "profile":   "tag:cvmd.org,2026:reference-values#1",
 *     "rootvisor": [ { "digest": hex, "min_svn": number } ],
 *     "guardian":  [ { "digest": hex, "min_svn": number } ],
 *     "firmware":  [ { "size": number, "digest": hex } ],
 *     "launch":    [ { "digest": hex,
 *                      "components": [ { "kind": text, "size": number, "digest": hex } ] } ],
 *     "boot":      [ { "bank": "sha256", "pcrs": { "4": hex, "8": hex, "9": hex, ... } } ]
 *   }
 *
 * All digests are SHA-384. Each list holds alternatives: old and new values are valid together
 * while an update is under way. A list that is absent or empty means that nothing is known, which
 * an appraisal never takes for a pass. "min_svn" may be absent (0). "firmware" alone accepts
 * nothing: it serves to compute "launch" from a tenant's own kernel, initrd and command line.
 * "boot" says what firmware and loader extended before RootVisor ran; PCRs 4, 8 and 9 must be in it.
 */
#ifndef CVM_ATTEST_REFERENCE_H
#define CVM_ATTEST_REFERENCE_H

#include <json-c/json.h>

#include "cvm/report.h"
#include "pcrs.h"

#define CVM_REFERENCE_PROFILE "tag:cvmd.org,2026:reference-values#1"
#define CVM_REFERENCE_MAX 16                        /* alternatives in a list */
#define CVM_BOOT_PCRS (1u << 4 | 1u << 8 | 1u << 9) /* a boot reference without them says nothing */

struct cvm_ref_image {
    uint8_t digest[CVM_DIGEST_SIZE];
    uint32_t min_svn; /* a report with a lower security version number is refused */
};

struct cvm_ref_launch {
    uint8_t digest[CVM_DIGEST_SIZE]; /* of the components below */
    unsigned nr;
    struct cvm_measured component[CVM_MAX_COMPONENTS]; /* kinds ascending */
};

struct cvm_reference {
    unsigned nr_rootvisor, nr_guardian, nr_firmware, nr_launch, nr_boot;
    struct cvm_ref_image rootvisor[CVM_REFERENCE_MAX];
    struct cvm_ref_image guardian[CVM_REFERENCE_MAX];
    struct cvm_measured firmware[CVM_REFERENCE_MAX];
    struct cvm_ref_launch launch[CVM_REFERENCE_MAX];
    struct cvm_pcrs boot[CVM_REFERENCE_MAX];
};

/* Paths; NULL = not given. cmdline is the text itself, NULL or "" = none. */
struct cvm_reference_files {
    const char *firmware; /* cvmboot.rom */
    const char *kernel;
    const char *initrd;
    const char *cmdline;
    const char *rootvisor; /* ELF */
    const char *guardian;  /* guardian.bin */
    unsigned vcpus;        /* 0 or 1: one */
    const char *event_log; /* TCG crypto-agile log of a host as it shall be */
};

/**
 * cvm_reference_from_files - one set of reference values, from files alone
 * @known: values that are there already, or NULL: its firmware counts if no firmware file is named
 * @ret:   one alternative in each list for which files are given; "launch" needs a kernel, and has one
 *         alternative for each firmware
 *
 * Returns 0; -EINVAL if initrd or command line come without kernel, or kernel without firmware; what
 * reading and parsing the files returns, with the file's name in @e.
 */
int cvm_reference_from_files(const struct cvm_reference_files *files, const struct cvm_reference *known,
                             struct cvm_reference *ret, struct cvm_error *e);

/**
 * cvm_reference_parse - JSON text to reference values
 *
 * Returns 0; -EINVAL for bad JSON, bad members, a component list out of order or a launch digest
 * that is not the digest of its components; -EPROTONOSUPPORT for another profile; -E2BIG for too
 * many alternatives.
 */
int cvm_reference_parse(const void *buf, size_t size, struct cvm_reference *ret, struct cvm_error *e);

/**
 * cvm_reference_from_log - a boot reference from the event log of a host that was started as it shall be
 * @log, @size: crypto-agile; may be behind the 36 bytes of an ACPI table's header
 * @ret:        gets one alternative more for each accepted bank that the log has
 *
 * PCRs 0 to 9 and 14. Returns 0; what cvm_log_open() and
 * cvm_log_replay() return; -ENOENT: no bank that is accepted.
 */
int cvm_reference_from_log(const void *log, size_t size, struct cvm_reference *ret, struct cvm_error *e);

/* Adds the alternatives of @from to @to; -E2BIG if a list overflows. */
int cvm_reference_merge(struct cvm_reference *to, const struct cvm_reference *from);

/* As a JSON object that the caller puts, NULL if out of memory. */
json_object *cvm_reference_to_json(const struct cvm_reference *ref);

#endif
