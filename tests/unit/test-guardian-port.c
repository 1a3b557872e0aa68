/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CVM_GUEST_PORT: what a process of the guest gets, and whose memory it may name. */
#include <errno.h>

#include "decode/alu.h"
#include "guardian-fixture.h"

enum { RCX = 1, RDX = 2, RSI = 6, RDI = 7 };

#define CODE 0x300000u
#define BUFFER 0x400ff0u /* crosses a page */
#define TABLES 0x500000u
#define SECRET 0x600000u /* a page of the guest's kernel */

static const uint8_t OUTSB[] = {0xf3, 0x6e}, INSB[] = {0xf3, 0x6c};

/* One 4-level tree: 2 MiB pages for the first 8 MiB, all the user's but SECRET's and the tables' own. */
static void make_tables(struct fixture *f) {
    uint64_t *t = (uint64_t *)(f->guest + TABLES);

    t[0] = (TABLES + 0x1000) | 7;
    t[512] = (TABLES + 0x2000) | 7;
    t[1024 + 0] = 0x000087;
    t[1024 + 1] = 0x200087;
    t[1024 + 2] = 0x400087;
    t[1024 + 3] = 0x600083; /* supervisor */
}

static int setup(void **state) {
    struct fixture *f = fixture_new();

    fixture_launch(f, 12345);
    make_tables(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture_free(*state);
    return 0;
}

/* A process at ring 3 executes that instruction. */
static int step(struct fixture *f, const uint8_t *code, size_t size, uint64_t buffer, uint64_t count) {
    struct cvm_g_cpu *c = &f->mb.cpu;
    bool write = code[size - 1] == 0x6e;

    memset(f->guest + CODE, 0xcc, 16);
    memcpy(f->guest + CODE, code, size);
    memset(&f->mb, 0, sizeof(f->mb));
    c->rip = CODE;
    c->rflags = 0x202;
    c->cr0 = 0x80000001;
    c->cr4 = 0x20;
    c->cr3 = TABLES;
    c->efer = 0x500;
    for (unsigned i = 0; i < 6; i++) {
        c->seg_limit[i] = UINT32_MAX;
        c->seg_ar[i] = 0xc0f3;
    }
    c->seg_ar[1] = 0xa0fb;
    c->gpr[RDX] = CVM_GUEST_PORT;
    c->gpr[RCX] = count;
    c->gpr[write ? RSI : RDI] = buffer;
    f->mb.access = (struct cvm_g_access){.kind = CVM_G_PIO, .write = write, .port = CVM_GUEST_PORT};
    return fixture_call(f, CVM_G_DECODE);
}

static int send(struct fixture *f, const struct cvm_port_call *c) {
    memcpy(f->guest + BUFFER, c, sizeof(*c));
    return step(f, OUTSB, sizeof(OUTSB), BUFFER, sizeof(*c));
}

static struct cvm_port_answer receive(struct fixture *f) {
    struct cvm_port_answer a;

    memset(f->guest + BUFFER, 0x77, sizeof(a) + 1);
    assert_int_equal(step(f, INSB, sizeof(INSB), BUFFER, sizeof(a)), 0);
    assert_int_equal(f->mb.step.kind, CVM_G_STEP_DONE);
    assert_int_equal(f->mb.cpu.rip, CODE + sizeof(INSB));
    assert_int_equal(f->mb.cpu.gpr[RCX], 0);
    assert_int_equal(f->mb.cpu.gpr[RDI], BUFFER + sizeof(a));
    assert_int_equal(f->guest[BUFFER + sizeof(a)], 0x77);
    memcpy(&a, f->guest + BUFFER, sizeof(a));
    assert_int_equal(a.magic, CVM_PORT_MAGIC);
    return a;
}

static void assert_exception(struct fixture *f, unsigned vector, unsigned error, uint64_t cr2) {
    assert_int_equal(f->mb.step.kind, CVM_G_STEP_EXCEPTION);
    assert_int_equal(f->mb.step.vector, vector);
    assert_true(f->mb.step.has_error);
    assert_int_equal(f->mb.step.error_code, error);
    assert_int_equal(f->mb.step.data, cr2);
}

static void test_no_call_yet(void **state) {
    assert_int_equal(receive(*state).result, -ENOENT);
}

/* As RootVisor does it: the report is made when the Guardian asks for it, and handed back. */
static void test_report(void **state) {
    struct cvm_port_call c = {.magic = CVM_PORT_MAGIC, .call = CVM_GUEST_REPORT};
    struct fixture *f = *state;
    struct cvm_port_answer a;
    struct cvm_report r;

    fixture_fill(c.data, sizeof(c.data), 9);
    assert_int_equal(send(f, &c), 0);
    assert_int_equal(f->mb.step.kind, CVM_G_STEP_REPORT);
    assert_int_equal(f->mb.cpu.rip, CODE + sizeof(OUTSB));
    assert_int_equal(f->mb.cpu.gpr[RSI], BUFFER + sizeof(c));
    assert_int_equal(f->mb.cpu.gpr[RCX], 0);
    assert_memory_equal(f->mb.report.user_data, c.data, sizeof(c.data));
    assert_int_equal(receive(f).result, -EIO); /* not there yet: RootVisor could not make it */
    memset(&f->mb, 0, sizeof(f->mb));
    memcpy(f->mb.report.user_data, c.data, sizeof(c.data));
    f->mb.report.requester = 1;
    f->mb.report.counter = 7;
    assert_int_equal(fixture_call(f, CVM_G_REPORT), 0);
    r = f->mb.report;
    assert_int_equal(fixture_call(f, CVM_G_ANSWER), 0);
    a = receive(f);
    assert_int_equal(a.result, 0);
    assert_memory_equal(&a.report, &r, sizeof(r));
    a = receive(f); /* as often as wanted */
    assert_memory_equal(&a.report, &r, sizeof(r));
    assert_int_equal(step(f, INSB, sizeof(INSB), BUFFER, 8), 0); /* and only a part */
    assert_int_equal(f->mb.step.kind, CVM_G_STEP_DONE);
    /* Nobody asked: RootVisor gives no report. */
    assert_int_equal(fixture_call(f, CVM_G_ANSWER), -EINVAL);
}

static void test_extend(void **state) {
    struct cvm_port_call c = {.magic = CVM_PORT_MAGIC, .call = CVM_GUEST_RTMR_EXTEND, .index = 3};
    struct fixture *f = *state;
    uint8_t both[96] = {0}, want[48];

    memset(c.data, 0xab, 48);
    memset(both + 48, 0xab, 48);
    sha384(both, sizeof(both), want);
    assert_int_equal(send(f, &c), 0);
    assert_int_equal(f->mb.step.kind, CVM_G_STEP_DONE);
    assert_int_equal(receive(f).result, 0);
    assert_memory_equal(f->g.rtmr[3], want, 48);
}

static void test_bad_calls(void **state) {
    static const struct {
        struct cvm_port_call c;
        int result;
    } bad[] = {
        {{.call = CVM_GUEST_REPORT}, -EINVAL},
        {{CVM_PORT_MAGIC, CVM_GUEST_REPORT, .reserved = 1}, -EINVAL},
        {{CVM_PORT_MAGIC, CVM_GUEST_REPORT, .index = 1}, -EINVAL},
        {{CVM_PORT_MAGIC, CVM_GUEST_RTMR_EXTEND, .index = CVM_RTMRS}, -EINVAL},
        {{CVM_PORT_MAGIC, CVM_GUEST_RTMR_EXTEND, .index = UINT32_MAX}, -EINVAL},
        {{CVM_PORT_MAGIC, CVM_GUEST_RTMR_EXTEND, .data = {[48] = 1}}, -EINVAL},
        {{CVM_PORT_MAGIC, CVM_GUEST_RTMR_EXTEND, .data = {[63] = 1}}, -EINVAL},
        {{CVM_PORT_MAGIC, CVM_GUEST_KEY_GET}, -ENOSYS}, /* no disk key by this way */
        {{CVM_PORT_MAGIC, CVM_GUEST_STOP}, -ENOSYS},
        {{CVM_PORT_MAGIC, 0}, -ENOSYS},
    };
    static const uint8_t zero[sizeof(((struct guardian *)0)->rtmr)];
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cvm_port_answer a;

        assert_int_equal(send(f, &bad[i].c), 0);
        assert_int_equal(f->mb.step.kind, CVM_G_STEP_DONE);
        a = receive(f);
        assert_int_equal(a.result, bad[i].result);
        assert_int_equal(a.report.magic, 0);
        assert_memory_equal(f->g.rtmr, zero, sizeof(zero));
    }
}

