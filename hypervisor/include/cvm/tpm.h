/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the Quoter extends into the TPM before Linux starts, and the log of it. docs/attestation.md,
 * "Platform evidence", explains the choices.
 *
 * The log is a TCG crypto-agile event log (PC Client Platform Firmware Profile, 10.2): the firmware's entries,
 * if the firmware left a log where RootVisor finds it, then these, in this order:
 *
 *   PCR                type          event data                                   present
 *   CVM_PCR_IDENTITY   EV_EVENT_TAG  struct cvm_tpm_image, CVM_TPM_TAG_ROOTVISOR  always
 *   CVM_PCR_IDENTITY   EV_EVENT_TAG  struct cvm_tpm_tagged, CVM_TPM_TAG_CONFIG,
 *                                    then RootVisor's command line without a NUL  always, may be empty
 *   CVM_PCR_IDENTITY   EV_EVENT_TAG  struct cvm_tpm_image, CVM_TPM_TAG_GUARDIAN   always
 *   CVM_PCR_KEY        EV_EVENT_TAG  struct cvm_tpm_key                           always
 *   CVM_PCR_KEY        EV_SEPARATOR  4 bytes, 0                                   always
 *   CVM_PCR_IDENTITY   EV_SEPARATOR  4 bytes, 0                                   always
 *
 * For each of them the digest of a bank is that bank's hash over the event data, all of it (TPM2_PCR_Event):
 * nothing in these entries is unmeasured. A separator of 4 bytes FFh says that an extend failed half-way; then
 * CVM_F_TPM is not set, and no verifier takes the log. Both PCRs read 0 before.
 */
#ifndef CVM_TPM_H
#define CVM_TPM_H

#include "cvm/abi.h"

#define CVM_TPM_MMIO		0xfed40000u	/* locality 0: one page, PTP 6.2 */

#define CVM_PCR_KEY		12u	/* differs at each start of the host */
#define CVM_PCR_IDENTITY	13u	/* the same at each start of the same images with the same command line */

#define CVM_TPM_TAG_ROOTVISOR	0x43564d01u
#define CVM_TPM_TAG_CONFIG	0x43564d02u
#define CVM_TPM_TAG_GUARDIAN	0x43564d03u
#define CVM_TPM_TAG_KEY		0x43564d04u

/* TCG_PCClientTaggedEvent: little-endian; `size` bytes of data follow. */
struct cvm_tpm_tagged {
	uint32_t tag;			/* CVM_TPM_TAG_* */
	uint32_t size;
};
_Static_assert(sizeof(struct cvm_tpm_tagged) == 8, "cvm_tpm_tagged");

struct cvm_tpm_image {
	struct cvm_tpm_tagged head;	/* size = 56 */
	uint32_t version;		/* RootVisor's, as in struct cvm_host_info; of the Guardian 0 */
	uint32_t svn;
	uint8_t  digest[CVM_DIGEST_SIZE];	/* RootVisor digest or Guardian digest as report.h defines them */
};
_Static_assert(sizeof(struct cvm_tpm_image) == 64, "cvm_tpm_image");

struct cvm_tpm_key {
	struct cvm_tpm_tagged head;	/* size = 32 */
	uint8_t  key_id[32];		/* report_key_id of every VM report: SHA-256 of the 65-byte point */
};
_Static_assert(sizeof(struct cvm_tpm_key) == 40, "cvm_tpm_key");

#define CVM_TPM_CONFIG_MAX	511u	/* bytes of a command line; a longer one does not start */

/*
 * The log is also the body of an ACPI table of this signature, behind the 36 bytes of its header:
 * /sys/firmware/acpi/tables/CVML (mode 0400). Where the firmware has an ACPI table TPM2, that table's log area
 * (LASA, LAML) names this same body, so Linux shows it as
 * /sys/kernel/security/tpm0/binary_bios_measurements. No TPM, or no extend: no such table.
 */
#define CVM_ACPI_LOG_SIGNATURE	"CVML"

#endif
