/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tenant's part where no network is: seals a key to the Guardian of a report.
 *   keytenant REPORT KEY OUT [EXPECTED]
 *     REPORT    a report, as rvcall writes it
 *     KEY       hex, each byte XOR 0x5a
 *     EXPECTED  a report of the same launch: if the measurement differs, nothing is sealed
 * Its policy is that measurement alone: signature and nonce are cvmctl's and the broker's business, tested there.
 * Exit status: 0, 1 refused, 2 trouble.
 */
#include <stdio.h>
#include <string.h>

#include "attest/release.h"
#include "attest/report.h"

static int load(const char *path, struct cvm_report *ret) {
    _cleanup_cvm_free_ void *buf = NULL;
    struct cvm_error e = {""};
    size_t size = 0;
    int r;

    r = cvm_read_file(path, sizeof(*ret), &buf, &size, &e);
    if (r == 0)
        r = cvm_report_decode(buf, size, ret, &e);
    if (r < 0)
        fprintf(stderr, "keytenant: %s: %s\n", path, e.text);
    return r;
}

int main(int argc, char **argv) {
    struct cvm_report report, expected;
    struct cvm_key_blob blob;
    struct cvm_error e = {""};
    uint8_t key[CVM_KEY_MAX];
    size_t n;

    if (argc < 4 || argc > 5 || load(argv[1], &report) < 0 || (argc == 5 && load(argv[4], &expected) < 0))
        return 2;
    if (argc == 5 && memcmp(report.launch_digest, expected.launch_digest, CVM_DIGEST_SIZE)) {
        puts("refused: another launch measurement");
        return 1;
    }
    n = strlen(argv[2]) / 2;
    if (n < 1 || n > sizeof(key) || cvm_hex_decode(argv[2], strlen(argv[2]), key, n) < 0)
        return 2;
    for (size_t i = 0; i < n; i++)
        key[i] ^= 0x5a;
    if (cvm_key_release(&report, key, n, &blob) < 0 || cvm_write_file(argv[3], &blob, sizeof(blob), &e) < 0)
        return 2;
    return 0;
}
