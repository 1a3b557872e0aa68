/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * REP INS and REP OUTS in runs. What comes out must be what the same instruction gives one element at a time: memory,
 * registers, the bytes that the port saw, exceptions. And a host that says nonsense about a run.
 */
#include <errno.h>
#include <stdlib.h>

#include "decode-fixture.h"

#define PORT 0x1f0u
#define BUFFER 0x500000u
#define REGION 0x3000u
#define MAX_STEPS 20000u

struct outcome {
    int r;
    unsigned kind, vector;
    struct cvm_g_cpu cpu;
    unsigned steps, seen;
    uint8_t port[MAX_STEPS]; /* the bytes of OUTS, in order */
    uint8_t memory[REGION];
};

/* Byte n of an INS. */
static uint8_t device(unsigned n) {
    return n * 7 + n / 251 + 3;
}

/* The whole instruction. most: elements that the host does of a run before it comes back; 0: all, as KVM does. */
static void carry_out(struct machine *m, bool runs, unsigned most, struct outcome *o) {
    uint8_t bytes[CVM_RUN_MAX];
    unsigned given = 0;

    memset(o, 0, sizeof(*o));
    for (unsigned turn = 0; turn < MAX_STEPS && m->cpu.rip == MACHINE_CODE; turn++) {
        struct cvm_g_step s;

        memset(bytes, 0xee, sizeof(bytes));
        o->r = step_begin(&m->pending, &m->guest, &m->cpu, &m->access, runs ? bytes : NULL, &s);
        while (!o->r && (s.kind == CVM_G_STEP_LOAD || s.kind == CVM_G_STEP_STORE)) {
            unsigned n = s.count ? s.count : 1;
            uint64_t data = 0;

            assert_int_equal(s.gpa, PORT);
            assert_true(s.count != 1 && n * s.size <= CVM_RUN_MAX);
            assert_true(!s.count || runs);
            for (unsigned i = n * s.size; s.count && s.kind == CVM_G_STEP_STORE && i < sizeof(bytes); i++)
                assert_int_equal(bytes[i], 0); /* nothing else of the guest's or the Guardian's */
            if (s.count && most && n > most)
                n = most;
            for (unsigned i = 0; i < n * s.size; i++) {
                if (s.kind == CVM_G_STEP_STORE)
                    o->port[o->seen++] = s.count ? bytes[i] : s.data >> 8 * i;
                else if (s.count)
                    bytes[i] = device(given++);
                else
                    data |= (uint64_t) device(given++) << 8 * i;
            }
            o->steps++;
            if (s.count && s.kind == CVM_G_STEP_STORE)
                memset(bytes, 0xee, sizeof(bytes)); /* the host's by now */
            o->r = step_continue(&m->pending, &m->guest, s.count ? n : data, bytes, &s);
        }
        o->kind = s.kind;
        if (o->r || s.kind == CVM_G_STEP_EXCEPTION) {
            o->vector = s.vector;
            break;
        }
        m->cpu = m->pending.cpu;
    }
    o->cpu = m->cpu;
    memcpy(o->memory, m->memory + BUFFER, REGION);
}

struct form {
    const char *name;
    uint8_t code[4], length, size;
    bool out;
};

static const struct form forms[] = {
    { "insb", { 0xf3, 0x6c }, 2, 1, false },        { "insw", { 0x66, 0xf3, 0x6d }, 3, 2, false },
    { "insd", { 0xf3, 0x6d }, 2, 4, false },        { "outsb", { 0xf3, 0x6e }, 2, 1, true },
    { "outsw", { 0x66, 0xf3, 0x6f }, 3, 2, true },  { "outsd", { 0xf3, 0x6f }, 2, 4, true },
    { "insw, repne", { 0x66, 0xf2, 0x6d }, 3, 2, false }, { "insw, other address size", { 0x67, 0x66, 0xf3, 0x6d }, 4, 2, false },
};

/* All of it is RAM but the bounce area. */
static const struct cvm_ram_range ram[] = {
    { 0, CVM_BOUNCE_GPA }, { CVM_BOUNCE_GPA + CVM_BOUNCE_SIZE, MACHINE_SIZE - CVM_BOUNCE_GPA - CVM_BOUNCE_SIZE },
};
static struct machine *machines[MODE_64 + 1]; /* by mode */

static int setup(void **state) {
    (void) state;
    for (unsigned mode = MODE_16; mode <= MODE_64; mode *= 2)
        machines[mode] = machine_new(mode);
    return 0;
}

static int teardown(void **state) {
    (void) state;
    for (unsigned mode = MODE_16; mode <= MODE_64; mode *= 2)
        machine_free(machines[mode]);
    return 0;
}

static struct machine *start(enum cpu_mode mode, const struct form *f, uint64_t count, uint64_t offset, bool df) {
    struct machine *m = machines[mode];

