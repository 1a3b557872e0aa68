/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain of steps that an instruction becomes; what is refused; faults before any access. */
#include <errno.h>

#include "decode-fixture.h"

#define CODE(m, ...) machine_code(m, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static int setup_64(void **state) {
    *state = machine_new(MODE_64);
    return 0;
}

static int setup_32(void **state) {
    *state = machine_new(MODE_32);
    return 0;
}

static int setup_16(void **state) {
    *state = machine_new(MODE_16);
    return 0;
}

static int teardown(void **state) {
    machine_free(*state);
    return 0;
}

static void put(struct machine *m, uint64_t at, uint64_t v, unsigned n) {
    memcpy(m->memory + at, &v, n);
}

static uint64_t get(const struct machine *m, uint64_t at, unsigned n) {
    uint64_t v = 0;

    memcpy(&v, m->memory + at, n);
    return v;
}

static void assert_step(const struct cvm_g_step *s, unsigned kind, uint64_t gpa, unsigned size) {
    assert_int_equal(s->kind, kind);
    assert_int_equal(s->gpa, gpa);
    assert_int_equal(s->size, size);
}

static void assert_exception(struct machine *m, unsigned vector, unsigned error) {
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->step.kind, CVM_G_STEP_EXCEPTION);
    assert_int_equal(m->step.vector, vector);
    assert_int_equal(m->step.has_error, 1);
    assert_int_equal(m->step.error_code, error);
    assert_int_equal(m->loads + m->stores, 0);
    assert_int_equal(m->pending.phase, PHASE_IDLE);
}

static void test_load_4(void **state) {
    struct machine *m = *state;

    CODE(m, 0x8b, 0x07); /* mov (%rdi),%eax */
    m->cpu.gpr[RDI] = MACHINE_MMIO + 8;
    m->cpu.gpr[RAX] = UINT64_MAX;
    put(m, MACHINE_MMIO + 8, 0x12345678, 4);
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->step.kind, CVM_G_STEP_DONE);
    assert_int_equal(m->loads, 1);
    assert_int_equal(m->stores, 0);
    assert_step(&m->trace[0], CVM_G_STEP_LOAD, MACHINE_MMIO + 8, 4);
    assert_int_equal(m->cpu.gpr[RAX], 0x12345678);
    assert_int_equal(m->cpu.rip, MACHINE_CODE + 2);
}

/* Eight bytes: the low half first, as virtio and PCI expect. */
static void test_8_bytes(void **state) {
    struct machine *m = *state;

    CODE(m, 0x48, 0x89, 0x07); /* mov %rax,(%rdi) */
    m->cpu.gpr[RDI] = MACHINE_MMIO;
    m->cpu.gpr[RAX] = 0x1122334455667788;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->stores, 2);
    assert_step(&m->trace[0], CVM_G_STEP_STORE, MACHINE_MMIO, 4);
    assert_int_equal(m->trace[0].data, 0x55667788);
    assert_step(&m->trace[1], CVM_G_STEP_STORE, MACHINE_MMIO + 4, 4);
    assert_int_equal(m->trace[1].data, 0x11223344);
    CODE(m, 0x48, 0x8b, 0x1f); /* mov (%rdi),%rbx */
    m->cpu.rip = MACHINE_CODE;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->loads, 2);
    assert_int_equal(m->cpu.gpr[RBX], 0x1122334455667788);
}

/* Across the end of the page, the rest in RAM: only what is MMIO goes to the host. */
static void test_crossing_into_ram(void **state) {
    struct machine *m = *state;

    CODE(m, 0x89, 0x07);
    m->cpu.gpr[RDI] = MACHINE_MMIO + 0xffd;
    m->cpu.gpr[RAX] = 0x44332211;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->stores, 2);
    assert_step(&m->trace[0], CVM_G_STEP_STORE, MACHINE_MMIO + 0xffd, 2);
    assert_int_equal(m->trace[0].data, 0x2211);
    assert_step(&m->trace[1], CVM_G_STEP_STORE, MACHINE_MMIO + 0xfff, 1);
    assert_int_equal(get(m, MACHINE_MMIO + 0x1000, 1), 0x44);
}

