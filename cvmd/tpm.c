/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "cvm/tpm.h"

#define NONE ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE
#define PASSWORD ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE

#define QUOTED_PCRS (0x3ffu | 1u << CVM_PCR_KEY | 1u << CVM_PCR_IDENTITY | 1u << 14)
#define NV_CHUNK 512
#define RETRIES 5

struct tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR ak;
    TPM2B_PUBLIC *ak_public;
};

/* An endorsement key's template and where its certificate lies: TCG EK Credential Profile, B.3.3, B.3.4. */
struct ek {
    TPM2_HANDLE certificate;
    TPM2_ALG_ID type;
};

static const struct ek eks[] = {{0x01c00002, TPM2_ALG_RSA}, {0x01c0000a, TPM2_ALG_ECC}};

/* PolicySecret(TPM_RH_ENDORSEMENT), B.6.2. */
static const uint8_t ek_policy[32] = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
                                      0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
                                      0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};

static int failed(TSS2_RC rc, const char *what, struct cvm_error *e) {
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    return cvm_error_set(e, (rc & 0xffff) == TSS2_BASE_RC_MEMORY ? -ENOMEM : -EIO, "TPM: %s: %.200s", what,
                         Tss2_RC_Decode(rc));
}

static void flush(struct tpm *t, ESYS_TR handle) {
    if (handle != ESYS_TR_NONE)
        Esys_FlushContext(t->esys, handle);
}

static int create_primary(struct tpm *t, const TPM2B_PUBLIC *template, ESYS_TR *handle, TPM2B_PUBLIC **public,
                          struct cvm_error *e) {
    static const TPM2B_SENSITIVE_CREATE sensitive;
    static const TPM2B_DATA outside;
    static const TPML_PCR_SELECTION pcrs;

    return failed(Esys_CreatePrimary(t->esys, ESYS_TR_RH_ENDORSEMENT, PASSWORD, &sensitive, template,
                                     &outside, &pcrs, handle, public, NULL, NULL, NULL),
                  "cannot make a key of the endorsement hierarchy", e);
}

static int create_ak(struct tpm *t, struct cvm_error *e) {
    static const TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                           TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                                           TPMA_OBJECT_SIGN_ENCRYPT,
                       .parameters.eccDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                                .scheme = {.scheme = TPM2_ALG_ECDSA,
                                                           .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf.scheme = TPM2_ALG_NULL},
                       .unique.ecc = {.x = {.size = 21, .buffer = "cvmd attestation key"}}}};

    return create_primary(t, &template, &t->ak, &t->ak_public, e);
}

int tpm_open(const char *tcti, struct tpm **ret, struct cvm_error *e) {
    _cleanup_(tpm_closep) struct tpm *t = calloc(1, sizeof(*t));
    TSS2_RC rc;
    int r;

    if (!t)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    t->ak = ESYS_TR_NONE;
    rc = Tss2_TctiLdr_Initialize(tcti, &t->tcti);
    if (rc != TSS2_RC_SUCCESS)
        return cvm_error_set(e, -ENODEV, "no TPM answers at '%.80s': %.200s", tcti, Tss2_RC_Decode(rc));
    r = failed(Esys_Initialize(&t->esys, t->tcti, NULL), "cannot start a session", e);
    if (r == 0)
        r = create_ak(t, e);
    if (r < 0)
        return r;
    *ret = t;
    t = NULL;
    return 0;
}

void tpm_close(struct tpm *t) {
    if (!t)
        return;
    if (t->esys) {
        flush(t, t->ak);
        Esys_Finalize(&t->esys);
    }
    Esys_Free(t->ak_public);
    if (t->tcti)
        Tss2_TctiLdr_Finalize(&t->tcti);
    free(t);
}

/* TPMT_PUBLIC as bytes. */
static int marshal_public(const TPM2B_PUBLIC *public, uint8_t *out, size_t max, size_t *size,
                          struct cvm_error *e) {
    *size = 0;
    return failed(Tss2_MU_TPMT_PUBLIC_Marshal(&public->publicArea, out, max, size),
                  "a public area is too long", e);
}