    m->guest.nr_ram = 2;
    m->guest.ram = ram;
    m->pending = (struct pending){ .phase = PHASE_IDLE };
    m->cpu.rip = MACHINE_CODE;
    m->cpu.rflags = 2 | (df ? FLAG_DF : 0);
    for (unsigned i = 0; i < 6; i++) {
        m->cpu.seg_base[i] = 0;
        m->cpu.seg_limit[i] = UINT32_MAX;
    }
    machine_code(m, f->code, f->length);
    /* In 16-bit code the operand size prefix means the other size. */
    if (mode == MODE_16 && f->size > 1)
        machine_code(m, f->size == 2 ? f->code + 1 : (const uint8_t[]){ 0x66, 0xf3, f->code[1] }, f->size == 2 ? 2 : 3);
    m->access = (struct cvm_g_access){ .kind = CVM_G_PIO, .write = f->out, .port = PORT, .vcpu = 3 };
    m->cpu.gpr[RDX] = 0x12340000 | PORT;
    m->cpu.gpr[RCX] = count;
    m->cpu.gpr[RSI] = m->cpu.gpr[RDI] = offset;
    for (unsigned i = 0; i < REGION; i++)
        m->memory[BUFFER + i] = i * 13 + i / 256;
    return m;
}

static struct outcome once, whole;

static void same(enum cpu_mode mode, const struct form *f, uint64_t count, uint64_t offset, bool df, unsigned most,
                 uint64_t base, uint32_t limit) {
    for (unsigned runs = 0; runs < 2; runs++) {
        struct machine *m = start(mode, f, count, offset, df);

        for (unsigned i = 0; i < 6; i++)
            if (i != SEG_CS && mode != MODE_64) {
                m->cpu.seg_base[i] = base;
                m->cpu.seg_limit[i] = limit;
            }
        carry_out(m, runs, most, runs ? &whole : &once);
    }
    if (whole.r != once.r || whole.kind != once.kind || whole.seen != once.seen ||
        memcmp(&whole.cpu, &once.cpu, sizeof(once.cpu)) || memcmp(whole.memory, once.memory, REGION))
        print_message("%s mode %d count %llx offset %llx df %d most %u base %llx limit %x\n", f->name, mode,
                      (unsigned long long) count, (unsigned long long) offset, df, most, (unsigned long long) base, limit);
    assert_int_equal(whole.r, once.r);
    assert_int_equal(whole.kind, once.kind);
    assert_int_equal(whole.vector, once.vector);
    assert_memory_equal(&whole.cpu, &once.cpu, sizeof(once.cpu));
    assert_memory_equal(whole.memory, once.memory, REGION);
    assert_int_equal(whole.seen, once.seen);
    assert_memory_equal(whole.port, once.port, once.seen);
}

static void test_same(void **state) {
    static const unsigned counts[] = { 1, 2, 3, 128, 256, 257, 1023, 1024, 1025, 2100 };
    static const unsigned edges[] = { 0, 1, 2, 3, 4, 5, 8, 510, 0xfff };

    (void) state;
    for (unsigned f = 0; f < sizeof(forms) / sizeof(forms[0]); f++)
        for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
            for (unsigned e = 0; e < sizeof(edges) / sizeof(edges[0]); e++)
                for (unsigned df = 0; df < 2; df++) {
                    uint64_t offset = df ? BUFFER + 0x1000 + edges[e] : BUFFER + 0x1000 - edges[e];

                    if (counts[c] * forms[f].size > 0x1000)
                        continue; /* stays inside the region */
                    same(MODE_64, &forms[f], counts[c], offset, df, 0, 0, 0);
                    if (e == 4 || e == 8)
                        same(MODE_32, &forms[f], counts[c], offset, df, 1 + c, 0, UINT32_MAX);
                }
}

/* Segment limits and 16-bit offsets that wrap: a run ends there, and what comes next is what the CPU does. */
static void test_segments(void **state) {
    (void) state;
    for (unsigned f = 0; f < 6; f++)
        for (unsigned df = 0; df < 2; df++) {
            same(MODE_32, &forms[f], 100, df ? 40 : 0x7d0, df, 0, BUFFER, 0x7ff);
            assert_int_equal(once.kind, CVM_G_STEP_EXCEPTION);
            same(MODE_32, &forms[f], 100, 0x100, df, 0, BUFFER + 3, 0xfff);
            same(MODE_32, &forms[f], 0x100000003ull, 0x100, df, 0, BUFFER, UINT32_MAX); /* ECX */
            same(MODE_16, &forms[f], 40, df ? 0xabcd0010 : 0xabcdfff0, df, 0, BUFFER - 0xf000, UINT32_MAX);
            same(MODE_16, &forms[f], 0x70014, 0x1f0, df, 5, BUFFER + 1, 0xffff);       /* CX */
        }
}

