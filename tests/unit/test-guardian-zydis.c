/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Guardian's instruction parser against Zydis, in three modes, over random prefixes,
 * opcodes and operands: whatever the parser accepts Zydis must read in the same way, and
 * every encoding that Zydis takes for a claimed instruction with a memory operand must be accepted.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>

#include "decode/insn.h"

#define ROUNDS 3000000

static uint64_t random64(void) {
    static uint64_t x = 0x13198a2e03707344;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x * 0x2545f4914f6cdd1d;
}

static unsigned pick(unsigned n) {
    return (random64() >> 33) % n;
}

/* Register number of the encoding, NO_REG if none. */
static unsigned number(ZydisRegister r) {
    return r == ZYDIS_REGISTER_NONE ? NO_REG : (unsigned)ZydisRegisterGetId(r);
}

static int segment_of(ZydisRegister r) {
    switch (r) {
    case ZYDIS_REGISTER_ES: return SEG_ES;
    case ZYDIS_REGISTER_CS: return SEG_CS;
    case ZYDIS_REGISTER_SS: return SEG_SS;
    case ZYDIS_REGISTER_DS: return SEG_DS;
    case ZYDIS_REGISTER_FS: return SEG_FS;
    case ZYDIS_REGISTER_GS: return SEG_GS;
    default: return -1;
    }
}

static bool claimed(const ZydisDecodedInstruction *z) {
    if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return false;
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_MOV: return z->opcode != 0x8c && z->opcode != 0x8e; /* not segment registers */
    case ZYDIS_MNEMONIC_TEST:
        return z->opcode == 0x84 || z->opcode == 0x85 || z->raw.modrm.reg == 0; /* /1 is undocumented */
    case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_OR: case ZYDIS_MNEMONIC_ADC: case ZYDIS_MNEMONIC_SBB:
    case ZYDIS_MNEMONIC_AND: case ZYDIS_MNEMONIC_SUB: case ZYDIS_MNEMONIC_XOR: case ZYDIS_MNEMONIC_CMP:
        return z->opcode != 0x82; /* an alias that nobody assembles */
    case ZYDIS_MNEMONIC_MOVZX: case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVNTI:
    case ZYDIS_MNEMONIC_XCHG: case ZYDIS_MNEMONIC_CMPXCHG: case ZYDIS_MNEMONIC_XADD:
    case ZYDIS_MNEMONIC_INC: case ZYDIS_MNEMONIC_DEC: case ZYDIS_MNEMONIC_NOT: case ZYDIS_MNEMONIC_NEG:
    case ZYDIS_MNEMONIC_BT: case ZYDIS_MNEMONIC_BTS: case ZYDIS_MNEMONIC_BTR: case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_MOVSB: case ZYDIS_MNEMONIC_MOVSW: case ZYDIS_MNEMONIC_MOVSQ:
    case ZYDIS_MNEMONIC_STOSB: case ZYDIS_MNEMONIC_STOSW: case ZYDIS_MNEMONIC_STOSD: case ZYDIS_MNEMONIC_STOSQ:
    case ZYDIS_MNEMONIC_LODSB: case ZYDIS_MNEMONIC_LODSW: case ZYDIS_MNEMONIC_LODSD: case ZYDIS_MNEMONIC_LODSQ:
    case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW: case ZYDIS_MNEMONIC_INSD:
    case ZYDIS_MNEMONIC_OUTSB: case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD:
        return true;
    case ZYDIS_MNEMONIC_MOVSD: return z->opcode == 0xa5; /* not the SSE one */
    case ZYDIS_MNEMONIC_MOVSXD: return z->operand_width != 16;
    default: return false;
    }
}

