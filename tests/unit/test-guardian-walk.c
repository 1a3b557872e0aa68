/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk through the guest's page tables: modes, rights, error codes, hostile tables. */
#include <errno.h>

#include "decode-fixture.h"

#define CR0_WP (1ull << 16)
#define CR4_PSE (1ull << 4)
#define CR4_PAE (1ull << 5)
#define CR4_LA57 (1ull << 12)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define EFER_NXE (1ull << 11)
#define NX (1ull << 63)
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80 };
enum { READ = 0, WRITE = ACCESS_WRITE, FETCH = ACCESS_FETCH };

#define ROOT 0x10000u
#define LINEAR 0xffff812345678abcull /* indices 258, 141, 43, 120 */

static void put(struct machine *m, uint64_t at, uint64_t v, unsigned n) {
    memcpy(m->memory + at, &v, n);
}

static uint64_t get8(const struct machine *m, uint64_t at) {
    uint64_t v;

    memcpy(&v, m->memory + at, 8);
    return v;
}

/* LINEAR -> 0x777000 through four tables with these rights at each level. */
static void map_4_level(struct machine *m, uint64_t e4, uint64_t e3, uint64_t e2, uint64_t e1) {
    put(m, ROOT + 258 * 8, 0x11000 | e4, 8);
    put(m, 0x11000 + 141 * 8, 0x12000 | e3, 8);
    put(m, 0x12000 + 43 * 8, 0x13000 | e2, 8);
    put(m, 0x13000 + 120 * 8, 0x777000 | e1, 8);
}

static int setup(void **state) {
    struct machine *m = machine_new(MODE_64);

    m->cpu.cr0 |= CR0_PG | CR0_WP;
    m->cpu.cr4 = CR4_PAE;
    m->cpu.cr3 = ROOT | 0x18; /* PWT, PCD do not matter */
    m->cpu.efer |= EFER_NXE;
    *state = m;
    return 0;
}

static int teardown(void **state) {
    machine_free(*state);
    return 0;
}

static void set_user(struct machine *m, bool user) {
    m->cpu.seg_ar[SEG_SS] = AR_DATA | (user ? 3 << 5 : 0);
}

static void good(struct machine *m, uint64_t linear, unsigned access, uint64_t want) {
    struct guest_exception x;
    uint64_t gpa = 0;

    assert_int_equal(guest_translate(&m->guest, &m->cpu, linear, access, &gpa, &x), 0);
    assert_int_equal(gpa, want);
}

static void fault(struct machine *m, uint64_t linear, unsigned access, unsigned error) {
    struct guest_exception x;
    uint64_t gpa;

    assert_int_equal(guest_translate(&m->guest, &m->cpu, linear, access, &gpa, &x), GUEST_FAULT);
    assert_int_equal(x.vector, 14);
    assert_true(x.has_error);
    assert_int_equal(x.error_code, error);
    assert_int_equal(x.cr2, linear);
}

static void test_4_level(void **state) {
    struct machine *m = *state;

    map_4_level(m, P | W, P | W, P | W, P | W);
    good(m, LINEAR, READ, 0x777abc);
    assert_int_equal(get8(m, ROOT + 258 * 8), 0x11000 | P | W | A);
    assert_int_equal(get8(m, 0x13000 + 120 * 8), 0x777000 | P | W | A);
    good(m, LINEAR, WRITE, 0x777abc);
    assert_int_equal(get8(m, 0x12000 + 43 * 8), 0x13000 | P | W | A);
    assert_int_equal(get8(m, 0x13000 + 120 * 8), 0x777000 | P | W | A | D);
    put(m, 0x12000 + 43 * 8, 0x600000 | P | W | PS | 0x1000, 8); /* 2 MiB, PAT bit set */
    good(m, LINEAR, WRITE, 0x600000 + (LINEAR & 0x1fffff));
    put(m, 0x11000 + 141 * 8, 0x40000000 | P | W | PS, 8); /* 1 GiB */
    good(m, LINEAR, READ, 0x40000000 + (LINEAR & 0x3fffffff));
}

static void test_not_present(void **state) {
    struct machine *m = *state;

    for (unsigned level = 0; level < 4; level++) {
        uint64_t e[4] = { P | W, P | W, P | W, P | W };

        e[level] = W;
        map_4_level(m, e[0], e[1], e[2], e[3]);
        fault(m, LINEAR, READ, 0);
        fault(m, LINEAR, WRITE, 2);
        fault(m, LINEAR, FETCH, 0x10);
        set_user(m, true);
        fault(m, LINEAR, WRITE, 6);
        set_user(m, false);
    }
    /* A fault leaves the accessed flags alone. */
    assert_int_equal(get8(m, ROOT + 258 * 8) & A, 0);
}