/* An attack: a process with the right to the port, but not to its kernel's memory. */
static void test_kernel_memory(void **state) {
    static const uint8_t secret[32] = "the kernel's";
    struct cvm_port_call c = {.magic = CVM_PORT_MAGIC, .call = CVM_GUEST_REPORT};
    struct fixture *f = *state;

    memcpy(f->guest + SECRET, secret, sizeof(secret));
    assert_int_equal(step(f, INSB, sizeof(INSB), SECRET, sizeof(struct cvm_port_answer)), 0);
    assert_exception(f, 14, 7, SECRET);
    assert_memory_equal(f->guest + SECRET, secret, sizeof(secret));
    assert_int_equal(step(f, OUTSB, sizeof(OUTSB), SECRET, sizeof(c)), 0);
    assert_exception(f, 14, 5, SECRET);
    /* Half in one's own memory, half not: nothing is written, nothing is taken. */
    memset(f->guest + SECRET - 16, 0x77, 16);
    assert_int_equal(step(f, INSB, sizeof(INSB), SECRET - 16, sizeof(struct cvm_port_answer)), 0);
    assert_exception(f, 14, 7, SECRET);
    assert_int_equal(f->guest[SECRET - 16], 0x77);
    assert_memory_equal(f->guest + SECRET, secret, sizeof(secret));
    /* The control: the kernel itself may. */
    ((uint64_t *)(f->guest + TABLES))[1024 + 3] = 0x600087;
    assert_int_equal(step(f, INSB, sizeof(INSB), SECRET, sizeof(struct cvm_port_answer)), 0);
    assert_int_equal(f->mb.step.kind, CVM_G_STEP_DONE);
    assert_memory_not_equal(f->guest + SECRET, secret, sizeof(secret));
}

