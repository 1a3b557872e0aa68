// SOURCES: hypervisor/guardian/crypto/ec.c hypervisor/guardian/crypto/hpke.c hypervisor/guardian/crypto/rng.c attest/hpke.c attest/key.c attest/util.c attest/json.c
// CFLAGS: -Ihypervisor/guardian
// LIBS: -lbearssl -lcrypto -ljson-c
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HPKE's receiver on what a host may hand it: bytes of its own making, or a genuine message with some of its
 * bytes changed. Only the genuine one opens, and nothing comes out otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/hpke.h"
#include "crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT 64u

/* Repeatable runs: no true entropy here. */
int entropy(void *buf, size_t size) {
    memset(buf, 0x5a, size);
    return 0;
}

/* Everything that an attacker can choose. */
struct message {
    uint8_t enc[EC_POINT_SIZE], info[24], aad[24], out[TEXT + HPKE_TAG_SIZE];
};

static struct ec_key key;
static struct message genuine;

static void make(void) {
    struct rng rng;
    uint8_t text[TEXT] = {1};
    struct cvm_hpke_message m = {
        .receiver = key.point, .aead = CVM_HPKE_AES_256_GCM, .info = genuine.info, .aad = genuine.aad, .text = text,
        .info_size = sizeof(genuine.info), .aad_size = sizeof(genuine.aad), .size = sizeof(text),
    };

    if (rng_init(&rng) || ec_key_generate(&key, &rng) || cvm_hpke_seal(&m, genuine.enc, genuine.out))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t zero[TEXT];
    struct message m = genuine;
    uint8_t text[TEXT];
    bool same;

    if (!key.point[0]) {
        make();
        m = genuine;
    }
    if (size >= sizeof(m))
        memcpy(&m, data, sizeof(m));
    else
        for (; size >= 2; data += 2, size -= 2)
            ((uint8_t *)&m)[data[0] % sizeof(m)] ^= data[1];
    same = memcmp(&m, &genuine, sizeof(m)) == 0;
    memcpy(text, m.out, TEXT);
    if ((hpke_open(&key, HPKE_AES_256_GCM, m.enc, m.info, sizeof(m.info), m.aad, sizeof(m.aad), text, TEXT,
                   m.out + TEXT) == 0) != same)
        abort();
    if (!same && memcmp(text, zero, TEXT))
        abort();
    return 0;
}
