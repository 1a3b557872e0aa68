/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pcrs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

CVM_DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

int cvm_pcrs_digest(const struct cvm_pcrs *p, uint32_t select, uint16_t alg, uint8_t *ret) {
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = cvm_tpm_md(alg);

    if (!ctx || !md || EVP_DigestInit_ex(ctx, md, NULL) != 1)
        return -EIO;
    for (unsigned i = 0; i < CVM_PCRS; i++)
        if (select >> i & 1 && EVP_DigestUpdate(ctx, p->value[i], p->size) != 1)
            return -EIO;
    return EVP_DigestFinal_ex(ctx, ret, NULL) == 1 ? (int)cvm_tpm_hash_size(alg) : -EIO;
}

/* "0" to "23", no other spelling. */
static int parse_number(const char *s) {
    int n = 0;

    if (!*s || strlen(s) > 2 || (s[0] == '0' && s[1]))
        return -EINVAL;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -EINVAL;
        n = n * 10 + *s - '0';
    }
    return n < CVM_PCRS ? n : -EINVAL;
}

int cvm_pcrs_from_json(json_object *o, struct cvm_pcrs *ret, struct cvm_error *e) {
    json_object *pcrs = NULL;
    const char *bank = NULL;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = cvm_json_string(o, "bank", &bank, e);
    if (r == 0)
        r = cvm_json_get(o, "pcrs", json_type_object, &pcrs, e);
    if (r < 0)
        return r;
    ret->hash = cvm_tpm_hash_by_name(bank);
    ret->size = cvm_tpm_hash_size(ret->hash);
    if (!ret->size)
        return cvm_error_set(e, -EINVAL, "PCR bank '%.16s' is not taken, only sha256 and sha384 are", bank);
    json_object_object_foreach(pcrs, name, value) {
        int n = parse_number(name);

        (void)value;
        if (n < 0)
            return cvm_error_set(e, -EINVAL, "there is no PCR '%.16s'", name);
        r = cvm_json_hex(pcrs, name, ret->value[n], ret->size, e);
        if (r < 0)
            return r;
        ret->mask |= 1u << n;
    }
    return 0;
}

int cvm_pcrs_add(json_object *o, const struct cvm_pcrs *p) {
    json_object *pcrs = json_object_new_object();
    char name[8];

    if (!pcrs || json_object_object_add(o, "pcrs", pcrs) < 0) {
        json_object_put(pcrs);
        return -ENOMEM;
    }
    json_object_object_add(o, "bank", json_object_new_string(cvm_tpm_hash_name(p->hash)));
    for (unsigned i = 0; i < CVM_PCRS; i++) {
        snprintf(name, sizeof(name), "%u", i);
        if (p->mask >> i & 1 && cvm_json_add_hex(pcrs, name, p->value[i], p->size) < 0)
            return -ENOMEM;
    }
    return 0;
}
