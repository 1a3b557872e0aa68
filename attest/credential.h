/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TPM2_MakeCredential without a TPM: a secret that only the TPM with this endorsement key can give back, and
 * only while it holds the attestation key named (TPM 2.0 Library, part 1, 24; annexes B.10.4 and C.6.1).
 */
#ifndef CVM_ATTEST_CREDENTIAL_H
#define CVM_ATTEST_CREDENTIAL_H

#include "tpm.h"

#define CVM_CREDENTIAL_SECRET 32

struct cvm_credential {
    size_t blob_size; /* TPMS_ID_OBJECT: TPM2B_ID_OBJECT without its size */
    uint8_t blob[160];
    size_t seed_size; /* TPM2B_ENCRYPTED_SECRET without its size */
    uint8_t seed[512];
};

/**
 * cvm_credential_make - lock a secret to an endorsement key and the name of an attestation key
 * @ek:                public area of a restricted decryption key: RSA, or ECC on P-256 or P-384, with AES-CFB
 * @name, @name_size:  of the attestation key, cvm_tpm_public.name
 * @secret:            CVM_CREDENTIAL_SECRET bytes
 *
 * Returns 0; -EINVAL: @ek is no such key; -ENOMEM, -EIO.
 */
int cvm_credential_make(const struct cvm_tpm_public *ek, const uint8_t *name, size_t name_size,
                        const uint8_t *secret, struct cvm_credential *ret, struct cvm_error *e);

#endif