static void test_rights(void **state) {
    struct machine *m = *state;

    for (unsigned level = 0; level < 4; level++) {
        uint64_t e[4] = { P | W | U, P | W | U, P | W | U, P | W | U };

        /* One level read-only. */
        e[level] = P | U;
        map_4_level(m, e[0], e[1], e[2], e[3]);
        fault(m, LINEAR, WRITE, 3);
        m->cpu.cr0 &= ~CR0_WP;
        good(m, LINEAR, WRITE, 0x777abc);
        set_user(m, true);
        map_4_level(m, e[0], e[1], e[2], e[3]);
        fault(m, LINEAR, WRITE, 7);
        good(m, LINEAR, READ, 0x777abc);
        m->cpu.cr0 |= CR0_WP;
        /* One level supervisor. */
        e[level] = P | W;
        map_4_level(m, e[0], e[1], e[2], e[3]);
        fault(m, LINEAR, READ, 5);
        fault(m, LINEAR, FETCH, 0x15);
        set_user(m, false);
        good(m, LINEAR, FETCH, 0x777abc);
        /* One level no-execute. */
        e[level] = P | W | U | NX;
        map_4_level(m, e[0], e[1], e[2], e[3]);
        good(m, LINEAR, READ, 0x777abc);
        fault(m, LINEAR, FETCH, 0x11);
    }
}

static void test_smap_smep(void **state) {
    struct machine *m = *state;

    map_4_level(m, P | W | U, P | W | U, P | W | U, P | W | U);
    good(m, LINEAR, FETCH, 0x777abc);
    m->cpu.cr4 |= CR4_SMEP | CR4_SMAP;
    fault(m, LINEAR, FETCH, 0x11);
    fault(m, LINEAR, READ, 1);
    fault(m, LINEAR, WRITE, 3);
    m->cpu.rflags |= FLAG_AC;
    good(m, LINEAR, WRITE, 0x777abc);
    set_user(m, true);
    m->cpu.rflags &= ~FLAG_AC;
    good(m, LINEAR, FETCH, 0x777abc);
}

static void test_reserved(void **state) {
    struct machine *m = *state;

    map_4_level(m, P | W | PS, P | W, P | W, P | W);
    fault(m, LINEAR, READ, 9);
    map_4_level(m, P | W, P | W, P | W | PS | 0x2000, P | W);
    fault(m, LINEAR, WRITE, 0xb);
    map_4_level(m, P | W, P | W | PS | 0x20000000, P | W, P | W);
    fault(m, LINEAR, READ, 9);
    map_4_level(m, P | W, P | W, P | W, P | W | NX);
    m->cpu.efer &= ~EFER_NXE;
    fault(m, LINEAR, READ, 9);
}

static void test_pae(void **state) {
    struct machine *m = *state;
    const uint32_t linear = 0xc0345678; /* indices 3, 1, 325 */

    m->cpu.efer = EFER_NXE;
    m->cpu.seg_ar[SEG_CS] = 0xc09b;
    m->cpu.cr3 = ROOT + 0x20; /* aligned to 32 bytes only */
    put(m, ROOT + 0x20 + 3 * 8, 0x11000 | P, 8); /* a PDPTE has no rights */
    put(m, 0x11000 + 1 * 8, 0x12000 | P | W, 8);
    put(m, 0x12000 + 325 * 8, 0x555000 | P | W | NX, 8);
    good(m, linear, WRITE, 0x555678);
    assert_int_equal(get8(m, ROOT + 0x20 + 24), 0x11000 | P); /* nor an accessed flag */
    fault(m, linear, FETCH, 0x11);
    fault(m, 0x80345678, READ, 0);
    put(m, 0x11000 + 1 * 8, 0x600000 | P | W | PS, 8);
    good(m, linear, WRITE, 0x600000 + (linear & 0x1fffff));
}