static enum insn_op op_of(const ZydisDecodedInstruction *z) {
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_MOVNTI: return OP_MOV;
    case ZYDIS_MNEMONIC_MOVZX: return OP_MOVZX;
    case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVSXD: return OP_MOVSX;
    case ZYDIS_MNEMONIC_TEST: return OP_TEST;
    case ZYDIS_MNEMONIC_XCHG: return OP_XCHG;
    case ZYDIS_MNEMONIC_CMPXCHG: return OP_CMPXCHG;
    case ZYDIS_MNEMONIC_XADD: return OP_XADD;
    case ZYDIS_MNEMONIC_INC: return OP_INC;
    case ZYDIS_MNEMONIC_DEC: return OP_DEC;
    case ZYDIS_MNEMONIC_NOT: return OP_NOT;
    case ZYDIS_MNEMONIC_NEG: return OP_NEG;
    case ZYDIS_MNEMONIC_BT: return OP_BT;
    case ZYDIS_MNEMONIC_BTS: return OP_BTS;
    case ZYDIS_MNEMONIC_BTR: return OP_BTR;
    case ZYDIS_MNEMONIC_BTC: return OP_BTC;
    default: break;
    }
    switch (z->opcode) {
    case 0xa4: case 0xa5: return OP_MOVS;
    case 0xaa: case 0xab: return OP_STOS;
    case 0xac: case 0xad: return OP_LODS;
    case 0x6c: case 0x6d: return OP_INS;
    case 0x6e: case 0x6f: return OP_OUTS;
    default: return OP_ALU;
    }
}

static enum alu_op alu_of(ZydisMnemonic m) {
    switch (m) {
    case ZYDIS_MNEMONIC_ADD: return ALU_ADD;
    case ZYDIS_MNEMONIC_OR: return ALU_OR;
    case ZYDIS_MNEMONIC_ADC: return ALU_ADC;
    case ZYDIS_MNEMONIC_SBB: return ALU_SBB;
    case ZYDIS_MNEMONIC_AND: return ALU_AND;
    case ZYDIS_MNEMONIC_SUB: return ALU_SUB;
    case ZYDIS_MNEMONIC_XOR: return ALU_XOR;
    default: return ALU_CMP;
    }
}

/* What a refusal must name, -1: anything. */
static int kind_of(const ZydisDecodedInstruction *z) {
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX || z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX)
        return CVM_REFUSED_AVX;
    if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || z->attributes & ZYDIS_ATTRIB_HAS_LOCK)
        return -1;
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_CMPSB: case ZYDIS_MNEMONIC_CMPSW: case ZYDIS_MNEMONIC_CMPSQ:
    case ZYDIS_MNEMONIC_SCASB: case ZYDIS_MNEMONIC_SCASW: case ZYDIS_MNEMONIC_SCASD: case ZYDIS_MNEMONIC_SCASQ:
        return CVM_REFUSED_COMPARE;
    case ZYDIS_MNEMONIC_CMPXCHG8B: case ZYDIS_MNEMONIC_CMPXCHG16B:
        return CVM_REFUSED_WIDE;
    default: break;
    }
    switch (z->meta.category) {
    case ZYDIS_CATEGORY_PUSH: case ZYDIS_CATEGORY_POP: case ZYDIS_CATEGORY_CALL: case ZYDIS_CATEGORY_RET:
        return CVM_REFUSED_STACK;
    case ZYDIS_CATEGORY_X87_ALU:
        return z->opcode >= 0xd8 && z->opcode <= 0xdf ? CVM_REFUSED_X87 : -1;
    case ZYDIS_CATEGORY_STRINGOP:
        return z->opcode == 0xa7 ? CVM_REFUSED_COMPARE : -1;
    case ZYDIS_CATEGORY_DATAXFER: case ZYDIS_CATEGORY_LOGICAL_FP: case ZYDIS_CATEGORY_LOGICAL:
        break;
    default:
        return -1;
    }
    switch (z->meta.isa_ext) {
    case ZYDIS_ISA_EXT_MMX: case ZYDIS_ISA_EXT_SSE: case ZYDIS_ISA_EXT_SSE2: case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSE4:
        return z->mnemonic == ZYDIS_MNEMONIC_MOVNTI ? -1 : CVM_REFUSED_SSE;
    default:
        return -1;
    }
}

struct sample {
    uint8_t bytes[INSN_MAX];
    enum cpu_mode mode;
    bool accepted;
    struct insn in;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
};

