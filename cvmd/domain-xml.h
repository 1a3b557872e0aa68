/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt domain XML, generated in this module only. What each element is for: docs of libvirt,
 * formatdomain.html; why the protected shape has it: comments in domain-xml.c.
 */
#ifndef CVMD_DOMAIN_XML_H
#define CVMD_DOMAIN_XML_H

#include "attest/util.h"

#include <stdbool.h>

enum memory_backing {
    MEMORY_PAGEABLE,  /* ordinary anonymous memory: the host may swap it (it swaps ciphertext) */
    MEMORY_LOCKED,    /* ordinary pages, locked */
    MEMORY_HUGEPAGES, /* reserved huge pages, locked */
    MEMORY_BACKING_MAX,
};
const char *memory_backing_to_string(enum memory_backing b);
int memory_backing_from_string(const char *s); /* or -EINVAL */

#define DOMAIN_IDE_DISKS 4u
/* libvirt writes shares as they are into cpu.weight of a version 2 control group, which takes 1 to 10000. */
#define CPU_SHARES_MAX 10000u

struct domain_disk {
    const char *path; /* raw */
    bool block;       /* a block device, else a file */
};

struct domain_shape {
    const char *type; /* "kvm"; tests: "qemu" (no hardware virtualization), "test" (libvirt's test driver) */
    const char *name;
    const char *uuid; /* as uuid_to_string() writes it */
    bool protected;
    uint64_t memory; /* bytes, whole KiB */
    uint32_t vcpus;
    enum memory_backing backing;
    const char *firmware; /* cvmboot's ROM image; used by the protected shape only */
    const char *kernel;
    const char *initrd;  /* or NULL */
    const char *cmdline; /* or NULL */
    const char *console_log;
    uint64_t cpu_shares;           /* 0: libvirt's default */
    uint32_t cpu_quota, io_weight; /* percent of one CPU; 10 to 1000; 0: none */
    const char *network;           /* "network:NAME", "bridge:NAME", or NULL */
    const struct domain_disk *disks;
    unsigned nr_disks; /* at most 26, of a protected machine DOMAIN_IDE_DISKS */
};

/**
 * domain_xml - the domain of one machine
 * @ret: XML, the caller frees
 *
 * Returns 0 or -ENOMEM.
 */
int domain_xml(const struct domain_shape *s, char **ret);

/**
 * domain_xml_console - the pseudo terminal of the first serial port
 * @xml: of a running domain, from libvirt
 * @ret: path, /dev/pts/N; the caller frees
 *
 * Returns 0; -EBADMSG: no XML, or the path is another; -ENOENT: no such device; -ENOMEM.
 */
int domain_xml_console(const char *xml, char **ret);

#endif
