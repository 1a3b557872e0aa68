/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "checkpoint.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ED25519 0x01
#define DASH "\xe2\x80\x94 " /* U+2014 and a blank open a signature line */

CVM_DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/* RFC 4648, section 4, padded and canonical. Returns the bytes or -EINVAL. */
static int base64_decode(const char *s, size_t len, uint8_t *out, size_t max) {
    uint8_t buf[192];
    char again[260];
    int n;

    if (len == 0 || len % 4 || len / 4 * 3 > sizeof(buf))
        return -EINVAL;
    n = EVP_DecodeBlock(buf, (const unsigned char *)s, (int)len);
    if (n < 0)
        return -EINVAL;
    n -= (s[len - 1] == '=') + (s[len - 2] == '=');
    if (n < 0 || (size_t)n > max)
        return -EINVAL;
    /* libcrypto takes white space and loose bits; a signed text has one form. */
    if ((size_t)EVP_EncodeBlock((unsigned char *)again, buf, n) != len || memcmp(again, s, len) != 0)
        return -EINVAL;
    memcpy(out, buf, (size_t)n);
    return n;
}

static bool name_is_good(const char *s, size_t len) {
    if (len == 0 || len >= CVM_NOTE_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)s[i]) || s[i] == '+')
            return false;
    return true;
}

int cvm_note_key_make(const char *name, const uint8_t public[32], struct cvm_note_key *ret) {
    uint8_t data[CVM_NOTE_NAME_MAX + 34], hash[32];
    size_t len = strlen(name);

    if (!name_is_good(name, len))
        return -EINVAL;
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->name, name, len);
    memcpy(ret->public, public, 32);
    memcpy(data, name, len);
    data[len] = '\n';
    data[len + 1] = ED25519;
    memcpy(data + len + 2, public, 32);
    if (EVP_Digest(data, len + 34, hash, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    memcpy(ret->id, hash, 4);
    return 0;
}

char *cvm_note_key_format(const struct cvm_note_key *key) {
    uint8_t data[33] = {ED25519};
    char id[9], text[48], *s;

    memcpy(data + 1, key->public, 32);
    EVP_EncodeBlock((unsigned char *)text, data, sizeof(data));
    return asprintf(&s, "%s+%s+%s", key->name, cvm_hex_encode(key->id, 4, id), text) < 0 ? NULL : s;
}

int cvm_note_key_parse(const char *text, struct cvm_note_key *ret, struct cvm_error *e) {
    const char *id = strchr(text, '+'), *key = id ? strchr(id + 1, '+') : NULL;
    char name[CVM_NOTE_NAME_MAX] = "";
    uint8_t data[33], want[4];

    if (!key || !name_is_good(text, (size_t)(id - text)) || key - id != 9 ||
        cvm_hex_decode(id + 1, 8, want, sizeof(want)) < 0 ||
        base64_decode(key + 1, strlen(key + 1), data, sizeof(data)) != 33)
        return cvm_error_set(e, -EINVAL, "this is no key of a log ('cvmctl audit key' prints one): NAME+HASH+BASE64");
    if (data[0] != ED25519)
        return cvm_error_set(e, -EINVAL, "the key is of kind %u, only Ed25519 (1) is known", data[0]);
    memcpy(name, text, (size_t)(id - text));
    if (cvm_note_key_make(name, data + 1, ret) < 0 || memcmp(ret->id, want, 4) != 0)
        return cvm_error_set(e, -EINVAL, "the key's hash does not fit its name and bytes: a typing error?");
    return 0;
}

int cvm_note_key_load(const char *arg, struct cvm_note_key *ret, struct cvm_error *e) {
    _cleanup_cvm_free_ void *buf = NULL;
    size_t size = 0;
    int r;

    if (strchr(arg, '+') && cvm_note_key_parse(arg, ret, NULL) == 0)
        return 0;
    r = cvm_read_file(arg, 1024, &buf, &size, e);
    if (r < 0)
        return r;
    ((char *)buf)[strcspn(buf, "\r\n")] = 0;
    return cvm_note_key_parse(buf, ret, e);
}

int cvm_checkpoint_sign(EVP_PKEY *key, const struct cvm_note_key *name, uint64_t size,
                        const uint8_t root[CVM_HASH_SIZE], char **ret) {
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _cleanup_cvm_free_ char *text = NULL;
    char root64[48], sig64[96];
    uint8_t sig[4 + 64];
    size_t n = 64;

    EVP_EncodeBlock((unsigned char *)root64, root, CVM_HASH_SIZE);
    if (!ctx || asprintf(&text, "%s\n%" PRIu64 "\n%s\n", name->name, size, root64) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    memcpy(sig, name->id, 4);
    if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(ctx, sig + 4, &n, (const uint8_t *)text, strlen(text)) != 1 || n != 64)
        return -EIO;
    EVP_EncodeBlock((unsigned char *)sig64, sig, sizeof(sig));
    return asprintf(ret, "%s\n" DASH "%s %s\n", text, name->name, sig64) < 0 ? -ENOMEM : 0;
}

/* One line of @*p, which goes behind it; false: no more. */
static bool next_line(const char **p, const char *end, const char **line, size_t *len) {
    const char *nl = *p < end ? memchr(*p, '\n', (size_t)(end - *p)) : NULL;

    if (!nl)
        return false;
    *line = *p;
    *len = (size_t)(nl - *p);
    *p = nl + 1;
    return true;
}

static int parse_size(const char *s, size_t len, uint64_t *ret) {
    uint64_t v = 0;

    if (len == 0 || len > 19 || (s[0] == '0' && len > 1))
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -EINVAL;
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    *ret = v;
    return 0;
}

int cvm_checkpoint_parse(const char *note, size_t size, struct cvm_checkpoint *ret, size_t *text_size,
                         struct cvm_error *e) {
    const char *p = note, *end = note + size, *line;
    size_t len;

    if (size > CVM_CHECKPOINT_MAX)
        return cvm_error_set(e, -EBADMSG, "a checkpoint has at most %u bytes", CVM_CHECKPOINT_MAX);
    memset(ret, 0, sizeof(*ret));
    if (!next_line(&p, end, &line, &len) || !name_is_good(line, len))
        return cvm_error_set(e, -EBADMSG, "the checkpoint has no origin in its first line");
    memcpy(ret->origin, line, len);
    if (!next_line(&p, end, &line, &len) || parse_size(line, len, &ret->size) < 0 ||
        ret->size >> CVM_MERKLE_HEIGHT)
        return cvm_error_set(e, -EBADMSG, "the checkpoint has no size in its second line");
    if (!next_line(&p, end, &line, &len) || base64_decode(line, len, ret->root, CVM_HASH_SIZE) != CVM_HASH_SIZE)
        return cvm_error_set(e, -EBADMSG, "the checkpoint has no root in its third line");
    do { /* extensions are signed and ignored */
        if (!next_line(&p, end, &line, &len))
            return cvm_error_set(e, -EBADMSG, "the checkpoint has no signatures");
    } while (len);
    *text_size = (size_t)(line - note);
    return 0;
}

static int verify(const struct cvm_note_key *key, const char *text, size_t size, const uint8_t sig[64]) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *k =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->public, sizeof(key->public));
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!k || !ctx || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) != 1)
        return -ENOMEM;
    return EVP_DigestVerify(ctx, sig, 64, (const uint8_t *)text, size) == 1 ? 0 : -EBADMSG;
}