static void fail_with(const struct sample *s, const char *what) {
    print_error("mode %u:", s->mode * 8);
    for (unsigned i = 0; i < INSN_MAX; i++)
        print_error(" %02x", s->bytes[i]);
    print_error(" (%s)\n", ZydisMnemonicGetString(s->z.mnemonic));
    fail_msg("%s", what);
}

#define CHECK(s, cond)                                                                                                 \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            fail_with(s, #cond);                                                                                       \
    } while (0)

/* The memory operand that an instruction other than a string operation has. */
static void compare_memory(const struct sample *s, const ZydisDecodedOperand *m) {
    const struct insn *in = &s->in;
    bool rip = m->mem.base == ZYDIS_REGISTER_RIP || m->mem.base == ZYDIS_REGISTER_EIP;
    uint64_t mask = in->address_size == 8 ? UINT64_MAX : (1ull << 8 * in->address_size) - 1;

    CHECK(s, in->rip_relative == rip);
    /* Zydis 4.0 names R13 where mod = 0 and REX.B extends SIB.base = 101b: the CPU takes no base
     * (SDM vol. 2, table 2-5; test-guardian-native.c tries it). */
    if (s->z.raw.modrm.mod == 0 && s->z.raw.modrm.rm == 4 && s->z.raw.sib.base == 5 && s->z.raw.rex.B) {
        CHECK(s, in->base == NO_REG);
        return;
    }
    CHECK(s, in->base == (rip ? NO_REG : number(m->mem.base)));
    CHECK(s, in->index == number(m->mem.index));
    if (in->index != NO_REG)
        CHECK(s, 1u << in->scale == (m->mem.scale ? m->mem.scale : 1u));
    CHECK(s, (in->disp & mask) == ((m->mem.disp.has_displacement ? (uint64_t)m->mem.disp.value : 0) & mask));
    /* In 64-bit mode the four classic segments are one. */
    if (s->mode != MODE_64 || in->segment >= SEG_FS || segment_of(m->mem.segment) >= SEG_FS)
        CHECK(s, in->segment == segment_of(m->mem.segment));
    CHECK(s, in->memory_size * 8 == m->size);
}

static void compare_string(const struct sample *s) {
    const struct insn *in = &s->in;

    for (unsigned i = 0; i < s->z.operand_count; i++) {
        const ZydisDecodedOperand *o = &s->o[i];

        if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        CHECK(s, o->size == in->memory_size * 8);
        if (number(o->mem.base) == 6 && (s->mode != MODE_64 || segment_of(o->mem.segment) >= SEG_FS))
            CHECK(s, in->segment == segment_of(o->mem.segment));
    }
    CHECK(s, in->rep == !!(s->z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)));
}

static void compare_other_operand(const struct sample *s, const ZydisDecodedOperand *m) {
    const struct insn *in = &s->in;
    const ZydisDecodedOperand *other = m == &s->o[0] ? &s->o[1] : &s->o[0];

    if (in->op == OP_INC || in->op == OP_DEC || in->op == OP_NOT || in->op == OP_NEG) {
        CHECK(s, s->z.operand_count_visible == 1);
        return;
    }
    CHECK(s, s->z.operand_count_visible == 2);
    if (other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        uint64_t mask = in->size == 8 ? UINT64_MAX : (1ull << 8 * in->size) - 1;

        CHECK(s, in->has_imm);
        CHECK(s, (in->imm & mask) == (other->imm.value.u & mask) || (in->op >= OP_BT && in->op <= OP_BTC &&
                                                                   (in->imm & 0xff) == (other->imm.value.u & 0xff)));
        return;
    }
    CHECK(s, !in->has_imm);
    CHECK(s, other->type == ZYDIS_OPERAND_TYPE_REGISTER);
    CHECK(s, ZydisRegisterGetWidth(s->z.machine_mode, other->reg.value) == in->size * 8);
    if (other->reg.value >= ZYDIS_REGISTER_AH && other->reg.value <= ZYDIS_REGISTER_BH)
        CHECK(s, !in->rex && in->reg == 4u + (other->reg.value - ZYDIS_REGISTER_AH));
    else if (other->reg.value >= ZYDIS_REGISTER_SPL && other->reg.value <= ZYDIS_REGISTER_DIL)
        CHECK(s, in->rex && in->reg == 4u + (other->reg.value - ZYDIS_REGISTER_SPL));
    else if (in->size == 1 && other->reg.value >= ZYDIS_REGISTER_R8B)
        CHECK(s, in->rex && in->reg == 8u + (other->reg.value - ZYDIS_REGISTER_R8B));
    else if (in->size == 1)
        CHECK(s, in->reg == (unsigned)(other->reg.value - ZYDIS_REGISTER_AL));
    else
        CHECK(s, in->reg == number(other->reg.value));
    if (in->op != OP_XCHG && in->op != OP_TEST) /* symmetric */
        CHECK(s, in->to_memory == (m == &s->o[0]));
}

