// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: attest/audit-chain.c attest/audit-entry.c attest/audit-proof.c attest/audit-verify.c attest/checkpoint.c attest/json.c attest/key.c attest/log-head.c attest/merkle.c attest/util.c
// LIBS: -lcrypto -ljson-c
/*
 * Exports, proofs, checkpoints and keys as untrusted bytes: as they are, and as the entries behind a head that
 * is well-formed. Nothing that the fuzzer makes is signed, so nothing may come out intact.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/audit-entry.h"
#include "attest/audit-proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cvm_note_key key;
static struct cvm_audit_result result;

static void judge(const char *buf, size_t size) {
    struct cvm_audit_note note = { buf, size < 400 ? size : 400, "kept" };
    static const uint8_t point[1][65] = { { 4 } };
    struct cvm_audit_options o = { .key = &key, .checkpoint = &note, .nr_checkpoint = 1, .report_key = point, .nr_report_key = 1 };
    struct cvm_error e = { "" };

    if (cvm_audit_verify(buf, size, &o, &result, &e) < 0) {
        if (!e.text[0])
            abort();
    } else if (result.verdict != CVM_AUDIT_TAMPERED)
        abort();
}

/* What parses, and formats again, is the same line. */
static void line(const char *s, size_t size) {
    struct cvm_audit_line l;

    if (cvm_audit_line_parse(s, size, &l, NULL) == 0 && (l.source.p < s || l.raw.len > size))
        abort();
}

static void format(const uint8_t *data, size_t size) {
    struct cvm_audit_entry a = { .source = "cvmd", .event = "e", .raw = data, .raw_size = size < 96 ? size : 96 };
    struct cvm_audit_line l;
    struct cvm_text t = { 0 };
    char *text = malloc(size + 1);

    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    a.message = a.who = a.boot = text;
    if (cvm_audit_entry_format(&a, &t) == 0 && cvm_audit_line_parse(t.p, t.len, &l, NULL) < 0)
        abort();
    free(t.p);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char head[] = "{\"format\":\"cvmd-audit-1\",\"from\":0,\"to\":3,\"checkpoint\":\"x/cvmd\\n3\\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                               "AAAAAAAAAAA=\\n\\n\\u2014 x/cvmd AAAA\\n\",\"checkpoints\":[],\"left\":[],\"proof\":[]}\n";
    struct cvm_audit_proof p;
    struct cvm_checkpoint cp;
    struct cvm_note_key k;
    struct cvm_error e = { "" };
    char *buf;
    size_t n;

    if (!key.name[0]) {
        static const uint8_t public[32] = { 1 };

        cvm_note_key_make("x/cvmd", public, &key);
    }
    if (size > 60000)
        return 0;
    buf = malloc(sizeof(head) + size);
    if (!buf)
        abort();
    memcpy(buf, data, size);
    judge(buf, size);
    line(buf, size);
    format(data, size < 4000 ? size : 4000);
    cvm_checkpoint_parse(buf, size, &cp, &n, &e);
    if (cvm_checkpoint_verify(buf, size, &key, &cp, &e) == 0)
        abort();
    if (cvm_audit_proof_verify(buf, size, &key, buf, size, &p, &e) == 0)
        abort();
    buf[size] = 0;
    if (cvm_note_key_parse(buf, &k, &e) == 0) { /* has one form */
        char *again = cvm_note_key_format(&k);

        if (!again || strcmp(again, buf) != 0)
            abort();
        free(again);
    }
    memcpy(buf, head, sizeof(head) - 1);
    memcpy(buf + sizeof(head) - 1, data, size);
    judge(buf, sizeof(head) - 1 + size);
    free(buf);
    return 0;
}