/* The same, when RootVisor said what is RAM: both pages are the host's. */
static void test_crossing_into_mmio(void **state) {
    const struct cvm_ram_range ram[] = { { 0, MACHINE_MMIO }, { MACHINE_MMIO + 0x2000, 0x10000 } };
    struct machine *m = *state;

    m->guest.nr_ram = 2;
    m->guest.ram = ram;
    CODE(m, 0x48, 0x8b, 0x07);
    m->cpu.gpr[RDI] = MACHINE_MMIO + 0xffb;
    put(m, MACHINE_MMIO + 0xffb, 0x8877665544332211, 8);
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->loads, 4);
    assert_step(&m->trace[0], CVM_G_STEP_LOAD, MACHINE_MMIO + 0xffb, 4);
    assert_step(&m->trace[1], CVM_G_STEP_LOAD, MACHINE_MMIO + 0xfff, 1);
    assert_step(&m->trace[2], CVM_G_STEP_LOAD, MACHINE_MMIO + 0x1000, 2);
    assert_step(&m->trace[3], CVM_G_STEP_LOAD, MACHINE_MMIO + 0x1002, 1);
    assert_int_equal(m->cpu.gpr[RAX], 0x8877665544332211);
    /* The second page is the one that faulted. */
    m->cpu.rip = MACHINE_CODE;
    m->access.gpa = MACHINE_MMIO + 0x1000;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->loads, 4);
}

static void test_both_operands_mmio(void **state) {
    const struct cvm_ram_range ram[] = { { 0, MACHINE_MMIO } };
    struct machine *m = *state;

    m->guest.nr_ram = 1;
    m->guest.ram = ram;
    CODE(m, 0x48, 0xa5); /* movsq */
    m->cpu.gpr[RSI] = MACHINE_MMIO + 0x10;
    m->cpu.gpr[RDI] = MACHINE_MMIO + 0x3000;
    put(m, MACHINE_MMIO + 0x10, 0xabcdef0123456789, 8);
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->loads, 2);
    assert_int_equal(m->stores, 2);
    assert_int_equal(get(m, MACHINE_MMIO + 0x3000, 8), 0xabcdef0123456789);
    assert_int_equal(m->cpu.gpr[RSI], MACHINE_MMIO + 0x18);
    assert_int_equal(m->cpu.gpr[RDI], MACHINE_MMIO + 0x3008);
}

/* MMIO far above the window: only compared, never touched. */
static void test_high_mmio(void **state) {
    struct machine *m = *state;

    CODE(m, 0x89, 0x07);
    m->cpu.cr0 |= CR0_PG;
    m->cpu.cr4 = 1 << 5;
    m->cpu.cr3 = 0x10000;
    put(m, 0x10000, 0x11000 | 3, 8);                 /* [0, 512 GiB) */
    put(m, 0x11000, 0x12000 | 3, 8);
    put(m, 0x12000 + 8, 0x200000 | 0x83, 8);         /* code, 2 MiB page */
    put(m, 0x11000 + 8, 0x380000000000 | 0x83, 8);   /* linear 1 GiB */
    m->cpu.gpr[RDI] = 0x40000000 + 0x12340;
    m->cpu.gpr[RAX] = 7;
    m->access.gpa = 0x380000000000 + 0x12340;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->stores, 1);
    assert_step(&m->trace[0], CVM_G_STEP_STORE, 0x380000012340, 4);
    /* Accessed and dirty flags are as the CPU leaves them. */
    assert_int_equal(get(m, 0x10000, 8), 0x11023);
    assert_int_equal(get(m, 0x11000 + 8, 8), 0x3800000000e3);
    assert_int_equal(get(m, 0x12000 + 8, 8), 0x2000a3);
}

static void test_read_modify_write(void **state) {
    struct machine *m = *state;

    CODE(m, 0xf0, 0x83, 0x0f, 0x10); /* lock orl $0x10,(%rdi) */
    m->cpu.gpr[RDI] = MACHINE_MMIO;
    put(m, MACHINE_MMIO, 0x80000001, 4);
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->loads, 1);
    assert_int_equal(m->stores, 1);
    assert_int_equal(get(m, MACHINE_MMIO, 4), 0x80000011);
    assert_true(m->cpu.rflags & FLAG_SF);

    CODE(m, 0x81, 0x3f, 0x11, 0, 0, 0x80); /* cmpl $0x80000011,(%rdi): no store */
    m->cpu.rip = MACHINE_CODE;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->loads, 1);
    assert_int_equal(m->stores, 0);
    assert_true(m->cpu.rflags & FLAG_ZF);
}

