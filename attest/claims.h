/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Claims of EAT and EAR, kept as the JSON of a JWT, in the CBOR of a CWT: registered names become their labels, and bytes
 * that JSON has as text (base64url, hexadecimal) become byte strings.
 *
 * Source: RFC 9711 and IANA's CWT registry; draft-ietf-rats-ear-04 and draft-ietf-rats-ar4si for what is in an EAR.
 */
#ifndef CVM_ATTEST_CLAIMS_H
#define CVM_ATTEST_CLAIMS_H

#include <json-c/json.h>
#include <stddef.h>

/**
 * cvm_claims_to_cbor - a claims set in CBOR
 * @ret: the caller frees
 *
 * Returns 0; -EINVAL for an ear_status that is no tier, or a vector with an unknown claim; -ENOMEM.
 */
int cvm_claims_to_cbor(json_object *claims, void **ret, size_t *size);

#endif
