// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: attest/tpm.c attest/quote.c attest/eventlog.c attest/pcrs.c attest/identity.c attest/json.c attest/key.c attest/util.c attest/reference.c attest/digest.c attest/bzimage.c attest/rom-image.c attest/elf-image.c attest/report.c
// LIBS: -ljson-c -lcrypto
// What a host says that a TPM and a firmware wrote, as the tenant reads it: public areas, quotes, signatures, event logs. The
// first byte says which. No input verifies under a key that nobody uses, and what is lent stays inside the input.
#include <stdlib.h>
#include <string.h>

#include "attest/identity.h"
#include "attest/quote.h"
#include "attest/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_log(const uint8_t *data, size_t size) {
    static const uint16_t banks[] = { CVM_TPM_ALG_SHA256, CVM_TPM_ALG_SHA384 };
    struct cvm_error e = { "" };
    struct cvm_identity id;
    struct cvm_log_event ev;
    struct cvm_log log, copy;
    struct cvm_pcrs pcrs;
    static struct cvm_reference reference;
    unsigned n = 0;
    int r;

    r = cvm_log_open(data, size, &log, &e);
    if (r < 0) {
        if (!e.text[0])
            abort();
        return;
    }
    copy = log;
    while ((r = cvm_log_next(&copy, &ev, &e)) > 0) {
        if (ev.data < data || ev.data + ev.size > data + size || ++n > CVM_LOG_EVENTS_MAX)
            abort();
        for (unsigned i = 0; i < log.nr_banks; i++)
            if (ev.digest[i] < data || ev.digest[i] + log.bank[i].size > data + size)
                abort();
    }
    for (int i = 0; i < 2; i++) {
        int q = cvm_log_replay(&log, banks[i], &pcrs, &e);

        /* A log that can be walked can be replayed in the banks that it has, and only there. */
        if ((q == 0) != (r == 0 && cvm_log_bank(&log, banks[i]) >= 0))
            abort();
        if (cvm_identity_read(&log, banks[i], &id, &e) == 0 && q < 0)
            abort();
    }
    /* A tenant's own file, but who knows from where. */
    memset(&reference, 0, sizeof(reference));
    if (cvm_reference_from_log(data, size, &reference, &e) == 0 && (r < 0 || reference.nr_boot > 2))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* P-256 restricted signing key with the base point (SEC 2): nobody signs with the private key 1 here. */
    static const uint8_t ak[] = {
        0x00, 0x23, 0x00, 0x0b, 0x00, 0x05, 0x00, 0x72, 0x00, 0x00, 0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0x00, 0x03, 0x00,
        0x10, 0x00, 0x20, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
        0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x00, 0x20, 0x4f,
        0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57,
        0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
    };
    struct cvm_error e = { "" };
    struct cvm_tpm_public pub;
    struct cvm_quote quote;
    EVP_PKEY *key = NULL;

    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        fuzz_log(data + 1, size - 1);
        break;
    case 1:
        if (cvm_quote_parse(data + 1, size - 1, &quote, &e) < 0 && !e.text[0])
            abort();
        break;
    case 2:
        if (cvm_tpm_public_parse(ak, sizeof(ak), &pub, &e) < 0 || cvm_tpm_public_is_ak(&pub, &e) < 0)
            abort();
        if (cvm_quote_verify(&pub, "quote", 5, data + 1, size - 1, &e) == 0)
            abort();
        break;
    case 3:
        if (cvm_tpm_public_parse(data + 1, size - 1, &pub, &e) < 0)
            break;
        if (cvm_tpm_public_to_key(&pub, &key, &e) == 0)
            EVP_PKEY_free(key);
        break;
    }
    return 0;
}