static void test_rep_one_element_at_a_time(void **state) {
    struct machine *m = *state;

    CODE(m, 0xf3, 0xa5); /* rep movsl, from RAM to MMIO */
    m->cpu.gpr[RSI] = 0x500000;
    m->cpu.gpr[RDI] = MACHINE_MMIO;
    m->cpu.gpr[RCX] = 2;
    m->cpu.rflags |= FLAG_RF;
    put(m, 0x500000, 0x1111111122222222, 8);
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->stores, 1);
    assert_int_equal(m->cpu.rip, MACHINE_CODE);
    assert_int_equal(m->cpu.gpr[RCX], 1);
    assert_int_equal(m->cpu.gpr[RDI], MACHINE_MMIO + 4);
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->cpu.rip, MACHINE_CODE + 2);
    assert_int_equal(m->cpu.gpr[RCX], 0);
    assert_int_equal(m->cpu.rflags, 2);
    assert_int_equal(get(m, MACHINE_MMIO, 8), 0x1111111122222222);
    m->cpu.rip = MACHINE_CODE;
    assert_int_equal(machine_run(m), -EOPNOTSUPP); /* RCX = 0 makes no access */
}

/* REP with page crossing: an element over two pages, the next page a device, a fault in the middle. */
static void test_rep_over_pages(void **state) {
    const struct cvm_ram_range ram[] = { { 0, MACHINE_MMIO }, { MACHINE_MMIO + 0x1000, 0x100000 } };
    struct machine *m = *state;

    m->guest.nr_ram = 2;
    m->guest.ram = ram;
    CODE(m, 0xf3, 0x48, 0xa5); /* rep movsq */
    m->cpu.gpr[RSI] = 0x500000;
    m->cpu.gpr[RDI] = MACHINE_MMIO - 4; /* its second half on the device */
    m->cpu.gpr[RCX] = 3;
    put(m, 0x500000, 0x1111111122222222, 8);
    put(m, 0x500008, 0x3333333344444444, 8);
    put(m, 0x500010, 0x5555555566666666, 8);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(m->cpu.rip, MACHINE_CODE);
        assert_int_equal(machine_run(m), 0);
        assert_int_equal(m->stores, i ? 2 : 1);
        assert_int_equal(m->cpu.gpr[RCX], 2 - i);
        assert_int_equal(m->cpu.gpr[RSI], 0x500008 + 8 * i);
        assert_int_equal(m->cpu.gpr[RDI], MACHINE_MMIO + 4 + 8 * i);
    }
    assert_int_equal(m->cpu.rip, MACHINE_CODE + 3);
    assert_int_equal(get(m, MACHINE_MMIO - 4, 4), 0x22222222);
    assert_int_equal(get(m, MACHINE_MMIO, 8), 0x4444444411111111);
    assert_int_equal(get(m, MACHINE_MMIO + 8, 8), 0x6666666633333333);

    /* Downwards, from the device into RAM, over its lower edge: element by element, then on in RAM alone. */
    CODE(m, 0xf3, 0xa5);
    m->cpu.rip = MACHINE_CODE;
    m->cpu.rflags |= FLAG_DF;
    m->cpu.gpr[RSI] = MACHINE_MMIO;
    m->cpu.gpr[RDI] = 0x510000;
    m->cpu.gpr[RCX] = 2;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->loads, 1);
    assert_int_equal(m->cpu.gpr[RSI], MACHINE_MMIO - 4);
    assert_int_equal(m->cpu.gpr[RDI], 0x50fffc);
    assert_int_equal(get(m, 0x510000, 4), 0x11111111);
    assert_int_equal(machine_run(m), -EOPNOTSUPP); /* RAM to RAM is no access of a device */
}

