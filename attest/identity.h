/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the Quoter extended before Linux started, read out of an event log: cvm/tpm.h says what must be there.
 */
#ifndef CVM_ATTEST_IDENTITY_H
#define CVM_ATTEST_IDENTITY_H

#include "cvm/tpm.h"
#include "eventlog.h"

struct cvm_identity {
    uint32_t rootvisor_version, rootvisor_svn, guardian_svn;
    uint8_t rootvisor_digest[CVM_DIGEST_SIZE], guardian_digest[CVM_DIGEST_SIZE];
    uint8_t key_id[32];
    char config[CVM_TPM_CONFIG_MAX + 1]; /* RootVisor's command line */
};

/**
 * cvm_identity_read - the entries of CVM_PCR_IDENTITY and CVM_PCR_KEY
 * @log:  at its beginning; copied
 * @hash: bank that was quoted; the log replays to it
 *
 * Exactly the entries of cvm/tpm.h, in their order, none behind the separators; the digest of each is the
 * hash of its data, so that data of a log that replays to the quoted PCRs is what the Quoter meant. Returns
 * 0; -EINVAL with the reason, what cvm_log_next() returns.
 */
int cvm_identity_read(const struct cvm_log *log, uint16_t hash, struct cvm_identity *ret,
                      struct cvm_error *e);

#endif