int cvm_checkpoint_verify(const char *note, size_t size, const struct cvm_note_key *key,
                          struct cvm_checkpoint *ret, struct cvm_error *e) {
    size_t text_size = 0, len, name = strlen(key->name);
    const char *p, *end = note + size, *line;
    uint8_t sig[4 + 64];
    int r;

    r = cvm_checkpoint_parse(note, size, ret, &text_size, e);
    if (r < 0)
        return r;
    p = note + text_size + 1;
    while (next_line(&p, end, &line, &len)) {
        if (len < strlen(DASH) + name + 1 || memcmp(line, DASH, strlen(DASH)) != 0)
            return cvm_error_set(e, -EBADMSG, "the checkpoint has something behind it that is no signature");
        line += strlen(DASH);
        len -= strlen(DASH);
        if (memcmp(line, key->name, name) != 0 || line[name] != ' ' ||
            base64_decode(line + name + 1, len - name - 1, sig, sizeof(sig)) != sizeof(sig) ||
            memcmp(sig, key->id, 4) != 0)
            continue; /* another's */
        if (strcmp(ret->origin, key->name) != 0)
            return cvm_error_set(e, -ENOKEY, "the checkpoint is of log '%s', the key of log '%s'", ret->origin,
                                 key->name);
        r = verify(key, note, text_size, sig + 4);
        return r == -EBADMSG ? cvm_error_set(e, r, "the signature is not of this checkpoint") : r;
    }
    return cvm_error_set(e, -ENOKEY, "the checkpoint of log '%s' is not signed by key %s+%02x%02x%02x%02x",
                         ret->origin, key->name, key->id[0], key->id[1], key->id[2], key->id[3]);
}