/* A page fault in the middle of a REP string leaves what was done before, and nothing of the element that faults. */
static void test_rep_faults_in_the_middle(void **state) {
    struct machine *m = *state;
    const unsigned target = 0x600000;

    m->cpu.cr0 |= CR0_PG;
    m->cpu.cr4 = 1 << 5;
    m->cpu.cr3 = 0x10000;
    put(m, 0x10000, 0x11000 | 3, 8);
    put(m, 0x11000, 0x12000 | 3, 8);
    put(m, 0x12000 + 8, 0x200000 | 0x83, 8);        /* code */
    put(m, 0x12000 + 16, MACHINE_MMIO | 0x83, 8);   /* the device */
    put(m, 0x12000 + 24, 0x13000 | 3, 8);           /* 4 KiB pages, the second one absent */
    put(m, 0x13000, target | 3, 8);
    CODE(m, 0xf3, 0xa4); /* rep movsb from the device into RAM */
    m->cpu.gpr[RSI] = MACHINE_MMIO;
    m->cpu.gpr[RDI] = 0x600ffe;
    m->cpu.gpr[RCX] = 4;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(machine_run(m), 0);
        assert_int_equal(m->step.kind, CVM_G_STEP_DONE);
    }
    assert_exception(m, 14, 2);
    assert_int_equal(m->step.data, 0x601000);
    assert_int_equal(m->cpu.gpr[RCX], 2);
    assert_int_equal(m->cpu.gpr[RDI], 0x601000);
    assert_int_equal(m->cpu.gpr[RSI], MACHINE_MMIO + 2);
    assert_int_equal(m->cpu.rip, MACHINE_CODE);
    /* The guest maps it, and the string goes on. */
    put(m, 0x13008, (target + 0x1000) | 3, 8);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->cpu.rip, MACHINE_CODE + 2);
    assert_int_equal(m->cpu.gpr[RCX], 0);
    /* An element over both pages, the second one absent: nothing of it is read from the device. */
    CODE(m, 0x48, 0xa5);
    m->cpu.rip = MACHINE_CODE;
    m->cpu.gpr[RDI] = 0x600ffc;
    put(m, 0x13008, 0, 8);
    assert_exception(m, 14, 2);
    assert_int_equal(m->step.data, 0x601000);
    put(m, 0x13008, (target + 0x1000) | 1, 8); /* read-only, and CR0.WP is clear: ring 0 may write */
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->step.kind, CVM_G_STEP_DONE);
    m->cpu.cr0 |= 1 << 16;
    m->cpu.rip = MACHINE_CODE;
    m->cpu.gpr[RDI] = 0x600ffc;
    m->cpu.gpr[RSI] = MACHINE_MMIO;
    assert_exception(m, 14, 3);
    /* The source faults the same way: string I/O out of a page that is not there. */
    CODE(m, 0xf3, 0x66, 0x6f); /* rep outsw */
    m->access = (struct cvm_g_access){ .kind = CVM_G_PIO, .write = 1, .port = 0x1f0 };
    m->cpu.gpr[RDX] = 0x1f0;
    m->cpu.gpr[RSI] = 0x600ffe;
    m->cpu.gpr[RCX] = 2;
    put(m, 0x13008, 0, 8);
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->stores, 1);
    assert_exception(m, 14, 0);
    assert_int_equal(m->step.data, 0x601000);
    assert_int_equal(m->cpu.gpr[RCX], 1);
    /* And into one: nothing is read from the port before the page is there. */
    CODE(m, 0xf3, 0x66, 0x6d); /* rep insw */
    m->cpu.gpr[RDI] = 0x600fff;
    assert_exception(m, 14, 2);
    assert_int_equal(m->step.data, 0x601000);
}

static void test_outs(void **state) {
    struct machine *m = *state;

    CODE(m, 0xf3, 0x6e); /* rep outsb */
    m->access = (struct cvm_g_access){ .kind = CVM_G_PIO, .write = 1, .port = 0x3f8 };
    m->cpu.gpr[RDX] = 0xabcd03f8;
    m->cpu.gpr[RSI] = 0x500ffe;
    m->cpu.gpr[RCX] = 3;
    put(m, 0x500ffe, 0x434241, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(m->cpu.rip, MACHINE_CODE);
        assert_int_equal(machine_run(m), 0);
        assert_int_equal(m->stores, 1);
        assert_step(&m->trace[0], CVM_G_STEP_STORE, 0x3f8, 1);
        assert_int_equal(m->trace[0].data, 'A' + i);
    }
    assert_int_equal(m->cpu.rip, MACHINE_CODE + 2);
    assert_int_equal(m->cpu.gpr[RSI], 0x501001);
}

static void test_ins(void **state) {
    struct machine *m = *state;

    CODE(m, 0x66, 0x6d); /* insw */
    m->access = (struct cvm_g_access){ .kind = CVM_G_PIO, .port = 0x1f0 };
    m->cpu.gpr[RDX] = 0x1f0;
    m->cpu.gpr[RDI] = 0x500fff;
    m->cpu.rflags |= FLAG_DF;
    assert_int_equal(machine_run(m), 0);
    assert_step(&m->trace[0], CVM_G_STEP_LOAD, 0x1f0, 2);
    assert_int_equal(get(m, 0x500fff, 2), 0xbe01);
    assert_int_equal(m->cpu.gpr[RDI], 0x500ffd);

    m->cpu.rip = MACHINE_CODE;
    m->access.port = 0x1f1; /* not what DX says */
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
    CODE(m, 0x8b, 0x07); /* no port instruction at all */
    m->access.port = 0x1f0;
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
    CODE(m, 0x6c); /* insb as the explanation of an MMIO fault */
    m->access = (struct cvm_g_access){ .kind = CVM_G_MMIO, .gpa = MACHINE_MMIO };
    m->cpu.gpr[RDI] = MACHINE_MMIO;
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
}

