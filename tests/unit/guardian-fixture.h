/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A Guardian in user space: the image's own sources, windows made of buffers. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "guardian.h"

#define FIXTURE_GUEST_SIZE (16u << 20)
#define FIXTURE_IMAGE_SIZE (64u << 10)

struct fixture {
    struct guardian g;
    struct windows win;
    struct cvm_g_mailbox mb;
    uint8_t *slots, *meta, *guest, *rootvisor, *pristine;
    int entropy_error; /* what entropy() answers from now on, 0 = it works */
};

/* No role yet. Ends the test program if memory is short. */
struct fixture *fixture_new(void);
void fixture_free(struct fixture *f);

/* One operation with a mailbox filled by the caller. */
int fixture_call(struct fixture *f, enum cvm_g_op op);

/* INIT for VM 1 over all of the guest window. */
void fixture_init(struct fixture *f);
/* INIT, one firmware component of `size` bytes at gpa 0x20000, LAUNCH. */
void fixture_launch(struct fixture *f, uint64_t size);
/* One component in one part. */
int fixture_measure(struct fixture *f, uint32_t index, uint32_t kind, uint64_t gpa, uint64_t size);

/* Fills with bytes that depend on the seed only. */
void fixture_fill(void *buf, size_t size, uint32_t seed);
