/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The binary VM report (hypervisor/include/cvm/report.h) as untrusted bytes.
 */
#ifndef CVM_ATTEST_REPORT_H
#define CVM_ATTEST_REPORT_H

#include "cvm/report.h"
#include "util.h"

/**
 * cvm_report_decode - untrusted bytes to a checked report
 * @buf, @size: the bytes; read once
 * @ret:        host byte order; undefined on error
 * @e:          text of the error, may be NULL
 *
 * Checks everything that can be checked without a key or a policy: layout, version,
 * reserved fields, the component list (kinds ascending, each at most once, firmware first,
 * unused entries zero). A report cut short is told with the field that it ends in.
 *
 * Returns 0;
 *   -ENODATA          no bytes at all
 *   -EBADMSG          no report: wrong magic
 *   -EMSGSIZE         cut short, or bytes behind the end
 *   -EPROTONOSUPPORT  another version of the layout
 *   -EINVAL           a field has a value that no RootVisor writes
 */
int cvm_report_decode(const void *buf, size_t size, struct cvm_report *ret, struct cvm_error *e);

/**
 * cvm_report_encode - the wire bytes of a report
 * @rep: host byte order; not validated
 * @out: sizeof(struct cvm_report) bytes
 */
void cvm_report_encode(const struct cvm_report *rep, uint8_t *out);

/* Name of a component kind as options, reference values and texts use it, NULL if unknown. */
const char *cvm_component_name(uint32_t kind);

#endif