/* The string of INS or OUTS may not be MMIO itself: a step is either a port or an address. */
static void test_port_and_mmio(void **state) {
    const struct cvm_ram_range ram[] = { { 0, MACHINE_MMIO } };
    struct machine *m = *state;

    m->guest.nr_ram = 1;
    m->guest.ram = ram;
    m->access = (struct cvm_g_access){ .kind = CVM_G_PIO, .port = 0x3f8 };
    m->cpu.gpr[RDX] = 0x3f8;
    m->cpu.gpr[RSI] = m->cpu.gpr[RDI] = MACHINE_MMIO;
    CODE(m, 0x6e);
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
    CODE(m, 0x6c);
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
}

static void test_refused(void **state) {
    static const struct {
        const char *name;
        unsigned kind;
        uint8_t code[10];
    } refused[] = {
        { "push (%rdi)", CVM_REFUSED_STACK, { 0xff, 0x37 } },
        { "pop (%rdi)", CVM_REFUSED_STACK, { 0x8f, 0x07 } },
        { "call *(%rdi)", CVM_REFUSED_STACK, { 0xff, 0x17 } },
        { "lcall *(%rdi)", CVM_REFUSED_STACK, { 0xff, 0x1f } },
        { "jmp *(%rdi)", CVM_REFUSED_STACK, { 0xff, 0x27 } },
        { "push %rbp, the stack is a device", CVM_REFUSED_STACK, { 0x55 } },
        { "pop %rbp", CVM_REFUSED_STACK, { 0x5d } },
        { "push $1", CVM_REFUSED_STACK, { 0x6a, 0x01 } },
        { "push %fs", CVM_REFUSED_STACK, { 0x0f, 0xa0 } },
        { "call", CVM_REFUSED_STACK, { 0xe8, 0, 0, 0, 0 } },
        { "ret", CVM_REFUSED_STACK, { 0xc3 } },
        { "iretq", CVM_REFUSED_STACK, { 0x48, 0xcf } },
        { "leave", CVM_REFUSED_STACK, { 0xc9 } },
        { "pushf", CVM_REFUSED_STACK, { 0x9c } },
        { "cmpsb", CVM_REFUSED_COMPARE, { 0xa6 } },
        { "repe cmpsq", CVM_REFUSED_COMPARE, { 0xf3, 0x48, 0xa7 } },
        { "scasb", CVM_REFUSED_COMPARE, { 0xae } },
        { "repne scasw", CVM_REFUSED_COMPARE, { 0xf2, 0x66, 0xaf } },
        { "movups (%rdi),%xmm0", CVM_REFUSED_SSE, { 0x0f, 0x10, 0x07 } },
        { "movaps %xmm0,(%rdi)", CVM_REFUSED_SSE, { 0x0f, 0x29, 0x07 } },
        { "movdqa (%rdi),%xmm0", CVM_REFUSED_SSE, { 0x66, 0x0f, 0x6f, 0x07 } },
        { "movntdq %xmm0,(%rdi)", CVM_REFUSED_SSE, { 0x66, 0x0f, 0xe7, 0x07 } },
        { "movntdqa (%rdi),%xmm0", CVM_REFUSED_SSE, { 0x66, 0x0f, 0x38, 0x2a, 0x07 } },
        { "movq (%rdi),%mm0", CVM_REFUSED_SSE, { 0x0f, 0x6f, 0x07 } },
        { "movsd (%rdi),%xmm0", CVM_REFUSED_SSE, { 0xf2, 0x0f, 0x10, 0x07 } },
        { "vmovups (%rdi),%xmm0", CVM_REFUSED_AVX, { 0xc5, 0xf8, 0x10, 0x07 } },
        { "vmovups (%rdi),%ymm0", CVM_REFUSED_AVX, { 0xc5, 0xfc, 0x10, 0x07 } },
        { "vmovdqa %ymm0,(%rdi)", CVM_REFUSED_AVX, { 0xc5, 0xfd, 0x7f, 0x07 } },
        { "vmovntdqa (%rdi),%ymm0", CVM_REFUSED_AVX, { 0xc4, 0xe2, 0x7d, 0x2a, 0x07 } },
        { "vpmaskmovd (%rdi),%xmm1,%xmm0", CVM_REFUSED_AVX, { 0xc4, 0xe2, 0x71, 0x8c, 0x07 } },
        { "vmovdqu64 (%rdi),%zmm0", CVM_REFUSED_AVX, { 0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x07 } },
        { "vmovdqu8 %zmm0,(%rdi){%k1}", CVM_REFUSED_AVX, { 0x62, 0xf1, 0x7f, 0x49, 0x7f, 0x07 } },
        { "vzeroupper", CVM_REFUSED_AVX, { 0xc5, 0xf8, 0x77 } },
        { "fld (%rdi)", CVM_REFUSED_X87, { 0xd9, 0x07 } },
        { "fistpll (%rdi)", CVM_REFUSED_X87, { 0xdf, 0x3f } },
        { "cmpxchg8b (%rdi)", CVM_REFUSED_WIDE, { 0x0f, 0xc7, 0x0f } },
        { "lock cmpxchg16b (%rdi)", CVM_REFUSED_WIDE, { 0xf0, 0x48, 0x0f, 0xc7, 0x0f } },
        { "mov %es,(%rdi)", 0, { 0x8c, 0x07 } },
        { "mul (%rdi)", 0, { 0xf7, 0x27 } },
        { "mov %eax,%ebx", 0, { 0x89, 0xc3 } },
        { "lock mov %eax,(%rdi)", 0, { 0xf0, 0x89, 0x07 } },
        { "lock add (%rdi),%eax", 0, { 0xf0, 0x03, 0x07 } },
        { "lock cmp %eax,(%rdi)", 0, { 0xf0, 0x39, 0x07 } },
        { "ud2", 0, { 0x0f, 0x0b } },
        { "invlpg (%rdi)", 0, { 0x0f, 0x01, 0x3f } },
        { "prefetch (%rdi)", 0, { 0x0f, 0x18, 0x0f } },
        { "fxsave (%rdi)", 0, { 0x0f, 0xae, 0x07 } },
        { "popcnt (%rdi),%eax", 0, { 0xf3, 0x0f, 0xb8, 0x07 } },
        { "btw with no operation", 0, { 0x0f, 0xba, 0x07, 0x01 } },
    };
    struct machine *m = *state;

    for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        m->cpu.gpr[RDI] = m->cpu.gpr[RSI] = MACHINE_MMIO;
        machine_code(m, refused[i].code, sizeof(refused[i].code));
        if (machine_run(m) != -(int)(EOPNOTSUPP | refused[i].kind << 16))
            fail_msg("%s was not refused as kind %u", refused[i].name, refused[i].kind);
        assert_int_equal(m->loads + m->stores, 0);
        assert_int_equal(m->pending.phase, PHASE_IDLE);
    }
    memset(m->memory + MACHINE_CODE, 0x66, 32); /* fifteen prefixes */
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
}

