/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every instruction that the stepper knows, executed by this very CPU and by the stepper, with
 * the same random registers, flags and memory: all must be the same afterwards.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "decode-fixture.h"

#define DATA_SIZE 0x4000u
#define ROUNDS 400

/* Registers in, registers out; used by the assembly below. */
__attribute__((visibility("hidden"))) uint64_t native_gpr[16], native_flags, native_stack, native_code;
void native_run(void);

asm(".text\n"
    "native_run:\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  mov %rsp, native_stack(%rip)\n"
    "  pushq native_flags(%rip)\n"
    "  popfq\n"
    "  mov native_gpr(%rip), %rax\n"
    "  mov native_gpr+8(%rip), %rcx\n"
    "  mov native_gpr+16(%rip), %rdx\n"
    "  mov native_gpr+24(%rip), %rbx\n"
    "  mov native_gpr+40(%rip), %rbp\n"
    "  mov native_gpr+48(%rip), %rsi\n"
    "  mov native_gpr+56(%rip), %rdi\n"
    "  mov native_gpr+64(%rip), %r8\n"
    "  mov native_gpr+72(%rip), %r9\n"
    "  mov native_gpr+80(%rip), %r10\n"
    "  mov native_gpr+88(%rip), %r11\n"
    "  mov native_gpr+96(%rip), %r12\n"
    "  mov native_gpr+104(%rip), %r13\n"
    "  mov native_gpr+112(%rip), %r14\n"
    "  mov native_gpr+120(%rip), %r15\n"
    "  jmp *native_code(%rip)\n"
    "native_return:\n"
    "  mov %rax, native_gpr(%rip)\n"
    "  mov %rcx, native_gpr+8(%rip)\n"
    "  mov %rdx, native_gpr+16(%rip)\n"
    "  mov %rbx, native_gpr+24(%rip)\n"
    "  mov %rsp, native_gpr+32(%rip)\n"
    "  mov %rbp, native_gpr+40(%rip)\n"
    "  mov %rsi, native_gpr+48(%rip)\n"
    "  mov %rdi, native_gpr+56(%rip)\n"
    "  mov %r8, native_gpr+64(%rip)\n"
    "  mov %r9, native_gpr+72(%rip)\n"
    "  mov %r10, native_gpr+80(%rip)\n"
    "  mov %r11, native_gpr+88(%rip)\n"
    "  mov %r12, native_gpr+96(%rip)\n"
    "  mov %r13, native_gpr+104(%rip)\n"
    "  mov %r14, native_gpr+112(%rip)\n"
    "  mov %r15, native_gpr+120(%rip)\n"
    "  pushfq\n"
    "  popq native_flags(%rip)\n"
    "  cld\n"
    "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "  ret\n");
extern const char native_return[];

#define LOGIC_UNDEFINED FLAG_AF
#define BIT_UNDEFINED (FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF)
#define STATUS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF | FLAG_DF)

enum form { MODRM, STRING, MOFFS };
struct opcode {
    const char *name;
    uint8_t bytes[2], n; /* opcode */
    int group;           /* ModRM.reg, -1: any register */
    uint8_t imm;         /* 0, 1: one byte, 4: by operand size */
    enum form form;
    bool may_lock, no_16;
    uint64_t undefined; /* flags */
};

static const struct opcode opcodes[] = {
#define ALU(name, base, undef)                                                                                         \
    { name " Eb,Gb", { base }, 1, -1, 0, MODRM, base != 0x38, false, undef },                                          \
        { name " Ev,Gv", { base + 1 }, 1, -1, 0, MODRM, base != 0x38, false, undef },                                  \
        { name " Gb,Eb", { base + 2 }, 1, -1, 0, MODRM, false, false, undef },                                         \
        { name " Gv,Ev", { base + 3 }, 1, -1, 0, MODRM, false, false, undef },                                         \
        { name " Eb,Ib", { 0x80 }, 1, base >> 3, 1, MODRM, base != 0x38, false, undef },                               \
        { name " Ev,Iz", { 0x81 }, 1, base >> 3, 4, MODRM, base != 0x38, false, undef },                               \
    {                                                                                                                  \
        name " Ev,Ib", { 0x83 }, 1, base >> 3, 1, MODRM, base != 0x38, false, undef                                    \
    }
    ALU("add", 0x00, 0), ALU("or", 0x08, LOGIC_UNDEFINED), ALU("adc", 0x10, 0), ALU("sbb", 0x18, 0),
    ALU("and", 0x20, LOGIC_UNDEFINED), ALU("sub", 0x28, 0), ALU("xor", 0x30, LOGIC_UNDEFINED), ALU("cmp", 0x38, 0),
    { "mov Eb,Gb", { 0x88 }, 1, -1, 0, MODRM },
    { "mov Ev,Gv", { 0x89 }, 1, -1, 0, MODRM },
    { "mov Gb,Eb", { 0x8a }, 1, -1, 0, MODRM },
    { "mov Gv,Ev", { 0x8b }, 1, -1, 0, MODRM },
    { "mov Eb,Ib", { 0xc6 }, 1, 0, 1, MODRM },
    { "mov Ev,Iz", { 0xc7 }, 1, 0, 4, MODRM },
    { "mov AL,Ob", { 0xa0 }, 1, -1, 0, MOFFS },
    { "mov rAX,Ov", { 0xa1 }, 1, -1, 0, MOFFS },
    { "mov Ob,AL", { 0xa2 }, 1, -1, 0, MOFFS },
    { "mov Ov,rAX", { 0xa3 }, 1, -1, 0, MOFFS },
    { "movzx Gv,Eb", { 0x0f, 0xb6 }, 2, -1, 0, MODRM },
    { "movzx Gv,Ew", { 0x0f, 0xb7 }, 2, -1, 0, MODRM },
    { "movsx Gv,Eb", { 0x0f, 0xbe }, 2, -1, 0, MODRM },
    { "movsx Gv,Ew", { 0x0f, 0xbf }, 2, -1, 0, MODRM },
    { "movsxd Gv,Ed", { 0x63 }, 1, -1, 0, MODRM, .no_16 = true },
    { "movnti", { 0x0f, 0xc3 }, 2, -1, 0, MODRM, .no_16 = true },
    { "test Eb,Gb", { 0x84 }, 1, -1, 0, MODRM, .undefined = LOGIC_UNDEFINED },
    { "test Ev,Gv", { 0x85 }, 1, -1, 0, MODRM, .undefined = LOGIC_UNDEFINED },
    { "test Eb,Ib", { 0xf6 }, 1, 0, 1, MODRM, .undefined = LOGIC_UNDEFINED },
    { "test Ev,Iz", { 0xf7 }, 1, 0, 4, MODRM, .undefined = LOGIC_UNDEFINED },
    { "xchg Eb,Gb", { 0x86 }, 1, -1, 0, MODRM, true },
    { "xchg Ev,Gv", { 0x87 }, 1, -1, 0, MODRM, true },
    { "cmpxchg Eb,Gb", { 0x0f, 0xb0 }, 2, -1, 0, MODRM, true },
    { "cmpxchg Ev,Gv", { 0x0f, 0xb1 }, 2, -1, 0, MODRM, true },
    { "xadd Eb,Gb", { 0x0f, 0xc0 }, 2, -1, 0, MODRM, true },
    { "xadd Ev,Gv", { 0x0f, 0xc1 }, 2, -1, 0, MODRM, true },
    { "inc Eb", { 0xfe }, 1, 0, 0, MODRM, true },
    { "dec Eb", { 0xfe }, 1, 1, 0, MODRM, true },
    { "inc Ev", { 0xff }, 1, 0, 0, MODRM, true },
    { "dec Ev", { 0xff }, 1, 1, 0, MODRM, true },
    { "not Eb", { 0xf6 }, 1, 2, 0, MODRM, true },
    { "neg Eb", { 0xf6 }, 1, 3, 0, MODRM, true },
    { "not Ev", { 0xf7 }, 1, 2, 0, MODRM, true },
    { "neg Ev", { 0xf7 }, 1, 3, 0, MODRM, true },
    { "bt Ev,Gv", { 0x0f, 0xa3 }, 2, -1, 0, MODRM, .undefined = BIT_UNDEFINED },
    { "bts Ev,Gv", { 0x0f, 0xab }, 2, -1, 0, MODRM, true, .undefined = BIT_UNDEFINED },
    { "btr Ev,Gv", { 0x0f, 0xb3 }, 2, -1, 0, MODRM, true, .undefined = BIT_UNDEFINED },
    { "btc Ev,Gv", { 0x0f, 0xbb }, 2, -1, 0, MODRM, true, .undefined = BIT_UNDEFINED },
    { "bt Ev,Ib", { 0x0f, 0xba }, 2, 4, 1, MODRM, .undefined = BIT_UNDEFINED },
    { "bts Ev,Ib", { 0x0f, 0xba }, 2, 5, 1, MODRM, true, .undefined = BIT_UNDEFINED },
    { "btr Ev,Ib", { 0x0f, 0xba }, 2, 6, 1, MODRM, true, .undefined = BIT_UNDEFINED },
    { "btc Ev,Ib", { 0x0f, 0xba }, 2, 7, 1, MODRM, true, .undefined = BIT_UNDEFINED },
    { "movsb", { 0xa4 }, 1, -1, 0, STRING },
    { "movsv", { 0xa5 }, 1, -1, 0, STRING },
    { "stosb", { 0xaa }, 1, -1, 0, STRING },
    { "stosv", { 0xab }, 1, -1, 0, STRING },
    { "lodsb", { 0xac }, 1, -1, 0, STRING },
    { "lodsv", { 0xad }, 1, -1, 0, STRING },
};
#define OPCODES (sizeof(opcodes) / sizeof(opcodes[0]))

static uint64_t random64(void) {
    static uint64_t x = 0x243f6a8885a308d3;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x * 0x2545f4914f6cdd1d;
}

static unsigned pick(unsigned n) {
    return random64() >> 33 & 0x7fffffff ? (unsigned)((random64() >> 33) % n) : 0;
}

struct built {
    uint8_t code[32];
    unsigned n;
    unsigned size; /* operand, bytes */
    uint8_t reg;
    bool bit_string;
};

static void put(struct built *b, uint64_t v, unsigned n) {
    memcpy(b->code + b->n, &v, n);
    b->n += n;
}

/* The address goes to a place in the middle of the data, so that what surrounds it is data too. */
static uint64_t target(void) {
    /* Now and then across the end of the page. */
    return MACHINE_MMIO + (pick(4) ? pick(0xff0) : 0xff8 + pick(8));
}

/* ModRM, SIB, displacement and registers for a random addressing form. */
static void address(struct machine *m, struct built *b, const struct opcode *o, uint64_t at, uint8_t *rex) {
    uint8_t reg = o->group >= 0 ? o->group : b->reg & 7;
    unsigned base, index, scale;
    int64_t disp;

    if (b->reg & 8 && o->group < 0)
        *rex |= 0x44;
    switch (pick(5)) {
    case 0: /* RIP-relative; the displacement is fixed up when the length is known */
        b->code[b->n++] = reg << 3 | 5;
        put(b, 0, 4);
        break;
    case 1: /* [disp32] by SIB without base and index, whatever REX.B says */
        *rex |= pick(2) ? 0x41 : 0;
        b->code[b->n++] = reg << 3 | 4;
        b->code[b->n++] = 0x25;
        put(b, at, 4);
        break;
    case 2: /* [base + disp8] */
        base = (const uint8_t[]){ RBX, RDI, R10, R13, RBP }[pick(5)];
        disp = (int8_t)random64();
        m->cpu.gpr[base] = at - disp;
        *rex |= base & 8 ? 0x41 : 0;
        b->code[b->n++] = 0x40 | reg << 3 | (base & 7);
        put(b, disp, 1);
        break;
    case 3: /* [base], no displacement */
        base = (const uint8_t[]){ RBX, RSI, R9, R15 }[pick(4)];
        m->cpu.gpr[base] = at;
        *rex |= base & 8 ? 0x41 : 0;
        b->code[b->n++] = reg << 3 | (base & 7);
        break;
    default: /* [base + index * scale + disp32] */
        base = (const uint8_t[]){ RBX, R12, RBP, R13 }[pick(4)];
        index = (const uint8_t[]){ RSI, RDI, R12, R9 }[pick(4)];
        if (index == base)
            index = RSI;
        scale = pick(4);
        disp = (int32_t)random64();
        m->cpu.gpr[index] = random64();
        m->cpu.gpr[base] = at - disp - (m->cpu.gpr[index] << scale);
        *rex |= (base & 8 ? 0x41 : 0) | (index & 8 ? 0x42 : 0);
        b->code[b->n++] = 0x80 | reg << 3 | 4;
        b->code[b->n++] = scale << 6 | (index & 7) << 3 | (base & 7);
        put(b, disp, 4);
    }
}

static void build(struct machine *m, const struct opcode *o, struct built *b) {
    uint64_t at = target();
    uint8_t tail[32], rex = 0;
    bool word, rexw = pick(3) == 0, a32 = o->form != MODRM && pick(4) == 0;
    unsigned body, fix = 0;

    *b = (struct built){ 0 };
    do
        b->reg = pick(16);
    while (b->reg == RSP);
    word = !o->no_16 && pick(4) == 0;
    if (o->bytes[o->n - 1] & 1 || o->no_16 || (o->n == 2 && (o->bytes[1] & 0xf7) == 0xb6))
        b->size = rexw ? 8 : word ? 2 : 4;
    else
        b->size = 1;
    if (o->bytes[0] == 0x0f && (o->bytes[1] == 0xba || (o->bytes[1] & 0xe7) == 0xa3))
        b->size = rexw ? 8 : word ? 2 : 4;
    if (o->n == 1 && o->bytes[0] == 0x63)
        b->size = rexw ? 8 : word ? 2 : 4;
    rex = rexw ? 0x48 : pick(4) == 0 ? 0x40 : 0;
    if (b->size == 1 && (b->reg & 15) >= 4 && b->reg < 8 && b->reg != 5 && rex == 0)
        b->reg = pick(2) ? 5 : 7; /* CH, BH */

    for (unsigned i = 0; i < 16; i++)
        m->cpu.gpr[i] = random64();
    if (o->form == STRING) {
        m->cpu.gpr[RSI] = pick(2) ? MACHINE_MMIO + 0x100 + pick(0x800) : MACHINE_MMIO + 0x1100 + pick(0x800);
        m->cpu.gpr[RDI] = m->cpu.gpr[RSI] < MACHINE_MMIO + 0x1000 ? MACHINE_MMIO + 0x2100 + pick(0x800)
                                                                  : MACHINE_MMIO + 0x100 + pick(0x800);
        if (o->bytes[0] >= 0xaa && o->bytes[0] <= 0xab)
            m->cpu.gpr[RDI] = MACHINE_MMIO + 0x100 + pick(0x800);
        if (o->bytes[0] >= 0xac)
            m->cpu.gpr[RSI] = MACHINE_MMIO + 0x100 + pick(0x800);
        if (pick(2)) {
            b->code[b->n++] = pick(2) ? 0xf3 : 0xf2;
            m->cpu.gpr[RCX] = 1 + pick(20);
        }
    }
    if (word)
        b->code[b->n++] = 0x66;
    if (a32)
        b->code[b->n++] = 0x67;
    if (o->may_lock && pick(3) == 0)
        b->code[b->n++] = 0xf0;
    body = b->n;
    memcpy(b->code + b->n, o->bytes, o->n);
    b->n += o->n;
    if (o->form == MODRM) {
        unsigned before = b->n;

        if (o->n == 2 && (o->bytes[1] & 0xe7) == 0xa3 && o->group < 0) {
            /* The register selects a bit within 128 bits around. */
            m->cpu.gpr[b->reg] = (random64() << 32) | (uint32_t)((int)pick(128) - 64);
            if (b->size == 2)
                m->cpu.gpr[b->reg] = (random64() << 16) | (uint16_t)((int)pick(128) - 64);
            if (b->size == 8)
                m->cpu.gpr[b->reg] = (int64_t)pick(128) - 64;
            at = MACHINE_MMIO + 0x100 + pick(0x800);
            b->bit_string = true;
        }
        address(m, b, o, at, &rex);
        if (b->code[before] >> 6 == 0 && (b->code[before] & 7) == 5)
            fix = before + 1;
    } else if (o->form == MOFFS) {
        put(b, at, a32 ? 4 : 8);
    }
    if (o->imm)
        put(b, random64(), o->imm == 1 ? 1 : b->size < 4 ? b->size : 4);
    if (rex) { /* between prefixes and opcode */
        memcpy(tail, b->code + body, b->n - body);
        memcpy(b->code + body + 1, tail, b->n - body);
        b->code[body] = rex;
        b->n++;
        fix += fix ? 1 : 0;
    }
    if (fix) {
        int32_t disp = at - (MACHINE_CODE + b->n);

        memcpy(b->code + fix, &disp, 4);
    }
}

static void run_native(const struct machine *m, const struct built *b, uint8_t *code, uint8_t *data) {
    uint64_t back = (uint64_t)(uintptr_t)native_return;

    memcpy(code, b->code, b->n);
    memcpy(code + b->n, (uint8_t[]){ 0xff, 0x25, 0, 0, 0, 0 }, 6); /* jmp *0(%rip) */
    memcpy(code + b->n + 6, &back, 8);
    memcpy(data - 0x1000, m->memory + MACHINE_MMIO - 0x1000, DATA_SIZE + 0x1000);
    memcpy(native_gpr, m->cpu.gpr, sizeof(native_gpr));
    native_flags = 0x202 | (m->cpu.rflags & STATUS);
    native_code = MACHINE_CODE;
    native_run();
}

static void fail_with(const struct opcode *o, const struct built *b, const char *what) {
    print_error("%s:", o->name);
    for (unsigned i = 0; i < b->n; i++)
        print_error(" %02x", b->code[i]);
    fail_msg(": %s differs", what);
}

static void compare_once(struct machine *m, const struct opcode *o, uint8_t *code, uint8_t *data) {
    struct built b;
    struct insn in;
    unsigned elements = 0;
    int r;

    build(m, o, &b);
    if (insn_parse(b.code, b.n, MODE_64, &in) || in.length != b.n)
        fail_with(o, &b, "length");
    /* A register that holds an address cannot also be a bit offset. */
    if (b.bit_string && (in.base == in.reg || in.index == in.reg))
        return;
    for (unsigned i = 0; i < DATA_SIZE + 0x1000; i++)
        m->memory[MACHINE_MMIO - 0x1000 + i] = random64();
    if (o->n == 2 && (o->bytes[1] & 0xfe) == 0xb0 && pick(2)) {
        /* Let half of the comparisons succeed. */
        struct cvm_g_cpu c = m->cpu;
        uint64_t off = guest_offset(&c, &in);

        if (in.base != RAX && in.index != RAX)
            memcpy(&m->cpu.gpr[RAX], m->memory + off, b.size);
    }
    m->cpu.rflags = 2 | (random64() & STATUS);
    m->cpu.rip = MACHINE_CODE;
    machine_code(m, b.code, b.n);
    run_native(m, &b, code, data);
    m->cpu.gpr[RSP] = native_gpr[RSP];
    m->access.gpa = MACHINE_MMIO;
    if (b.bit_string || o->form == MODRM)
        m->access.gpa = guest_offset(&m->cpu, &in);
    do {
        r = machine_run(m);
        if (r || m->step.kind != CVM_G_STEP_DONE)
            fail_with(o, &b, "outcome");
    } while (m->cpu.rip == MACHINE_CODE && ++elements < 64);
    if (m->cpu.rip != MACHINE_CODE + b.n)
        fail_with(o, &b, "RIP");
    if (memcmp(m->cpu.gpr, native_gpr, sizeof(native_gpr)))
        fail_with(o, &b, "a register");
    if ((m->cpu.rflags ^ native_flags) & STATUS & ~o->undefined)
        fail_with(o, &b, "RFLAGS");
    if (memcmp(m->memory + MACHINE_MMIO - 0x1000, data - 0x1000, DATA_SIZE + 0x1000))
        fail_with(o, &b, "memory");
}

static void test_against_cpu(void **state) {
    struct machine *m = machine_new(MODE_64);
    uint8_t *low = mmap((void *)MACHINE_CODE, MACHINE_MMIO + DATA_SIZE - MACHINE_CODE, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    (void)state;
    assert_ptr_equal(low, (void *)MACHINE_CODE);
    for (unsigned i = 0; i < OPCODES; i++)
        for (unsigned n = 0; n < ROUNDS; n++)
            compare_once(m, &opcodes[i], low, low + (MACHINE_MMIO - MACHINE_CODE));
    munmap(low, MACHINE_MMIO + DATA_SIZE - MACHINE_CODE);
    machine_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_against_cpu) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
