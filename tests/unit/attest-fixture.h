/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Quoter for tests: a fresh key, a valid report, reference values that fit it. The key is made at
 * each run and plays the Quoter in tests only.
 */
#ifndef ATTEST_FIXTURE_H
#define ATTEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/appraise.h"
#include "attest/evidence.h"
#include "attest/key.h"

struct fixture {
    EVP_PKEY *quoter;
    uint8_t point[CVM_POINT_SIZE];
    uint8_t nonce[CVM_NONCE_SIZE];
    struct cvm_report report; /* host order; sign with fixture_sign() */
    struct cvm_reference reference;
};

/* Group set-up and tear-down for cmocka. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A fresh copy of a valid, unsigned report of the fixture. */
struct cvm_report fixture_report(const struct fixture *f);

/* Wire bytes with the fixture's signature, sizeof(struct cvm_report). Does not touch report_key_id. */
void fixture_sign(const struct fixture *f, const struct cvm_report *rep, uint8_t *wire);

/* Evidence text of these wire bytes with the fixture's key, and perhaps platform evidence; the caller frees.
 */
char *fixture_evidence(const struct fixture *f, const uint8_t *wire);
char *fixture_evidence_with(const struct fixture *f, const uint8_t *wire,
                            const struct cvm_platform *platform);

/* Appraises a container of these wire bytes: key from the evidence, the fixture's reference values. */
void fixture_appraise(const struct fixture *f, const uint8_t *wire, struct cvm_verdict *v);

#endif