/* Outside 64-bit mode the same first bytes are LES, LDS and BOUND if an operand in memory follows. */
static void test_refused_32(void **state) {
    static const struct {
        unsigned kind;
        uint8_t code[5];
    } refused[] = {
        { CVM_REFUSED_AVX, { 0xc5, 0xf8, 0x10, 0x07 } },
        { CVM_REFUSED_AVX, { 0xc4, 0xe2, 0x7d, 0x2a, 0x07 } },
        { 0, { 0xc5, 0x07 } },
        { 0, { 0xc4, 0x07 } },
        { 0, { 0x62, 0x07 } },
        { CVM_REFUSED_STACK, { 0x60 } },
        { CVM_REFUSED_STACK, { 0x9a, 0, 0, 0, 0 } },
    };
    struct machine *m = *state;

    m->cpu.gpr[RDI] = MACHINE_MMIO;
    for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        machine_code(m, refused[i].code, sizeof(refused[i].code));
        assert_int_equal(machine_run(m), -(int)(EOPNOTSUPP | refused[i].kind << 16));
    }
}

static void test_wrong_access(void **state) {
    struct machine *m = *state;

    CODE(m, 0x8b, 0x07);
    m->cpu.gpr[RDI] = MACHINE_MMIO + 0x1000; /* another page than the one that faulted */
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
    m->access.kind = 3;
    assert_int_equal(machine_run(m), -EINVAL);
    m->access.kind = 0;
    assert_int_equal(machine_run(m), -EINVAL);
    assert_int_equal(step_continue(&m->pending, &m->guest, 0, NULL, &m->step), -EINVAL);
}

