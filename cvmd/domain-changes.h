/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a running domain differs from what cvmd made of it: other programs may change it behind cvmd's back. Pure, and
 * fuzzed (tests/fuzz/fuzz-domain.c). What cvmd gave a domain stands in the domain's own metadata (domain-xml.c), so that
 * settings that wait for the next start are no difference, and a cvmd that starts anew knows it, too.
 */
#ifndef CVMD_DOMAIN_CHANGES_H
#define CVMD_DOMAIN_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#define DOMAIN_METADATA "urn:cvmd:machine:1"
#define DOMAIN_CHANGES_MAX 512u /* bytes of a text; what is beyond is cut */

/* Those that hold now, as in struct domain_shape. */
struct domain_limits {
    uint64_t cpu_shares;
    uint32_t cpu_quota, io_weight;
};

/**
 * domain_changes - what differs, in words
 * @xml: of a running domain, from libvirt
 * @limits: the machine's settings
 * @ret: printable ASCII, parts with "; " between them; empty: it is as cvmd made it. Devices of a domain without cvmd's
 *     metadata (a version before this one started it) are not looked at.
 *
 * Returns 0; -EBADMSG: no XML of a domain.
 */
int domain_changes(const char *xml, const struct domain_limits *limits, char ret[static DOMAIN_CHANGES_MAX]);

#endif
