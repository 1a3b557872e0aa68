// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: attest/enrolment.c attest/endorsement.c attest/credential.c attest/tpm.c attest/jws.c attest/json.c attest/key.c attest/util.c
// LIBS: -ljson-c -lcrypto
// What goes between tenant and host when a TPM is enrolled, each message as untrusted text: endorsement, challenge, response,
// the tenant's session, the record as it came and signed as it stands. Nobody finishes without the secret, or with another signature.
#include <stdlib.h>
#include <string.h>

#include "attest/enrolment.h"
#include "attest/jws.h"
#include "attest/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int c) {
    if (!c)
        abort();
}

/* A fixed key, so that runs repeat: the private key 1, whose point is the base point (SEC 2). */
static EVP_PKEY *tenant(uint8_t point[CVM_POINT_SIZE]) {
    static const unsigned char der[51] = {
        0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20, [38] = 1, 0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    };
    const unsigned char *p = der;
    EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, sizeof(der));

    check(key && cvm_key_to_point(key, point) == 0);
    return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cvm_enrolment_session session, again;
    static struct cvm_endorsement endorsement;
    static struct cvm_enrolment record;
    static uint8_t point[CVM_POINT_SIZE];
    static EVP_PKEY *key;
    struct cvm_credential credential;
    struct cvm_error e = { "" };
    char *text = NULL;
    int r;

    if (!key)
        key = tenant(point);
    r = cvm_endorsement_parse(data, size, &endorsement, &e);
    check(r == 0 || *e.text);
    e.text[0] = 0;
    r = cvm_challenge_parse(data, size, &credential, &e);
    check(r == 0 || *e.text);
    e.text[0] = 0;
    r = cvm_enrolment_session_parse(data, size, &session, &e);
    check(r == 0 || *e.text);
    if (r == 0 && cvm_enrolment_session_to_text(&session, &text) == 0) {
        check(cvm_enrolment_session_parse(text, strlen(text), &again, &e) == 0);
        check(memcmp(session.secret, again.secret, sizeof(session.secret)) == 0);
        free(text);
        text = NULL;
    }
    memset(&session, 0xa5, sizeof(session)); /* a secret that no input has, but for this one */
    r = cvm_enrolment_finish(&session, data, size, key, 1000, 0, &text, &e);
    check(r < 0 || memmem(data, size, "paWlpaWl", 8));
    free(text);
    text = NULL;
    e.text[0] = 0;
    check(cvm_enrolment_parse((const char *)data, size, point, &record, &e) < 0 && *e.text);
    /* What a tenant would have signed. */
    if (size < 4096 && cvm_jws_sign(key, CVM_ENROLMENT_JWS_TYPE, data, size, &text) == 0) {
        e.text[0] = 0;
        r = cvm_enrolment_parse(text, strlen(text), point, &record, &e);
        check(r == 0 || *e.text);
        check(r < 0 || (record.ak_size <= sizeof(record.ak) && record.name_size <= sizeof(record.name) && memchr(record.host, 0, sizeof(record.host))));
        free(text);
    }
    return 0;
}