/* RootVisor enters an operation again: begin and continue must give the same twice. */
static void test_runs_twice(void **state) {
    struct machine *m = *state;
    struct pending before;
    struct cvm_g_step a, b;

    CODE(m, 0x48, 0x01, 0x07); /* add %rax,(%rdi) */
    m->cpu.gpr[RDI] = MACHINE_MMIO;
    m->cpu.gpr[RAX] = 1;
    assert_int_equal(step_begin(&m->pending, &m->guest, &m->cpu, &m->access, NULL, &a), 0);
    assert_int_equal(step_begin(&m->pending, &m->guest, &m->cpu, &m->access, NULL, &b), 0);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(step_continue(&m->pending, &m->guest, 0xffffffff, NULL, &a), 0);
    assert_step(&a, CVM_G_STEP_LOAD, MACHINE_MMIO + 4, 4);
    before = m->pending;
    assert_int_equal(step_continue(&m->pending, &m->guest, 1, NULL, &a), 0);
    m->pending = before;
    assert_int_equal(step_continue(&m->pending, &m->guest, 1, NULL, &b), 0);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_step(&a, CVM_G_STEP_STORE, MACHINE_MMIO, 4);
    assert_int_equal(a.data, 0);
    assert_int_equal(step_continue(&m->pending, &m->guest, 99, NULL, &a), 0);
    assert_int_equal(a.data, 2);
    assert_int_equal(step_continue(&m->pending, &m->guest, 99, NULL, &a), 0);
    assert_int_equal(a.kind, CVM_G_STEP_DONE);
}

static void test_instruction_across_pages(void **state) {
    struct machine *m = *state;

    m->cpu.rip = MACHINE_CODE + 0xffe;
    memcpy(m->memory + m->cpu.rip, (uint8_t[]){ 0x8b, 0x87, 0x10, 0, 0, 0 }, 6); /* mov 0x10(%rdi),%eax */
    m->cpu.gpr[RDI] = MACHINE_MMIO;
    put(m, MACHINE_MMIO + 0x10, 77, 4);
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->cpu.gpr[RAX], 77);
    assert_int_equal(m->cpu.rip, MACHINE_CODE + 0x1004);
    /* Behind the end of all memory. */
    m->cpu.rip = MACHINE_SIZE - 1;
    m->memory[MACHINE_SIZE - 1] = 0x8b;
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
    m->cpu.rip = MACHINE_SIZE;
    assert_int_equal(machine_run(m), -EOPNOTSUPP);
}

static void test_not_canonical(void **state) {
    struct machine *m = *state;

    CODE(m, 0x8b, 0x07);
    m->cpu.gpr[RDI] = 0x0000800000000000;
    assert_exception(m, 13, 0);
    m->cpu.gpr[RDI] = 0x00007ffffffffffe; /* its end is not */
    assert_exception(m, 13, 0);
    CODE(m, 0x8b, 0x45, 0); /* mov 0(%rbp),%eax */
    m->cpu.gpr[RBP] = 0x0000800000000000;
    assert_exception(m, 12, 0);
}

static void test_fs_gs(void **state) {
    struct machine *m = *state;

    m->cpu.seg_base[SEG_GS] = MACHINE_MMIO;
    m->cpu.seg_base[SEG_DS] = 0x12345; /* without meaning in 64-bit mode */
    CODE(m, 0x65, 0xc6, 0x04, 0x25, 0x20, 0, 0, 0, 0x5a); /* movb $0x5a,%gs:0x20 */
    assert_int_equal(machine_run(m), 0);
    assert_step(&m->trace[0], CVM_G_STEP_STORE, MACHINE_MMIO + 0x20, 1);
    assert_int_equal(m->trace[0].data, 0x5a);
}

/* 32-bit: segments count, addresses wrap at 4 GiB. */
static void test_32_bit(void **state) {
    struct machine *m = *state;

    m->cpu.seg_base[SEG_DS] = 0x1000;
    CODE(m, 0x66, 0xa1, 0x00, 0xf0, 0x3f, 0x00); /* mov 0x3ff000,%ax */
    put(m, MACHINE_MMIO, 0xbeef, 2);
    m->cpu.gpr[RAX] = 0x11112222;
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->cpu.gpr[RAX], 0x1111beef);
    m->cpu.rip = MACHINE_CODE;
    m->cpu.seg_base[SEG_DS] = 0x80000000;
    CODE(m, 0x8b, 0x03); /* mov (%ebx),%eax */
    m->cpu.gpr[RBX] = 0x80000000 + MACHINE_MMIO;
    assert_int_equal(machine_run(m), 0);
    assert_step(&m->trace[0], CVM_G_STEP_LOAD, MACHINE_MMIO, 4);
}