static int read_certificate(struct tpm *t, TPM2_HANDLE index, struct cvm_endorsement *ret,
                            struct cvm_error *e) {
    TPM2B_NV_PUBLIC *public = NULL;
    ESYS_TR handle = ESYS_TR_NONE;
    size_t size, der;
    TSS2_RC rc;
    int r;

    if (Esys_TR_FromTPMPublic(t->esys, index, NONE, &handle) != TSS2_RC_SUCCESS)
        return -ENOENT;
    r = failed(Esys_NV_ReadPublic(t->esys, handle, NONE, &public, NULL), "cannot look for the certificate",
               e);
    if (r < 0)
        goto out;
    size = public->nvPublic.dataSize;
    Esys_Free(public);
    if (size > sizeof(ret->cert)) {
        r = cvm_error_set(e, -EIO, "the endorsement certificate has %zu bytes", size);
        goto out;
    }
    for (size_t at = 0; r == 0 && at < size;) {
        uint16_t n = (uint16_t)(size - at < NV_CHUNK ? size - at : NV_CHUNK);
        TPM2B_MAX_NV_BUFFER *data = NULL;

        rc = Esys_NV_Read(t->esys, handle, handle, PASSWORD, n, (uint16_t)at, &data);
        r = failed(rc, "cannot read the endorsement certificate", e);
        if (r == 0 && data->size != n)
            r = cvm_error_set(e, -EIO, "the TPM gave %u bytes of %u", data->size, n);
        if (r == 0)
            memcpy(ret->cert + at, data->buffer, n);
        Esys_Free(data);
        at += n;
    }
    /* Some makers pad the index: the certificate is as long as its DER header says. */
    der = size >= 4 && ret->cert[0] == 0x30 && ret->cert[1] == 0x82
              ? 4 + ((size_t)ret->cert[2] << 8 | ret->cert[3])
              : 0;
    if (r == 0 && (der == 0 || der > size))
        r = cvm_error_set(e, -EIO, "NV index 0x%x holds no certificate", index);
    ret->cert_size = der;
out:
    Esys_TR_Close(t->esys, &handle);
    return r;
}

static int create_ek(struct tpm *t, const struct ek *ek, ESYS_TR *handle, TPM2B_PUBLIC **public,
                     struct cvm_error *e) {
    TPM2B_PUBLIC p = {.publicArea = {.type = ek->type,
                                     .nameAlg = TPM2_ALG_SHA256,
                                     .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                                         TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                                         TPMA_OBJECT_ADMINWITHPOLICY |
                                                         TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
                                     .authPolicy = {.size = sizeof(ek_policy)}}};
    TPMT_SYM_DEF_OBJECT aes = {.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};

    memcpy(p.publicArea.authPolicy.buffer, ek_policy, sizeof(ek_policy));
    if (ek->type == TPM2_ALG_RSA) {
        p.publicArea.parameters.rsaDetail =
            (TPMS_RSA_PARMS){.symmetric = aes, .scheme.scheme = TPM2_ALG_NULL, .keyBits = 2048};
        p.publicArea.unique.rsa.size = 256;
    } else {
        p.publicArea.parameters.eccDetail = (TPMS_ECC_PARMS){.symmetric = aes,
                                                             .scheme.scheme = TPM2_ALG_NULL,
                                                             .curveID = TPM2_ECC_NIST_P256,
                                                             .kdf.scheme = TPM2_ALG_NULL};
        p.publicArea.unique.ecc.x.size = p.publicArea.unique.ecc.y.size = 32;
    }
    return create_primary(t, &p, handle, public, e);
}

/* The first endorsement key that has a certificate. */
static int find_ek(struct tpm *t, struct cvm_endorsement *en, const struct ek **ret, struct cvm_error *e) {
    for (size_t i = 0; i < ELEMENTSOF(eks); i++) {
        int r = read_certificate(t, eks[i].certificate, en, e);

        if (r == -ENOENT)
            continue;
        *ret = &eks[i];
        return r;
    }
    return cvm_error_set(e, -ENOENT, "the TPM has no endorsement certificate (NV indices 0x%x, 0x%x)",
                         eks[0].certificate, eks[1].certificate);
}

