/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RootVisor as cvmd sees it: the host calls of cvm/abi.h. rootvisor.c makes them by VMCALL; the
 * tests link tests/unit/fake-rootvisor.c in its place.
 *
 * All functions return 0 (or the non-negative result named) or the negative errno that RootVisor
 * gave. One thread only.
 */
#ifndef CVMD_ROOTVISOR_H
#define CVMD_ROOTVISOR_H

#include "attest/util.h"
#include "cvm/abi.h"
#include "cvm/counter.h"
#include "cvm/key.h"
#include "cvm/report.h"

struct rootvisor;

/**
 * rootvisor_open - find RootVisor and its secret
 * @e: text for the admin when it fails
 *
 * Returns 0;
 *   -ENOENT  no RootVisor started this host (no ACPI table)
 *   -EACCES  the table may not be read: not root
 *   -EBADMSG the table is malformed
 *   -EPROTO  RootVisor speaks another version of the ABI
 *   -ENXIO   the table is there, but nothing answers VMCALL
 */
int rootvisor_open(struct rootvisor **ret, struct cvm_error *e);
void rootvisor_close(struct rootvisor *rv);
CVM_DEFINE_CLEANUP(struct rootvisor *, rootvisor_close)

int rootvisor_host_info(struct rootvisor *rv, struct cvm_host_info *ret);
int rootvisor_host_stats(struct rootvisor *rv, struct cvm_stats *ret);
int rootvisor_vm_list(struct rootvisor *rv, struct cvm_vm_list *ret);
int rootvisor_vm_stats(struct rootvisor *rv, uint32_t id, struct cvm_stats *ret);
/* Result: frames that the VM still owns; call again until it is 0. -ENOENT: it is gone. */
int rootvisor_vm_destroy(struct rootvisor *rv, uint32_t id);
/* @user_data: 64 bytes that the report binds, a nonce. -EBUSY: not yet protected, or dead. */
int rootvisor_vm_report(struct rootvisor *rv, uint32_t id, const uint8_t user_data[64],
                        struct cvm_report *ret);
/* Events from sequence number @first on; ret->count says how many. */
int rootvisor_events(struct rootvisor *rv, uint64_t first, struct cvm_event_page *ret);
/* @blob: a tenant's key, sealed to the Guardian of VM @id. -EBUSY as above; -EINVAL, -ESTALE, -EBADMSG: the Guardian
 * refused it (cvm/abi.h, CVM_HOST_KEY_PUT). */
int rootvisor_key_put(struct rootvisor *rv, uint32_t id, const struct cvm_key_blob *blob);
/* A signed head of RootVisor's log (cvm/report.h). @user_data: 64 bytes that it binds. @tree_size: of a log whose
 * root is @user_data[0..31], for RootVisor to record; 0: none. */
int rootvisor_log_head(struct rootvisor *rv, uint64_t tree_size, const uint8_t user_data[64], struct cvm_log_head *ret);
/* One step of a VM's rollback counter (cvm/counter.h); @call in and out. Errors: CVM_HOST_COUNTER. */
int rootvisor_counter(struct rootvisor *rv, uint32_t id, struct cvm_counter_call *call);
int rootvisor_report_key(struct rootvisor *rv, struct cvm_report_key *ret);

#endif