static void test_segment_checks(void **state) {
    struct machine *m = *state;

    CODE(m, 0x8b, 0x03);
    m->cpu.gpr[RBX] = MACHINE_MMIO;
    m->cpu.seg_limit[SEG_DS] = MACHINE_MMIO + 2; /* one byte short */
    assert_exception(m, 13, 0);
    m->cpu.seg_limit[SEG_DS]++;
    assert_int_equal(machine_run(m), 0);
    m->cpu.rip = MACHINE_CODE;
    m->cpu.seg_ar[SEG_DS] |= 1 << 16; /* unusable */
    assert_exception(m, 13, 0);
    m->cpu.seg_ar[SEG_DS] = 0xc091; /* read-only */
    assert_int_equal(machine_run(m), 0);
    m->cpu.rip = MACHINE_CODE;
    CODE(m, 0x89, 0x03);
    assert_exception(m, 13, 0);
    m->cpu.seg_ar[SEG_DS] = 0xc097; /* expand-down: valid above the limit */
    m->cpu.seg_limit[SEG_DS] = MACHINE_MMIO;
    assert_exception(m, 13, 0);
    m->cpu.seg_limit[SEG_DS] = MACHINE_MMIO - 1;
    assert_int_equal(machine_run(m), 0);
    m->cpu.rip = MACHINE_CODE;
    CODE(m, 0x2e, 0x89, 0x03); /* to a code segment */
    assert_exception(m, 13, 0);
    CODE(m, 0x36, 0x89, 0x03);
    m->cpu.seg_limit[SEG_SS] = 0;
    assert_exception(m, 12, 0);
}

static void test_16_bit(void **state) {
    struct machine *m = *state;

    /* Real mode: base = selector << 4. */
    m->cpu.cr0 = 0;
    m->cpu.rip = 0x100;
    m->cpu.seg_base[SEG_CS] = 0x30000;
    m->cpu.seg_base[SEG_ES] = 0xb8000;
    m->access.gpa = 0xb8000;
    memcpy(m->memory + 0x30100, (uint8_t[]){ 0x26, 0x89, 0x41, 0xfe }, 4); /* mov %ax,%es:-2(%bx,%di) */
    m->cpu.gpr[RBX] = 0xdead0010;
    m->cpu.gpr[RDI] = 0xbeef0002;
    m->cpu.gpr[RAX] = 0x0741;
    assert_int_equal(machine_run(m), 0);
    assert_step(&m->trace[0], CVM_G_STEP_STORE, 0xb8010, 2);
    assert_int_equal(m->cpu.rip, 0x104);
    memcpy(m->memory + 0x30104, (uint8_t[]){ 0xf3, 0x66, 0xab }, 3); /* rep stosl */
    m->cpu.gpr[RDI] = 0xffff0000 + 0x20;
    m->cpu.gpr[RCX] = 0xffff0001; /* CX = 1 */
    assert_int_equal(machine_run(m), 0);
    assert_step(&m->trace[0], CVM_G_STEP_STORE, 0xb8020, 4);
    assert_int_equal(m->cpu.gpr[RDI], 0xffff0024);
    assert_int_equal(m->cpu.gpr[RCX], 0xffff0000);
    assert_int_equal(m->cpu.rip, 0x107);
}

int main(void) {
#define T(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_load_4, setup_64),
        T(test_8_bytes, setup_64),
        T(test_crossing_into_ram, setup_64),
        T(test_crossing_into_mmio, setup_64),
        T(test_both_operands_mmio, setup_64),
        T(test_high_mmio, setup_64),
        T(test_read_modify_write, setup_64),
        T(test_rep_one_element_at_a_time, setup_64),
        T(test_rep_over_pages, setup_64),
        T(test_rep_faults_in_the_middle, setup_64),
        T(test_outs, setup_64),
        T(test_ins, setup_64),
        T(test_port_and_mmio, setup_64),
        T(test_refused, setup_64),
        T(test_refused_32, setup_32),
        T(test_wrong_access, setup_64),
        T(test_runs_twice, setup_64),
        T(test_instruction_across_pages, setup_64),
        T(test_not_canonical, setup_64),
        T(test_fs_gs, setup_64),
        T(test_32_bit, setup_32),
        T(test_segment_checks, setup_32),
        T(test_16_bit, setup_16),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