int tpm_endorsement(struct tpm *t, struct cvm_endorsement *ret, struct cvm_error *e) {
    TPM2B_PUBLIC *public = NULL;
    ESYS_TR handle = ESYS_TR_NONE;
    const struct ek *ek = NULL;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = find_ek(t, ret, &ek, e);
    if (r == 0)
        r = create_ek(t, ek, &handle, &public, e);
    if (r == 0)
        r = marshal_public(public, ret->ek, sizeof(ret->ek), &ret->ek_size, e);
    if (r == 0)
        r = marshal_public(t->ak_public, ret->ak, sizeof(ret->ak), &ret->ak_size, e);
    flush(t, handle);
    Esys_Free(public);
    return r;
}

/* A session that PolicySecret(TPM_RH_ENDORSEMENT) opened. */
static int endorsement_session(struct tpm *t, ESYS_TR *ret, struct cvm_error *e) {
    static const TPMT_SYM_DEF symmetric = {.algorithm = TPM2_ALG_NULL};
    int r;

    r = failed(Esys_StartAuthSession(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, NONE, NULL, TPM2_SE_POLICY,
                                     &symmetric, TPM2_ALG_SHA256, ret),
               "cannot start a policy session", e);
    if (r < 0)
        return r;
    return failed(
        Esys_PolicySecret(t->esys, ESYS_TR_RH_ENDORSEMENT, *ret, PASSWORD, NULL, NULL, NULL, 0, NULL, NULL),
        "the endorsement hierarchy has a password", e);
}

int tpm_activate(struct tpm *t, const struct cvm_credential *c, uint8_t *secret, struct cvm_error *e) {
    _cleanup_cvm_free_ struct cvm_endorsement *en = malloc(sizeof(*en));
    TPM2B_ID_OBJECT blob = {.size = (uint16_t)c->blob_size};
    TPM2B_ENCRYPTED_SECRET seed = {.size = (uint16_t)c->seed_size};
    ESYS_TR handle = ESYS_TR_NONE, session = ESYS_TR_NONE;
    TPM2B_DIGEST *digest = NULL;
    const struct ek *ek = NULL;
    TSS2_RC rc;
    int r;

    if (!en)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    if (c->blob_size > sizeof(blob.credential) || c->seed_size > sizeof(seed.secret))
        return cvm_error_set(e, -EBADMSG, "the challenge is longer than a TPM takes");
    memcpy(blob.credential, c->blob, c->blob_size);
    memcpy(seed.secret, c->seed, c->seed_size);
    r = find_ek(t, en, &ek, e);
    if (r == 0)
        r = create_ek(t, ek, &handle, NULL, e);
    if (r == 0)
        r = endorsement_session(t, &session, e);
    if (r < 0)
        goto out;
    rc = Esys_ActivateCredential(t->esys, t->ak, handle, ESYS_TR_PASSWORD, session, ESYS_TR_NONE, &blob,
                                 &seed, &digest);
    if (rc != TSS2_RC_SUCCESS)
        r = cvm_error_set(e, -EBADMSG,
                          "the TPM does not open the challenge: it is for another TPM or key (%.160s)",
                          Tss2_RC_Decode(rc));
    else if (digest->size != CVM_CREDENTIAL_SECRET)
        r = cvm_error_set(e, -EBADMSG, "the challenge holds %u bytes", digest->size);
    else
        memcpy(secret, digest->buffer, CVM_CREDENTIAL_SECRET);
    if (digest)
        OPENSSL_cleanse(digest, sizeof(*digest));
    Esys_Free(digest);
out:
    flush(t, session);
    flush(t, handle);
    return r;
}

static int choose_bank(struct tpm *t, TPM2_ALG_ID *ret, struct cvm_error *e) {
    TPMS_CAPABILITY_DATA *data = NULL;
    unsigned best = 0;
    TPMI_YES_NO more;
    int r;

    r = failed(Esys_GetCapability(t->esys, NONE, TPM2_CAP_PCRS, 0, 1, &more, &data), "cannot list PCR banks",
               e);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < data->data.assignedPCR.count; i++) {
        const TPMS_PCR_SELECTION *s = &data->data.assignedPCR.pcrSelections[i];
        unsigned rank = s->hash == TPM2_ALG_SHA256 ? 2 : s->hash == TPM2_ALG_SHA384 ? 1 : 0;

        if (rank > best && s->sizeofSelect >= 3 && s->pcrSelect[1] & 1u << (CVM_PCR_IDENTITY - 8)) {
            best = rank;
            *ret = s->hash;
        }
    }
    Esys_Free(data);
    return best ? 0 : cvm_error_set(e, -ENOENT, "the TPM has neither a sha256 nor a sha384 bank of PCRs");
}