static void test_bad_memory(void **state) {
    struct fixture *f = *state;

    assert_int_equal(step(f, INSB, sizeof(INSB), 0x900000, 8), 0); /* not mapped */
    assert_exception(f, 14, 6, 0x900000);
    assert_int_equal(step(f, INSB, sizeof(INSB), 1ull << 47, 8), 0); /* not canonical */
    assert_exception(f, 13, 0, 0);
    ((uint64_t *)(f->guest + TABLES))[1024 + 3] = 0xfe000087; /* a device */
    assert_int_equal(step(f, INSB, sizeof(INSB), SECRET, 8), 0);
    assert_exception(f, 13, 0, 0);
    assert_int_equal(step(f, OUTSB, sizeof(OUTSB), SECRET, sizeof(struct cvm_port_call)), 0);
    assert_exception(f, 13, 0, 0);
}

static void test_bad_forms(void **state) {
    static const uint8_t no_rep[] = {0x6e}, words[] = {0xf3, 0x66, 0x6f}, short_address[] = {0x67, 0xf3, 0x6e};
    struct fixture *f = *state;

    assert_int_equal(step(f, no_rep, sizeof(no_rep), BUFFER, sizeof(struct cvm_port_call)), 0);
    assert_exception(f, 13, 0, 0);
    assert_int_equal(step(f, short_address, sizeof(short_address), BUFFER, sizeof(struct cvm_port_call)), 0);
    assert_exception(f, 13, 0, 0);
    f->mb.access.write = true;
    assert_int_equal(step(f, words, sizeof(words), BUFFER, sizeof(struct cvm_port_call)), 0);
    assert_exception(f, 13, 0, 0);
    for (unsigned i = 0; i < 5; i++) {
        static const uint64_t counts[] = {0, 1, sizeof(struct cvm_port_call) - 1, sizeof(struct cvm_port_call) + 1, 1ull << 32};

        assert_int_equal(step(f, OUTSB, sizeof(OUTSB), BUFFER, counts[i]), 0);
        assert_exception(f, 13, 0, 0);
    }
    assert_int_equal(step(f, INSB, sizeof(INSB), BUFFER, sizeof(struct cvm_port_answer) + 1), 0);
    assert_exception(f, 13, 0, 0);
    assert_int_equal(step(f, INSB, sizeof(INSB), BUFFER, (1ull << 32) + 8), 0);
    assert_exception(f, 13, 0, 0);
    /* Backwards. */
    assert_int_equal(step(f, INSB, sizeof(INSB), BUFFER, 8), 0);
    f->mb.cpu.rip = CODE;
    f->mb.cpu.gpr[RCX] = 8;
    f->mb.cpu.rflags |= FLAG_DF;
    assert_int_equal(fixture_call(f, CVM_G_DECODE), 0);
    assert_exception(f, 13, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_call_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_report, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kernel_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_forms, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
