/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A played TPM 2.0 behind the registers of TIS and CRB, and behind a 16550, for the real drivers. */
#pragma once

#include "tpm/measure.h"

#define HEADER_SIZE 10u

enum played_fault {
    PLAYED_GOOD,
    PLAYED_NO_LOCALITY,    /* never granted */
    PLAYED_NEVER_READY,    /* commandReady, cmdReady */
    PLAYED_NEVER_DONE,     /* no answer */
    PLAYED_ERROR_BIT,      /* CRB: tpmSts; TIS: wants more bytes than the command has */
    PLAYED_CUT,            /* the answer ends early */
    PLAYED_LARGE,          /* the answer's header names more than fits */
    PLAYED_SMALL,          /* ... less than a header */
    PLAYED_LONG,           /* more bytes than the header names */
    PLAYED_FAR_BUFFER,     /* CRB: buffers outside the page */
    PLAYED_SMALL_BUFFER,   /* CRB: a command does not fit */
    PLAYED_CODE,           /* response code 101h */
};

struct played {
    struct tpm_hw hw;
    enum tpm_transport transport;
    enum played_fault fault;
    unsigned fault_at;     /* from the n-th command on, from 1 */
    unsigned commands;
    bool started;
    uint8_t pcr[2][24][64]; /* banks SHA-256 and SHA-384 */
    uint64_t clock;
    /* the wire */
    uint8_t in[4096], out[4096];
    uint32_t in_size, out_size, out_at;
    uint32_t burst;        /* TIS: bytes at a time */
    bool granted, ready, running, divisor;
    unsigned open;         /* how often the locality was asked for and not given back */
};

void played_init(struct played *p, enum tpm_transport transport, enum played_fault fault);
