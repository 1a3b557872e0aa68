/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A protected guest against its Guardian: instructions that touch a device, good, odd and random. Each is done,
 * faults in the guest, or stops that VM with DECODE; RootVisor and another VM go on.
 */
#include "attacks.h"

static struct vm1 a, b;
static u32 done, faulted, stopped, timed_out, elsewhere;
static u64 mark;

static void fresh(void)
{
	u64 all[2] = { 0 };

	arena_release(mark);
	invept(2, all);
	vm1_start_protected(&a);
	a.end_at_interrupt = true;
	a.mmio_value = 0x9080;
}

/* Runs up to 15 bytes of code in the guest. The exit that ended it, 0: it came back. */
static u32 run(const u8 *code, u32 n)
{
	u32 r;

	vm1_place(&a, code, n);
	APIC(0x3e0) = 0xb;		/* divide by 1 */
	APIC(0x320) = 0x60;
	APIC(0x380) = 400000;		/* an endless loop ends here */
	r = CMD(&a, FW_EXEC);
	APIC(0x380) = 0;
	return r;
}

static void judge(u32 r)
{
	if (r == 0) {
		faulted += a.answer[0] == 0xfa17;
		done += a.answer[0] != 0xfa17;
		return;
	}
	if (r == EXIT_EXT_INTR) {
		timed_out++;		/* the guest loops: its own business */
		expect_running(&a);
	} else if (r == EXIT_EPT_VIOLATION) {
		elsewhere++;		/* a device that L1 does not have, shown by a decoy */
		EXPECT(vmread(VMCS_GUEST_PHYSICAL_ADDRESS) >= VM_BYTES);
		EXPECT(vmread(VMCS_GUEST_RIP) >= CVM_DECOY_GPA);
		expect_running(&a);
	} else {
		stopped++;
		u32 reason = vm1_info(&a).reason;

		EXPECT_EQ(r, EXIT_TRIPLE_FAULT);
		EXPECT(reason == CVM_R_DECODE || reason == CVM_R_TRIPLE_FAULT);
	}
	vm1_destroy(&a);
	fresh();
}

static void prepare(void)
{
	begin();
	done = faulted = stopped = timed_out = elsewhere = 0;
	APIC(0xf0) = 0x1ff;
	vm1_start_protected(&b);
	EXPECT_EQ(CMD(&b, FW_FILL, DATA, WORDS, WORD), 0);
	mark = arena_mark();
	fresh();
}

