/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "register-log.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#define DIGITS (2 * CVM_DIGEST_SIZE)

/* "REGISTER DIGEST", perhaps with a blank and a text behind it. */
static int take_line(const char *line, size_t size, uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE]) {
    uint8_t both[2 * CVM_DIGEST_SIZE];
    unsigned i;

    if (size < 2 + DIGITS || line[0] < '0' || line[0] >= '0' + (int)CVM_RTMRS || line[1] != ' ' ||
        (size > 2 + DIGITS && line[2 + DIGITS] != ' ') || cvm_hex_decode(line + 2, DIGITS, both + CVM_DIGEST_SIZE, CVM_DIGEST_SIZE) < 0)
        return -EINVAL;
    i = (unsigned)(line[0] - '0');
    memcpy(both, rtmr[i], CVM_DIGEST_SIZE);
    return EVP_Digest(both, sizeof(both), rtmr[i], NULL, EVP_sha384(), NULL) == 1 ? 0 : -EIO;
}

int cvm_register_log_replay(const void *buf, size_t size, uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE], unsigned *nr, struct cvm_error *e) {
    const char *p = buf, *end = p + size;

    memset(rtmr, 0, CVM_RTMRS * CVM_DIGEST_SIZE);
    *nr = 0;
    if (size > CVM_REGISTER_LOG_MAX)
        return cvm_error_set(e, -EFBIG, "the register log has %zu bytes, at most %u are taken", size, CVM_REGISTER_LOG_MAX);
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        int r = stop ? take_line(p, (size_t)(stop - p), rtmr) : -EINVAL;

        if (r < 0)
            return cvm_error_set(e, r, "line %u of the register log is not 'REGISTER DIGEST [TEXT]'", *nr + 1);
        p = stop + 1;
        ++*nr;
    }
    return 0;
}