static void test_few_steps(void **state) {
    struct machine *m = start(MODE_64, &forms[1], 256, BUFFER + 0x100, false);

    (void) state;
    carry_out(m, true, 0, &whole);
    assert_int_equal(whole.steps, 1);
    assert_int_equal(whole.cpu.gpr[RDI], BUFFER + 0x300);
    assert_int_equal(whole.cpu.gpr[RCX], 0);
    assert_int_equal(whole.cpu.rip, MACHINE_CODE + 3);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(whole.memory[0x100 + i], device(i));
    assert_int_equal(whole.memory[0xff], (uint8_t) (0xff * 13));
    assert_int_equal(whole.memory[0x300], (uint8_t) (0x300 * 13 + 3));

    for (unsigned f = 0; f < 6; f += 3) {
        m = start(MODE_64, &forms[f], 0x1800, BUFFER, false); /* 6 KiB: pages and CVM_RUN_MAX */
        carry_out(m, true, 0, &whole);
        assert_int_equal(whole.steps, 6);
    }
}

/* A page that is not there, read-only, or no RAM stops the string where the CPU would. */
static void test_fault_behind_the_page(void **state) {
    const struct cvm_ram_range some[] = { ram[0], { ram[1].gpa, BUFFER + 0x1000 - ram[1].gpa } };

    (void) state;
    for (unsigned f = 0; f < 6; f++)
        for (unsigned runs = 0; runs < 2; runs++) {
            struct machine *m = start(MODE_64, &forms[f], 100, BUFFER + 0x1000 - 40, false);
            struct outcome *o = runs ? &whole : &once;

            m->guest.ram = some;
            carry_out(m, runs, 0, o);
            assert_int_equal(o->r, -EOPNOTSUPP);
            assert_int_equal(o->cpu.gpr[RCX], 100 - 40 / forms[f].size);
            assert_int_equal(o->cpu.rip, MACHINE_CODE);
            }
    assert_int_equal(once.seen, whole.seen);
    assert_memory_equal(once.port, whole.port, once.seen);
}

static void test_one_by_one(void **state) {
    static const struct cvm_ram_range all[] = { { 0, MACHINE_SIZE } };
    static const struct form plain = { "insb", { 0x6c }, 1, 1, false };
    struct machine *m = start(MODE_64, &forms[0], 10, BUFFER, false);

    (void) state;
    m->cpu.rflags |= FLAG_TF;
    carry_out(m, true, 0, &whole);
    assert_int_equal(whole.steps, 10);

    m = start(MODE_64, &forms[0], 10, BUFFER, false); /* the bounce area is the guest's RAM */
    m->guest.nr_ram = 1;
    m->guest.ram = all;
    carry_out(m, true, 0, &whole);
    assert_int_equal(whole.steps, 10);

    m = start(MODE_64, &plain, 10, BUFFER, false); /* no REP */
    carry_out(m, true, 0, &whole);
    assert_int_equal(whole.steps, 1);
    assert_int_equal(whole.cpu.gpr[RCX], 10);

    m = start(MODE_64, &forms[0], 0, BUFFER, false); /* the CPU makes no access */
    m->cpu.gpr[RDI] = MACHINE_SIZE + 0x1000; /* where nothing is */
    carry_out(m, true, 0, &whole);
    assert_int_equal(whole.r, 0);
    assert_int_equal(whole.steps, 0);
    assert_int_equal(whole.cpu.rip, MACHINE_CODE + 2);
    assert_int_equal(whole.cpu.gpr[RDI], MACHINE_SIZE + 0x1000);
}

/* The host can have done 1 to count elements. */
static void test_nonsense(void **state) {
    (void) state;
    for (unsigned f = 0; f < 6; f++) {
        static const uint64_t bad[] = { 0, 65, 1024, UINT32_MAX, 1ull << 32, UINT64_MAX };
        struct machine *m = start(MODE_64, &forms[f], 64, BUFFER, false);
        uint8_t bytes[CVM_RUN_MAX] = { 0 };
        struct pending before;
        struct cvm_g_step s;

        assert_int_equal(step_begin(&m->pending, &m->guest, &m->cpu, &m->access, bytes, &s), 0);
        assert_int_equal(s.count, 64);
        before = m->pending;
        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            assert_int_equal(step_continue(&m->pending, &m->guest, bad[i], bytes, &s), -EINVAL);
            assert_memory_equal(&m->pending, &before, sizeof(before));
        }
        assert_int_equal(step_continue(&m->pending, &m->guest, 64, bytes, &s), 0);
        assert_int_equal(s.kind, CVM_G_STEP_DONE);
        assert_int_equal(step_continue(&m->pending, &m->guest, 64, bytes, &s), -EINVAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_few_steps),
        cmocka_unit_test(test_fault_behind_the_page),
        cmocka_unit_test(test_one_by_one),
        cmocka_unit_test(test_nonsense),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