static void finish(void)
{
	about(NULL, 0);
	say("(%u done, %u faulted, %u stopped, %u looped, %u elsewhere)\n", done, faulted, stopped, timed_out, elsewhere);
	EXPECT_EQ(CMD(&b, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(b.answer[0], 0);
	expect_running(&b);
}

/* What drivers do: it must work, with the datum of the device. */
TEST(good, "guest-code-mmio-forms")
{
	static const struct { u8 n, code[8]; u32 eax; } good[] = {
		{ 2, { 0x8b, 0x03 }, 0x9080 },			/* mov eax, [ebx] */
		{ 2, { 0x8a, 0x03 }, 0x11223380 },		/* mov al, [ebx] */
		{ 3, { 0x66, 0x8b, 0x03 }, 0x11229080 },	/* mov ax, [ebx] */
		{ 3, { 0x0f, 0xb6, 0x03 }, 0x80 },		/* movzx eax, byte [ebx] */
		{ 3, { 0x0f, 0xb7, 0x03 }, 0x9080 },		/* movzx eax, word [ebx] */
		{ 3, { 0x0f, 0xbe, 0x03 }, 0xffffff80 },	/* movsx eax, byte [ebx] */
		{ 3, { 0x8b, 0x43, 0x04 }, 0x9080 },		/* mov eax, [ebx + 4] */
		{ 5, { 0xa1, 0x00, 0x01, 0x00, 0xd0 }, 0x9080 },	/* mov eax, [moffs] */
		{ 4, { 0x8b, 0x44, 0x0b, 0x02 }, 0x9080 },	/* mov eax, [ebx + ecx + 2] */
		{ 2, { 0x23, 0x03 }, 0x1000 },			/* and eax, [ebx] */
	};

	prepare();
	for (u32 i = 0; i < ARRAY_SIZE(good); i++) {
		about("form", i);
		a.mmio_value = 0x9080;
		EXPECT_EQ(run(good[i].code, good[i].n), 0);
		EXPECT_EQ(a.answer[0], good[i].eax);
	}
	/* stores */
	static const struct { u8 n, code[8]; u32 value; } store[] = {
		{ 2, { 0x89, 0x03 }, 0x11223344 }, { 2, { 0x88, 0x03 }, 0x44 }, { 3, { 0x66, 0x89, 0x03 }, 0x3344 },
		{ 6, { 0xc7, 0x03, 0xef, 0xbe, 0xad, 0xde }, 0xdeadbeef }, { 3, { 0xc6, 0x03, 0x7f }, 0x7f },
		{ 1, { 0xab }, 0x11223344 } };			/* stosd */

	for (u32 i = 0; i < ARRAY_SIZE(store); i++) {
		about("store", i);
		EXPECT_EQ(run(store[i].code, store[i].n), 0);
		EXPECT_EQ(a.mmio_value, store[i].value);
	}
	finish();
}

TEST(odd, "guest-code-odd-instructions")
{
	static const struct { u8 n, code[11]; u32 kind; } odd[] = {
		{ 2, { 0xdd, 0x03 }, CVM_REFUSED_X87 },		/* fld qword [ebx] */
		{ 3, { 0x0f, 0x10, 0x03 }, CVM_REFUSED_SSE },	/* movups xmm0, [ebx] */
		{ 4, { 0xf3, 0x0f, 0x6f, 0x03 }, CVM_REFUSED_SSE },		/* movdqu */
		{ 4, { 0xf0, 0x0f, 0xc7, 0x0b }, CVM_REFUSED_WIDE },	/* lock cmpxchg8b */
		{ 4, { 0xf0, 0x0f, 0xb1, 0x0b } },		/* lock cmpxchg */
		{ 2, { 0xff, 0x13 }, CVM_REFUSED_STACK },		/* call [ebx] */
		{ 2, { 0xff, 0x23 }, CVM_REFUSED_STACK },		/* jmp [ebx] */
		{ 2, { 0xff, 0x33 }, CVM_REFUSED_STACK },		/* push [ebx] */
		{ 2, { 0x8f, 0x03 }, CVM_REFUSED_STACK },		/* pop [ebx] */
		{ 3, { 0x89, 0xdc, 0x50 }, CVM_REFUSED_STACK },	/* mov esp, ebx; push eax */
		{ 3, { 0x0f, 0x01, 0x13 } },			/* lgdt [ebx] */
		{ 3, { 0x0f, 0x00, 0x13 } },			/* lldt [ebx] */
		{ 2, { 0x8e, 0x03 } },				/* mov es, [ebx] */
		{ 2, { 0xc5, 0x03 } },				/* lds */
		{ 2, { 0x62, 0x03 } },				/* bound */
		{ 3, { 0x0f, 0xae, 0x03 } },			/* fxsave */
		{ 3, { 0x0f, 0xae, 0x0b } },			/* fxrstor */
		{ 2, { 0xf3, 0xa5 } },				/* rep movsd, device to device */
		{ 2, { 0xf2, 0xae }, CVM_REFUSED_COMPARE },	/* repne scasb */
		{ 1, { 0xa6 }, CVM_REFUSED_COMPARE },		/* cmpsb */
		{ 2, { 0xd7 } },				/* xlat */
		{ 3, { 0xf0, 0x8b, 0x03 } },			/* lock mov: #UD */
		{ 6, { 0x8b, 0x83, 0xfe, 0x0e, 0x00, 0x00 } },	/* across a page */
		{ 11, { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x8b, 0x03 } },
		{ 6, { 0x65, 0x64, 0x2e, 0x36, 0x8b, 0x03 } },	/* many segment prefixes */
		{ 2, { 0x0f, 0xff } }, { 1, { 0xf1 } }, { 1, { 0xf4 } }, { 1, { 0xcc } }, { 2, { 0xcd, 0x30 } },
	};

	prepare();
	for (u32 i = 0; i < ARRAY_SIZE(odd); i++) {
		u64 from = event_mark();
		const struct cvm_event *e;

		about("instruction", i);
		judge(run(odd[i].code, odd[i].n));
		e = event_find(from, CVM_EV_VM_STOPPED, CVM_R_DECODE);
		EXPECT(e || !odd[i].kind);
		if (e)
			EXPECT_EQ(e->arg[0] >> 16, odd[i].kind);
	}
	finish();
	EXPECT(stopped > 0 && done + faulted > 0);
}

/* With AVX switched on: a vector register is no operand for the host to see. */
TEST(avx, "guest-code-avx")
{
	static const u8 code[][4] = { { 0xc5, 0xf8, 0x10, 0x03 }, { 0xc5, 0xfc, 0x11, 0x03 }, { 0xc5, 0xfd, 0x6f, 0x03 } };

	prepare();
	for (u32 i = 0; i < ARRAY_SIZE(code); i++) {
		u64 from = event_mark();
		const struct cvm_event *e;

		about("instruction", i);
		REQUIRE_EQ(CMD(&a, FW_AVX), 0);
		if (a.answer[0] == 2)
			SKIP_TEST("no AVX");
		a.mmio_gpa = 0;
		judge(run(code[i], 4));
		e = event_find(from, CVM_EV_VM_STOPPED, CVM_R_DECODE);
		EXPECT(e != NULL);
		if (e)
			EXPECT_EQ(e->arg[0] >> 16, CVM_REFUSED_AVX);
		EXPECT_EQ(a.mmio_gpa, 0);
	}
	finish();
}

TEST(chance, "guest-code-random-instructions")
{
	static const u8 prefix[] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x64, 0x2e };
	u64 x = 0x243f6a8885a308d3ull;

	prepare();
	for (u32 i = 0; i < 150; i++) {
		u8 code[15];
		u32 n = 0;

		for (u32 j = 0; j < 2; j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
		}
		if (x >> 60 < 5)
			code[n++] = prefix[x >> 57 & 7];
		if (x >> 52 & 1)
			code[n++] = 0x0f;
		code[n++] = (u8)x;
		code[n++] = (u8)(x >> 8 & 0x38) | (x >> 50 & 1 ? 3 : 6 + (x >> 49 & 1));	/* [ebx], [esi], [edi] */
		for (u32 j = 0; j < 5; j++)
			code[n++] = (u8)(x >> (16 + 5 * j));
		about("instruction", (u64)code[0] << 24 | (u64)code[1] << 16 | (u64)code[2] << 8 | code[3]);
		judge(run(code, n));
	}
	finish();
	EXPECT(done + faulted > 20);
}
