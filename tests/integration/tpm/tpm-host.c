/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmd's TPM functions without cvmd: what a host does of enrolment and evidence, as a command for the test.
 *
 *   tpm-host endorsement TCTI                                     > endorsement.json
 *   tpm-host activate TCTI < challenge.json                       > response.json
 *   tpm-host activate-flipped TCTI < challenge.json               > response.json
 *   tpm-host evidence TCTI NONCE LOG REPORT POINT                 > evidence.json
 *
 * NONCE in hexadecimal; REPORT and POINT are files: a VM report's bytes, its key's 65 bytes.
 */
#include "cvmd/tpm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int complain(const struct cvm_error *e) {
    fprintf(stderr, "%s\n", e->text);
    return 1;
}

static int endorsement(struct tpm *t) {
    struct cvm_endorsement *en = calloc(1, sizeof(*en));
    struct cvm_error e = {""};
    char *text = NULL;

    if (tpm_endorsement(t, en, &e) < 0 || cvm_endorsement_compose(en, &text) < 0)
        return complain(&e);
    fputs(text, stdout);
    free(text);
    free(en);
    return 0;
}

static int read_challenge(struct cvm_credential *c, struct cvm_error *e) {
    void *buf = NULL;
    size_t size = 0;
    int r = cvm_read_file("-", 65536, &buf, &size, e);

    if (r >= 0)
        r = cvm_challenge_parse(buf, size, c, e);
    free(buf);
    return r;
}

static int respond(struct tpm *t, const struct cvm_credential *c) {
    uint8_t secret[CVM_CREDENTIAL_SECRET];
    struct cvm_error e = {""};
    char *text = NULL;

    if (tpm_activate(t, c, secret, &e) < 0 || cvm_response_compose(secret, &text) < 0)
        return complain(&e);
    fputs(text, stdout);
    free(text);
    return 0;
}

static int activate(struct tpm *t) {
    struct cvm_credential c;
    struct cvm_error e = {""};

    return read_challenge(&c, &e) < 0 ? complain(&e) : respond(t, &c);
}

/*
 * The same, after the TPM was given the challenge with a bit flipped and opened none: in each octet of the blob, in every eighth of the
 * encrypted secret (each bit: test-attest-enrolment, with a TPM's part in user space; here each takes a twelfth of a second).
 */
static int activate_flipped(struct tpm *t) {
    uint8_t secret[CVM_CREDENTIAL_SECRET];
    struct cvm_credential c;
    struct cvm_error e = {""};
    size_t refused = 0;
    int r;

    if (read_challenge(&c, &e) < 0)
        return complain(&e);
    for (size_t i = 0; i < c.blob_size + c.seed_size; i += i < c.blob_size ? 1 : 8) {
        uint8_t *p = i < c.blob_size ? &c.blob[i] : &c.seed[i - c.blob_size];

        *p ^= (uint8_t)(1 << refused % 8);
        if (tpm_activate(t, &c, secret, &e) != -EBADMSG) {
            fprintf(stderr, "octet %zu flipped: not refused as another challenge: %s\n", i, e.text);
            return 3;
        }
        *p ^= (uint8_t)(1 << refused % 8);
        refused++;
    }
    r = respond(t, &c);
    if (r == 0)
        fprintf(stderr, "%zu flips refused\n", refused);
    return r;
}

static int evidence(struct tpm *t, char **argv) {
    struct cvm_platform *p = calloc(1, sizeof(*p));
    uint8_t nonce[64], qualify[32];
    struct cvm_report_key key = {0};
    struct cvm_error e = {""};
    struct cvm_report *report = NULL;
    void *point = NULL;
    size_t size = 0, point_size = 0;
    char *text = NULL;

    if (cvm_hex_decode(argv[0], strlen(argv[0]), nonce, sizeof(nonce)) < 0 ||
        cvm_quote_qualify(nonce, qualify) < 0)
        return 2;
    if (tpm_quote(t, qualify, p, &e) < 0 || tpm_read_log(argv[1], p, &e) < 0 ||
        cvm_read_file(argv[2], sizeof(*report), (void **)&report, &size, &e) < 0 ||
        cvm_read_file(argv[3], sizeof(key.point), &point, &point_size, &e) < 0)
        return complain(&e);
    if (size != sizeof(*report) || point_size != sizeof(key.point))
        return 2;
    memcpy(key.point, point, point_size);
    if (cvm_evidence_compose(report, &key, p, &text) < 0)
        return 2;
    fputs(text, stdout);
    free(text);
    free(report);
    free(point);
    cvm_platform_free(p);
    return 0;
}

int main(int argc, char **argv) {
    struct cvm_error e = {""};
    struct tpm *t = NULL;
    int r = 2;

    if (argc < 3)
        return 2;
    if (tpm_open(argv[2], &t, &e) < 0)
        return complain(&e);
    if (strcmp(argv[1], "endorsement") == 0)
        r = endorsement(t);
    else if (strcmp(argv[1], "activate") == 0)
        r = activate(t);
    else if (strcmp(argv[1], "activate-flipped") == 0)
        r = activate_flipped(t);
    else if (strcmp(argv[1], "evidence") == 0 && argc == 7)
        r = evidence(t, argv + 3);
    tpm_close(t);
    return r;
}
