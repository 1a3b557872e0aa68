// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: attest/*.c
// LIBS: -ljson-c -lcrypto
// Evidence, reference values, policies and register logs as untrusted text, through the whole appraisal: no input that was not signed
// with the pinned key gets anything better than "contraindicated".
#include <stdlib.h>
#include <string.h>

#include "attest/appraise.h"
#include "attest/explain.h"
#include "attest/policy.h"
#include "attest/register-log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cvm_reference reference;
static struct cvm_policy policy, again;
static struct cvm_verdict verdict;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* The base point of P-256 (SEC 2): a valid key; nobody signs with the private key 1 here. */
    static const uint8_t pinned[65] = {
        4,    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
        0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f,
        0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce,
        0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
    };
    static const uint8_t nonce[CVM_NONCE_SIZE] = { 1 };
    struct cvm_error e = { "" };
    uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE];
    unsigned lines = 0;
    json_object *o;

    if (cvm_register_log_replay(data, size, rtmr, &lines, &e) < 0 ? !e.text[0] : lines > size / (2 * CVM_DIGEST_SIZE))
        abort();
    e.text[0] = 0;
    if (cvm_reference_parse(data, size, &reference, &e) < 0) {
        if (!e.text[0])
            abort();
        memset(&reference, 0, sizeof(reference));
    } else {
        o = cvm_reference_to_json(&reference);
        json_object_put(o);
    }
    e.text[0] = 0;
    if (cvm_policy_parse(data, size, &policy, &e) < 0) {
        if (!e.text[0])
            abort();
        memset(&policy, 0, sizeof(policy));
    } else {
        const char *text;

        /* What was taken is written and taken again without a difference. */
        o = cvm_policy_to_json(&policy);
        text = o ? json_object_to_json_string(o) : NULL;
        if (text && (cvm_policy_parse(text, strlen(text), &again, &e) < 0 || cvm_policy_diff(&policy, &again, NULL, NULL)))
            abort();
        json_object_put(o);
        cvm_policy_gaps(&policy, NULL, NULL);
    }
    if (cvm_appraise(&(struct cvm_appraisal){ .evidence = data, .evidence_size = size, .nonce = nonce,
                                              .pinned_key = pinned, .reference = &reference, .policy = &policy,
                                              .now = 1800000000 },
                     &verdict) < 0)
        return 0;
    if (verdict.tier != CVM_TIER_CONTRAINDICATED || cvm_verdict_exit(&verdict) != CVM_EXIT_BROKEN_EVIDENCE)
        abort();
    o = cvm_verdict_to_json(&verdict);
    json_object_put(o);
    return 0;
}