static unsigned named[CVM_REFUSED_MAX];

static void compare(struct sample *s, const ZydisDecoder *decoder) {
    bool valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, s->bytes, INSN_MAX, &s->z, s->o));
    const ZydisDecodedOperand *memory = NULL;

    if (!valid) {
        CHECK(s, !s->accepted);
        return;
    }
    for (unsigned i = 0; i < s->z.operand_count && !memory; i++)
        if (s->o[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            memory = &s->o[i];
    CHECK(s, s->accepted == (memory && claimed(&s->z)));
    if (!s->accepted) {
        if (memory && kind_of(&s->z) >= 0) {
            CHECK(s, s->in.refused == kind_of(&s->z));
            named[s->in.refused]++;
        }
        return;
    }
    CHECK(s, s->in.length == s->z.length);
    CHECK(s, s->in.op == op_of(&s->z));
    CHECK(s, s->in.address_size * 8 == s->z.address_width);
    if (s->in.op == OP_ALU)
        CHECK(s, s->in.alu == alu_of(s->z.mnemonic));
    if (insn_is_string(&s->in)) {
        compare_string(s);
        return;
    }
    compare_memory(s, memory);
    compare_other_operand(s, memory);
}

/* Prefixes and opcodes likelier than chance, operands random. */
static void make(struct sample *s) {
    static const uint8_t prefix[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };
    unsigned n = 0;

    for (unsigned i = 0; i < INSN_MAX; i++)
        s->bytes[i] = random64();
    while (pick(2) && n < 4)
        s->bytes[n++] = prefix[pick(sizeof(prefix))];
    if (pick(2))
        s->bytes[n++] = 0x40 | pick(16);
    if (pick(8) == 0)
        s->bytes[n++] = prefix[pick(sizeof(prefix))];
    if (pick(3) == 0)
        s->bytes[n++] = 0x0f;
    n++; /* the opcode */
    if (pick(2))
        s->bytes[n] &= 0xbf; /* less often two registers */
}

static void against_zydis(enum cpu_mode mode, ZydisMachineMode machine, ZydisStackWidth stack) {
    ZydisDecoder decoder;
    unsigned accepted = 0;

    memset(named, 0, sizeof(named));
    assert_true(ZYAN_SUCCESS(ZydisDecoderInit(&decoder, machine, stack)));
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct sample s = { .mode = mode };

        make(&s);
        s.accepted = insn_parse(s.bytes, INSN_MAX, mode, &s.in) == 0;
        accepted += s.accepted;
        compare(&s, &decoder);
        /* Every cut is told from the whole, and from nonsense. */
        if (s.accepted) {
            struct insn cut;

            CHECK(&s, insn_parse(s.bytes, pick(s.in.length), mode, &cut) == -ENODATA);
        }
    }
    print_message("%u of %u encodings were the parser's\n", accepted, ROUNDS);
    assert_true(accepted > ROUNDS / 20);
    for (unsigned kind = 1; kind < CVM_REFUSED_MAX; kind++)
        assert_true(named[kind] > 10 || (kind == CVM_REFUSED_AVX && mode == MODE_16));
}

static void test_64(void **state) {
    (void)state;
    against_zydis(MODE_64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

static void test_32(void **state) {
    (void)state;
    against_zydis(MODE_32, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
}

static void test_16(void **state) {
    (void)state;
    against_zydis(MODE_16, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_64),
        cmocka_unit_test(test_32),
        cmocka_unit_test(test_16),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
