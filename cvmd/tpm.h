/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's TPM 2.0 through tpm2-tss (ESAPI): attestation key, enrolment, quotes. Everything here blocks,
 * for seconds with some TPMs: it belongs into a thread, one at a time. cvmd vouches for nothing that it reads
 * here.
 *
 * No key is stored. The attestation key is a primary key of the endorsement hierarchy: the TPM makes the same
 * one out of the same template at each start, until its endorsement seed is changed.
 */
#ifndef CVMD_TPM_H
#define CVMD_TPM_H

#include "attest/enrolment.h"
#include "attest/evidence.h"

struct tpm;

/**
 * tpm_open - connect, and make the attestation key
 * @tcti: as TCTI loaders take it: "device:/dev/tpmrm0", "swtpm:path=...", "cmd:..."
 *
 * Returns 0; -ENODEV: nothing answers; -EIO: the TPM refuses, with its words in @e; -ENOMEM.
 */
int tpm_open(const char *tcti, struct tpm **ret, struct cvm_error *e);
void tpm_close(struct tpm *t);
CVM_DEFINE_CLEANUP(struct tpm *, tpm_close)

/**
 * tpm_endorsement - certificate and public area of the endorsement key, public area of the attestation key
 *
 * The certificate is the TPM's own (TCG EK Credential Profile, low range: RSA 2048 or P-256).
 * Returns 0; -ENOENT: the TPM has no such certificate; -EIO.
 */
int tpm_endorsement(struct tpm *t, struct cvm_endorsement *ret, struct cvm_error *e);

/**
 * tpm_activate - open a credential that was made for this TPM and its attestation key
 * @secret: CVM_CREDENTIAL_SECRET bytes
 *
 * Returns 0; -EBADMSG: it was made for another TPM or another key, or was changed; -ENOENT, -EIO.
 */
int tpm_activate(struct tpm *t, const struct cvm_credential *c, uint8_t *secret, struct cvm_error *e);

/**
 * tpm_quote - PCRs 0-9, 12, 13, 14 of the strongest bank that is taken (sha256, else sha384)
 * @qualify: 32 bytes, see cvm_quote_qualify()
 * @ret:     all but the log
 *
 * Returns 0; -ENOENT: no such bank; -EIO.
 */
int tpm_quote(struct tpm *t, const uint8_t *qualify, struct cvm_platform *ret, struct cvm_error *e);

/**
 * tpm_read_log - event log into @ret
 * @path: of the log; an ACPI table CVML loses its header
 *
 * Returns 0 or a negative errno.
 */
int tpm_read_log(const char *path, struct cvm_platform *ret, struct cvm_error *e);

/* The TPM as a line for somebody else's commands: nothing is loaded, nothing is looked at. */
struct tpm_line;
int tpm_line_open(const char *tcti, struct tpm_line **ret, struct cvm_error *e);
void tpm_line_close(struct tpm_line *l);

/* @buf: a command of *@size bytes, then its answer. 0; -EIO: no answer, or one of more than @max bytes. */
int tpm_line_exchange(struct tpm_line *l, uint8_t *buf, size_t *size, size_t max, struct cvm_error *e);

#endif