static TPML_PCR_SELECTION selection(TPM2_ALG_ID bank, uint32_t pcrs) {
    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = {{.hash = bank,
                           .sizeofSelect = 3,
                           .pcrSelect = {(uint8_t)pcrs, (uint8_t)(pcrs >> 8), (uint8_t)(pcrs >> 16)}}}};
}

/* A TPM reads at most eight at once. @counter: how often any PCR was changed. */
static int read_pcrs(struct tpm *t, TPM2_ALG_ID bank, struct cvm_pcrs *ret, uint32_t *counter,
                     struct cvm_error *e) {
    uint32_t left = QUOTED_PCRS;
    bool first = true;

    memset(ret, 0, sizeof(*ret));
    ret->hash = bank;
    ret->size = cvm_tpm_hash_size(bank);
    ret->mask = QUOTED_PCRS;
    while (left) {
        TPML_PCR_SELECTION want = selection(bank, left), *got = NULL;
        TPML_DIGEST *values = NULL;
        uint32_t n = 0, now = 0, have;
        int r;

        r = failed(Esys_PCR_Read(t->esys, NONE, &want, &now, &got, &values), "cannot read PCRs", e);
        if (r < 0)
            return r;
        have = got->count
                   ? got->pcrSelections[0].pcrSelect[0] | (uint32_t)got->pcrSelections[0].pcrSelect[1] << 8
                   : 0;
        have &= left;
        for (unsigned i = 0; i < CVM_PCRS && n < values->count; i++)
            if (have >> i & 1) {
                if (values->digests[n].size != ret->size)
                    have = 0;
                else
                    memcpy(ret->value[i], values->digests[n].buffer, ret->size);
                n++;
            }
        Esys_Free(got);
        Esys_Free(values);
        if (!have || (!first && now != *counter))
            return have ? -EAGAIN : cvm_error_set(e, -EIO, "the TPM does not give the PCRs asked for");
        *counter = now;
        first = false;
        left &= ~have;
    }
    return 0;
}

static int quote(struct tpm *t, TPM2_ALG_ID bank, const uint8_t *qualify, struct cvm_platform *ret,
                 struct cvm_error *e) {
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    TPML_PCR_SELECTION pcrs = selection(bank, QUOTED_PCRS);
    TPM2B_DATA data = {.size = 32};
    TPMT_SIGNATURE *sig = NULL;
    TPM2B_ATTEST *attest = NULL;
    size_t size = 0;
    int r;

    memcpy(data.buffer, qualify, 32);
    r = failed(Esys_Quote(t->esys, t->ak, PASSWORD, &data, &scheme, &pcrs, &attest, &sig), "cannot quote", e);
    if (r < 0)
        return r;
    if (attest->size > sizeof(ret->quote))
        r = cvm_error_set(e, -EIO, "the quote has %u bytes", attest->size);
    else {
        memcpy(ret->quote, attest->attestationData, attest->size);
        ret->quote_size = attest->size;
        r = failed(Tss2_MU_TPMT_SIGNATURE_Marshal(sig, ret->signature, sizeof(ret->signature), &size),
                   "the signature is too long", e);
        ret->signature_size = size;
    }
    Esys_Free(attest);
    Esys_Free(sig);
    return r;
}

/* The quote over these very values? Another program may extend between reading and quoting. */
static bool consistent(const struct cvm_platform *p) {
    uint8_t digest[CVM_TPM_HASH_MAX];
    struct cvm_quote q;

    return cvm_quote_parse(p->quote, p->quote_size, &q, NULL) == 0 &&
           cvm_pcrs_digest(&p->pcrs, QUOTED_PCRS, CVM_TPM_ALG_SHA256, digest) == 32 && q.digest_size == 32 &&
           memcmp(q.digest, digest, 32) == 0;
}

