/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checkpoints of a log: C2SP tlog-checkpoint in a C2SP signed-note, Ed25519. Pure, but for the key's file.
 */
#ifndef CVM_ATTEST_CHECKPOINT_H
#define CVM_ATTEST_CHECKPOINT_H

#include <openssl/evp.h>

#include "merkle.h"

#define CVM_NOTE_NAME_MAX 128u
#define CVM_CHECKPOINT_MAX 4096u /* bytes */

/* Who signs: "name+hash+base64" in its text form (a C2SP vkey). */
struct cvm_note_key {
    char name[CVM_NOTE_NAME_MAX];
    uint8_t id[4];
    uint8_t public[32];
};

struct cvm_checkpoint {
    char origin[CVM_NOTE_NAME_MAX];
    uint64_t size;
    uint8_t root[CVM_HASH_SIZE];
};

/* @name: no '+', no space, not empty, printable. -EINVAL if it is. */
int cvm_note_key_make(const char *name, const uint8_t public[32], struct cvm_note_key *ret);
/* The text form, without a newline; the caller frees; NULL: out of memory. */
char *cvm_note_key_format(const struct cvm_note_key *key);
int cvm_note_key_parse(const char *text, struct cvm_note_key *ret, struct cvm_error *e);
/* @arg: the text form itself, or a file with it in the first line. */
int cvm_note_key_load(const char *arg, struct cvm_note_key *ret, struct cvm_error *e);

/**
 * cvm_checkpoint_sign - make the note
 * @key: private Ed25519 key that belongs to @name
 * @ret: text; the caller frees
 */
int cvm_checkpoint_sign(EVP_PKEY *key, const struct cvm_note_key *name, uint64_t size,
                        const uint8_t root[CVM_HASH_SIZE], char **ret);

/* Untrusted bytes to a checkpoint, signature unseen; @text_size: how many bytes are signed. -EBADMSG. */
int cvm_checkpoint_parse(const char *note, size_t size, struct cvm_checkpoint *ret, size_t *text_size,
                         struct cvm_error *e);

/**
 * cvm_checkpoint_verify - parse, and find a signature of this key
 *
 * Returns 0; -EBADMSG: malformed, or the signature is not of this text; -ENOKEY: signed by others only, or the
 * origin is not the key's name.
 */
int cvm_checkpoint_verify(const char *note, size_t size, const struct cvm_note_key *key,
                          struct cvm_checkpoint *ret, struct cvm_error *e);

#endif