static void test_32_bit(void **state) {
    struct machine *m = *state;
    const uint32_t linear = 0xc0345678; /* indices 768, 837 */

    m->cpu.efer = 0;
    m->cpu.cr4 = CR4_PSE;
    m->cpu.seg_ar[SEG_CS] = 0xc09b;
    put(m, ROOT + 768 * 4, 0x11000 | P | W, 4);
    put(m, 0x11000 + 837 * 4, 0x555000 | P | U, 4);
    good(m, linear, READ, 0x555678);
    fault(m, linear, WRITE, 3);
    fault(m, 0x345678, FETCH, 0); /* no I/D bit without NX */
    put(m, ROOT + 768 * 4, 0x00c00000 | P | W | PS | (5 << 13), 4); /* 4 MiB at 5 << 32 */
    good(m, linear, WRITE, 0x500c00000 + (linear & 0x3fffff));
    put(m, ROOT + 768 * 4, 0x00c00000 | P | W | PS | 1 << 21, 4);
    fault(m, linear, READ, 9);
    m->cpu.cr4 = 0; /* without PSE bit 7 has no meaning */
    put(m, ROOT + 768 * 4, 0x11000 | P | W | PS, 4);
    good(m, linear, READ, 0x555678);
}

static void test_no_paging(void **state) {
    struct machine *m = *state;

    m->cpu.cr0 = CR0_PE;
    good(m, 0xfee00000, WRITE, 0xfee00000);
}

static void test_hostile_tables(void **state) {
    struct machine *m = *state;
    struct guest_exception x;
    uint64_t gpa;

    /* A table outside the window, at each level; the root too. */
    map_4_level(m, P | W, P | W, P | W, P | W);
    put(m, 0x12000 + 43 * 8, MACHINE_SIZE | P | W, 8);
    assert_int_equal(guest_translate(&m->guest, &m->cpu, LINEAR, READ, &gpa, &x), -EOPNOTSUPP);
    put(m, ROOT + 258 * 8, 0x000ffffffffff000 | P | W, 8);
    assert_int_equal(guest_translate(&m->guest, &m->cpu, LINEAR, READ, &gpa, &x), -EOPNOTSUPP);
    m->cpu.cr3 = MACHINE_SIZE;
    assert_int_equal(guest_translate(&m->guest, &m->cpu, LINEAR, READ, &gpa, &x), -EOPNOTSUPP);
    m->cpu.cr3 = UINT64_MAX;
    assert_int_equal(guest_translate(&m->guest, &m->cpu, LINEAR, READ, &gpa, &x), -EOPNOTSUPP);
    /* A table that points to itself ends all the same. */
    m->cpu.cr3 = ROOT;
    for (unsigned i = 0; i < 512; i++)
        put(m, ROOT + i * 8, ROOT | P | W, 8);
    good(m, LINEAR, READ, ROOT | 0xabc);
    m->cpu.cr4 |= CR4_LA57;
    assert_int_equal(guest_translate(&m->guest, &m->cpu, LINEAR, READ, &gpa, &x), -EOPNOTSUPP);
}

/* Through the stepper: the fault of the second operand comes before the first is accessed. */
static void test_fault_before_access(void **state) {
    struct machine *m = *state;

    put(m, ROOT, 0x11000 | P | W, 8);
    put(m, 0x11000, 0x12000 | P | W, 8);
    put(m, 0x12000 + 8, 0x200000 | P | W | PS, 8); /* code */
    put(m, 0x12000 + 16, 0x400000 | P | W | PS, 8); /* MMIO */
    machine_code(m, (uint8_t[]){ 0xa4 }, 1); /* movsb from MMIO to nowhere */
    m->cpu.gpr[RSI] = MACHINE_MMIO;
    m->cpu.gpr[RDI] = 0x10000000;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->step.kind, CVM_G_STEP_EXCEPTION);
    assert_int_equal(m->step.vector, 14);
    assert_int_equal(m->step.error_code, 2);
    assert_int_equal(m->step.data, 0x10000000);
    assert_int_equal(m->loads, 0);
    /* A store whose second page is not there stores nothing in the first. */
    machine_code(m, (uint8_t[]){ 0x89, 0x07 }, 2);
    m->cpu.gpr[RDI] = 0x5ffffe;
    m->access.gpa = 0x5ff000;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->step.kind, CVM_G_STEP_EXCEPTION);
    assert_int_equal(m->step.data, 0x600000);
    assert_int_equal(m->stores, 0);
    /* The instruction itself is not there. */
    m->cpu.rip = 0x700000;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->step.kind, CVM_G_STEP_EXCEPTION);
    assert_int_equal(m->step.error_code, 0x10);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_4_level), T(test_not_present), T(test_rights),    T(test_smap_smep),     T(test_reserved),
        T(test_pae),     T(test_32_bit),      T(test_no_paging), T(test_hostile_tables), T(test_fault_before_access),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