int tpm_quote(struct tpm *t, const uint8_t *qualify, struct cvm_platform *ret, struct cvm_error *e) {
    TPM2_ALG_ID bank = TPM2_ALG_NULL;
    int r;

    r = choose_bank(t, &bank, e);
    if (r == 0)
        r = marshal_public(t->ak_public, ret->ak, sizeof(ret->ak), &ret->ak_size, e);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < RETRIES; i++) {
        uint32_t counter = 0;

        r = read_pcrs(t, bank, &ret->pcrs, &counter, e);
        if (r == -EAGAIN)
            continue;
        if (r == 0)
            r = quote(t, bank, qualify, ret, e);
        if (r < 0 || consistent(ret))
            return r;
    }
    return cvm_error_set(e, -EIO, "something extends PCRs all the time: no quote fits them");
}

int tpm_read_log(const char *path, struct cvm_platform *ret, struct cvm_error *e) {
    _cleanup_cvm_free_ uint8_t *buf = NULL;
    size_t size = 0, head = 0;
    int r;

    r = cvm_read_file(path, CVM_LOG_MAX, (void **)&buf, &size, e);
    if (r < 0)
        return r;
    if (size > 36 && memcmp(buf, CVM_ACPI_LOG_SIGNATURE, 4) == 0)
        head = 36;
    if (size == head)
        return cvm_error_set(e, -ENODATA, "the event log '%s' is empty", path);
    memmove(buf, buf + head, size - head);
    free(ret->log);
    ret->log = buf;
    ret->log_size = size - head;
    buf = NULL;
    return 0;
}

/* --- somebody else's commands --- */

struct tpm_line {
    TSS2_TCTI_CONTEXT *tcti;
    uint32_t session; /* that was started and may be there yet; 0: none */
};

#define HEADER 10u

static uint32_t be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int tpm_line_open(const char *tcti, struct tpm_line **ret, struct cvm_error *e) {
    struct tpm_line *l = calloc(1, sizeof(*l));
    TSS2_RC rc;

    if (!l)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    rc = Tss2_TctiLdr_Initialize(tcti, &l->tcti);
    if (rc != TSS2_RC_SUCCESS) {
        free(l);
        return cvm_error_set(e, -ENODEV, "no TPM answers at '%.80s': %.200s", tcti, Tss2_RC_Decode(rc));
    }
    *ret = l;
    return 0;
}

void tpm_line_close(struct tpm_line *l) {
    if (!l)
        return;
    /* Without a resource manager nobody else would: a TPM holds few. */
    if (l->session) {
        uint8_t buf[HEADER + 4] = {0x80, 0x01, 0, 0, 0, HEADER + 4, 0, 0, TPM2_CC_FlushContext >> 8, TPM2_CC_FlushContext & 0xff};
        uint32_t handle = l->session;
        size_t size = sizeof(buf);

        for (unsigned i = 0; i < 4; i++)
            buf[HEADER + i] = (uint8_t)(handle >> (24 - 8 * i));
        (void)tpm_line_exchange(l, buf, &size, sizeof(buf), NULL);
    }
    Tss2_TctiLdr_Finalize(&l->tcti);
    free(l);
}

int tpm_line_exchange(struct tpm_line *l, uint8_t *buf, size_t *size, size_t max, struct cvm_error *e) {
    bool starts = *size >= HEADER && be32(buf + 6) == TPM2_CC_StartAuthSession;
    TSS2_RC rc = Tss2_Tcti_Transmit(l->tcti, *size, buf);

    *size = max;
    if (rc == TSS2_RC_SUCCESS)
        rc = Tss2_Tcti_Receive(l->tcti, size, buf, TSS2_TCTI_TIMEOUT_BLOCK);
    if (rc == TSS2_RC_SUCCESS && *size >= HEADER && be32(buf + 6) == 0)
        l->session = starts && *size >= HEADER + 4 ? be32(buf + HEADER) : 0; /* a good command ends it */
    return failed(rc, "a command that cvmd carries", e);
}
