/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "guardian-fixture.h"

static int entropy_error;

/* The user-space side of crypto.h: the kernel's random numbers. */
int entropy(void *buf, size_t size) {
    if (entropy_error)
        return entropy_error;
    return getrandom(buf, size, 0) == (ssize_t)size ? 0 : -EIO;
}

static void *pages(size_t size) {
    void *p = aligned_alloc(PAGE_SIZE, size);

    if (!p)
        abort();
    return memset(p, 0, size);
}

struct fixture *fixture_new(void) {
    struct fixture *f = pages((sizeof(*f) + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE);

    f->slots = pages(CVM_MAX_CPUS * PAGE_SIZE);
    f->meta = pages(FIXTURE_GUEST_SIZE / PAGE_SIZE * CVM_G_META_SIZE);
    f->guest = pages(FIXTURE_GUEST_SIZE);
    f->rootvisor = pages(FIXTURE_IMAGE_SIZE);
    f->pristine = pages(FIXTURE_IMAGE_SIZE);
    f->win = (struct windows){ f->slots, f->meta, f->rootvisor, f->pristine, f->guest, FIXTURE_GUEST_SIZE };
    f->g.win = &f->win;
    return f;
}

void fixture_free(struct fixture *f) {
    free(f->slots);
    free(f->meta);
    free(f->guest);
    free(f->rootvisor);
    free(f->pristine);
    free(f);
}

int fixture_call(struct fixture *f, enum cvm_g_op op) {
    int r;

    f->mb.abi_version = CVM_ABI_VERSION;
    f->mb.op = op;
    entropy_error = f->entropy_error;
    r = guardian_call(&f->g, op, &f->mb);
    entropy_error = 0;
    return r;
}

void fixture_init(struct fixture *f) {
    f->mb.init = (struct cvm_g_init){ .vm_id = 1, .max_gfn = FIXTURE_GUEST_SIZE / PAGE_SIZE - 1 };
    assert_int_equal(fixture_call(f, CVM_G_INIT), 0);
}

int fixture_measure(struct fixture *f, uint32_t index, uint32_t kind, uint64_t gpa, uint64_t size) {
    f->mb.measure = (struct cvm_g_measure){
        .index = index, .kind = kind, .gpa = gpa, .size = size, .total = size, .first = 1, .last = 1
    };
    return fixture_call(f, CVM_G_MEASURE);
}

void fixture_launch(struct fixture *f, uint64_t size) {
    fixture_init(f);
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, CVM_FW_GPA, size), 0);
    assert_int_equal(fixture_call(f, CVM_G_LAUNCH), 0);
}

void fixture_fill(void *buf, size_t size, uint32_t seed) {
    uint8_t *p = buf;
    uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;

    while (size--) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        *p++ = x >> 24;
    }
}
