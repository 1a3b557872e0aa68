// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: attest/corim.c attest/cose.c attest/cbor.c attest/reference.c attest/digest.c attest/eventlog.c attest/pcrs.c attest/tpm.c attest/json.c attest/key.c attest/report.c attest/bzimage.c attest/elf-image.c attest/rom-image.c attest/util.c
// LIBS: -ljson-c -lcrypto
// CoRIMs, plain and signed, as untrusted bytes. What is taken can be written as JSON and is taken again from there; nothing is
// taken as signed by a key that nobody uses.
#include <stdlib.h>
#include <string.h>

#include "attest/corim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cvm_reference reference, again;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* The base point of P-256 (SEC 2): a valid key; nobody signs with the private key 1 here. */
    static const uint8_t point[65] = {
        4,    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
        0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f,
        0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce,
        0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
    };
    struct cvm_error e = { "" };
    unsigned other = 0;
    const char *text;
    json_object *o;

    if (cvm_corim_parse(data, size, point, 1800000000, &reference, &other, &e) == 0)
        abort();
    e.text[0] = 0;
    if (cvm_corim_parse(data, size, NULL, 1800000000, &reference, &other, &e) < 0) {
        if (!e.text[0])
            abort();
        return 0;
    }
    o = cvm_reference_to_json(&reference);
    text = o ? json_object_to_json_string(o) : NULL;
    if (text && cvm_reference_parse(text, strlen(text), &again, &e) < 0)
        abort();
    json_object_put(o);
    return 0;
}
