/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * REP INS and REP OUTS of a protected guest. KVM sees runs in the bounce area; the guest's own buffer gets what the port
 * gave, the port what the buffer held. Then hosts that answer in parts, meanwhile take memory away, or lie.
 */
#include "attacks.h"

static struct vm1 a;

#define BUFFER	0x50000u	/* of the guest, in its page directory's first 4 MiB */
#define FILL	0xee

struct string {
	u8 code[3], length, size;
	bool out;
};
static const struct string strings[] = {
	{ { 0xf3, 0x6c }, 2, 1, false }, { { 0x66, 0xf3, 0x6d }, 3, 2, false }, { { 0xf3, 0x6d }, 2, 4, false },
	{ { 0xf3, 0x6e }, 2, 1, true }, { { 0x66, 0xf3, 0x6f }, 3, 2, true }, { { 0xf3, 0x6f }, 2, 4, true },
};

static void put32(u8 **p, u32 v)
{
	copy(*p, &v, 4);
	*p += 4;
}

/* At FW_CODE: the string with these registers, then EDI + ESI - start + ECX in EAX, and back. */
static void place(const struct string *s, u32 at, u32 count, bool df, bool sti)
{
	extern const u8 fw_start[], fw_exec_done[];
	u8 text[48], *p = text;

	memset(text, 0x90, sizeof(text));
	*p++ = 0xba;			/* mov $port,%edx */
	put32(&p, PORT_STRING);
	*p++ = 0xb9;			/* mov $count,%ecx */
	put32(&p, count);
	*p++ = 0xbf;			/* mov $at,%edi */
	put32(&p, at);
	*p++ = 0xbe;			/* mov $at,%esi */
	put32(&p, at);
	*p++ = df ? 0xfd : 0xfc;
	*p++ = sti ? 0xfb : 0xfa;
	*p++ = 0x90;
	copy(p, s->code, s->length);
	p += s->length;
	*p++ = 0xfa;
	*p++ = 0x8d;			/* lea (%ecx,%edi),%eax */
	*p++ = 0x04;
	*p++ = 0x39;
	*p++ = 0x01;			/* add %esi,%eax */
	*p++ = 0xf0;
	*p++ = 0x2d;			/* sub $at,%eax: what did not move */
	put32(&p, at);
	*p++ = 0xe9;
	put32(&p, (u32)(FW_GPA + (fw_exec_done - fw_start)) - (FW_CODE + (u32)(p - text) + 4));
	for (u32 i = 0; i < sizeof(text); i += 4) {
		u32 word;

		copy(&word, text + i, 4);
		REQUIRE_EQ(CMD(&a, FW_WRITE, FW_CODE + i, word), 0);
	}
}

/* The word that stands in the buffer before. */
static u32 before(u32 i)
{
	return 0x5ec70000u + i * 3;
}

static u8 byte_before(u32 offset)
{
	return (u8)(before(offset / 4) >> 8 * (offset % 4));
}

static u64 io_exits(void)
{
	static struct cvm_stats s;

	REQUIRE_EQ(host_call(CVM_HOST_VM_STATS, a.id, &s, sizeof(s)), 0);
	return s.by_reason[EXIT_IO];
}

static void prepare(u32 from, u32 bytes)
{
	for (u32 i = from / 4; i < (from + bytes + 3) / 4; i++)
		REQUIRE_EQ(CMD(&a, FW_WRITE, BUFFER + 4 * i, before(i)), 0);
	a.string_ins = a.string_outs = 0;
	a.strings = 0;
	if (a.bounce)
		memset(a.bounce, FILL, CVM_BOUNCE_SIZE);
}

/* Where element n of the string lies, from BUFFER on. */
static u32 place_of(u32 offset, u32 size, bool df, u32 n)
{
	return df ? offset - n * size : offset + n * size;
}

/* After the string: EAX, the port's bytes or the buffer's, and what stands around them. */
static void check(const struct string *s, u32 offset, u32 count, bool df)
{
	u32 bytes = count * s->size, lowest = df ? offset + s->size - bytes : offset;

	EXPECT_EQ(a.answer[0], BUFFER + place_of(offset, s->size, df, count));
	EXPECT_EQ(s->out ? a.string_outs : a.string_ins, bytes);
	for (u32 n = 0; s->out && n < bytes; n++)
		EXPECT_EQ(a.string_out[n], byte_before(place_of(offset, s->size, df, n / s->size) + n % s->size));
	for (u32 i = (lowest - 4) / 4; i <= (lowest + bytes) / 4; i++) {
		u32 want = before(i);

		for (u32 n = 0; !s->out && n < bytes; n++) {
			u32 at = place_of(offset, s->size, df, n / s->size) + n % s->size;

			if (at / 4 == i)
				want = (want & ~(0xffu << 8 * (at % 4))) | (u32)string_byte(n) << 8 * (at % 4);
		}
		REQUIRE_EQ(CMD(&a, FW_READ, BUFFER + 4 * i), 0);
		EXPECT_EQ(a.answer[0], want);
	}
}

static void whole(const struct string *s, u32 offset, u32 count, bool df)
{
	u32 bytes = count * s->size, lowest = df ? offset + s->size - bytes : offset;

	place(s, BUFFER + offset, count, df, false);
	prepare(lowest - 4, bytes + 8);
	REQUIRE_EQ(CMD(&a, FW_EXEC), 0);
	check(s, offset, count, df);
}

TEST(string_forms, "string-runs-give-what-the-port-gave")
{
	begin();
	vm1_start_protected(&a);
	for (u32 i = 0; i < ARRAY_SIZE(strings); i++)
		for (u32 df = 0; df < 2; df++) {
			about("form, down", i << 4 | df);
			whole(&strings[i], 0x800, 12, df);
			EXPECT_EQ(a.strings, strings[i].out ? 12 : 1);
			/* over a page's end, with an element on both pages where it has one */
			whole(&strings[i], 0x1000 - (df ? 0 : 3 * strings[i].size) - (strings[i].size > 1), 8, df);
			whole(&strings[i], 0x801, 1, df);
		}
	/* However many elements, the guest exits once. */
	for (u32 i = 0; i < ARRAY_SIZE(strings); i++) {
		u64 exits[2];

		about("exits of form", i);
		for (u32 n = 0; n < 2; n++) {
			place(&strings[i], BUFFER, n ? 200 : 2, false, false);
			prepare(0, 800);
			exits[n] = io_exits();
			REQUIRE_EQ(CMD(&a, FW_EXEC), 0);
			exits[n] = io_exits() - exits[n];
		}
		EXPECT_EQ(exits[1], exits[0]);
	}
	about("count", 0);
	place(&strings[1], BUFFER, 0, false, false);
	a.strings = 0;
	REQUIRE_EQ(CMD(&a, FW_EXEC), 0);
	EXPECT_EQ(a.answer[0], BUFFER);
	EXPECT_EQ(a.strings, 0);
	expect_running(&a);
}

/* What L1 sees of a run: these registers, its bytes, and nothing else. */
static void see(struct vm1 *vm, u32 reason)
{
	bool out = !(vmread(VMCS_EXIT_QUALIFICATION) & BIT(3));

	if (reason != EXIT_IO || !(vmread(VMCS_EXIT_QUALIFICATION) & BIT(4)))
		return;
	for (u32 r = 0; r < 16; r++)
		if (r != RCX && r != RDX && r != RDI && r != RSI && r != RSP)
			EXPECT_EQ(vm->g.regs[r], 0);
	EXPECT_EQ(vm->g.regs[RDX], PORT_STRING);
	EXPECT_EQ(vm->g.regs[RDI], CVM_BOUNCE_GPA);
	EXPECT_EQ(vm->g.regs[RSI], CVM_BOUNCE_GPA + vm->string_outs);
	EXPECT_EQ(out && vm->string_ins, 0);
	for (u32 i = 0; vm->bounce && i < CVM_BOUNCE_SIZE; i++) {
		u8 want = !out || i >= CVM_RUN_MAX ? FILL : i < 12 ? byte_before(0x100 + i) : 0;

		if (vm->bounce[i] != want)
			EXPECT_EQ((u64)i << 8 | vm->bounce[i], (u64)i << 8 | want);
	}
}

TEST(string_sees, "attack-P3-only-the-run-shows")
{
	begin();
	vm1_start_protected(&a);
	whole(&strings[0], 0x100, 12, false);		/* maps the bounce area */
	for (u32 i = 0; i < ARRAY_SIZE(strings); i++) {
		about("form", i);
		a.at_exit = see;
		whole(&strings[i], 0x100, 12 / strings[i].size, false);
		a.at_exit = NULL;
	}
	expect_running(&a);
}

/* Each time that a run was shown, one of these happens before L1 goes on. */
static enum { SEAL_BUFFER, SEAL_AND_UNMAP_BUFFER, UNMAP_BOUNCE, NOTHING_DONE, INTERRUPT } meanwhile;
static u32 times;

static void disturb(struct vm1 *vm, u32 reason)
{
	u32 gfn = BUFFER >> 12;

	if (reason != EXIT_IO || !(vmread(VMCS_EXIT_QUALIFICATION) & BIT(4)) || !vm->bounce)
		return;
	times++;
	switch (meanwhile) {
	case SEAL_BUFFER:
		(void)frame_has(vm1_frame(vm, gfn), WORD);
		break;
	case SEAL_AND_UNMAP_BUFFER:
		(void)frame_has(vm1_frame(vm, gfn), WORD);
		ept_map(vm->g.ept, BUFFER, 0, 0);
		break;
	case UNMAP_BOUNCE:
		ept_map(vm->g.ept, CVM_BOUNCE_GPA, 0, 0);
		break;
	case NOTHING_DONE:		/* the instruction runs again */
		vm->no_string = times % 3;
		break;
	case INTERRUPT:
		if (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF)
			vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | 33);
		break;
	}
}

TEST(string_disturbed, "string-runs-survive-the-host")
{
	static const u32 most[] = { 0, 1, 5 };
	u64 all[2] = { 0 };

	begin();
	vm1_start_protected(&a);
	whole(&strings[0], 0x100, 3, false);
	for (u32 i = 0; i < ARRAY_SIZE(strings); i++)
		for (u32 m = 0; m < ARRAY_SIZE(most); m++)
			for (meanwhile = SEAL_BUFFER; meanwhile <= NOTHING_DONE; meanwhile++) {
				u32 n = 24 / strings[i].size;

				about("form, elements at once, what happens", i << 8 | most[m] << 4 | meanwhile);
				place(&strings[i], BUFFER + 0x100, n, i & 1, false);
				prepare(0xc0, 0x80);
				times = 0;
				a.string_most = most[m];
				a.at_exit = disturb;
				REQUIRE_EQ(CMD(&a, FW_EXEC), 0);
				a.at_exit = NULL;
				a.no_string = false;
				a.string_most = 0;
				invept(2, all);
				EXPECT(times >= (most[m] ? n / most[m] - 1 : 1));	/* the last may be one by itself */
				check(&strings[i], 0x100, n, i & 1);
			}
	expect_running(&a);
}

TEST(string_interrupted, "string-runs-end-for-an-interrupt")
{
	begin();
	vm1_start_protected(&a);
	whole(&strings[0], 0x100, 3, false);
	for (u32 i = 0; i < ARRAY_SIZE(strings); i++) {
		u32 n = 24 / strings[i].size, had;

		about("form", i);
		REQUIRE_EQ(CMD(&a, FW_COUNT, 33), 0);
		had = a.answer[0];
		place(&strings[i], BUFFER + 0x100, n, false, true);
		prepare(0xc0, 0x80);
		meanwhile = INTERRUPT;
		times = 0;
		a.string_most = 2;
		a.at_exit = disturb;
		REQUIRE_EQ(CMD(&a, FW_EXEC), 0);
		a.at_exit = NULL;
		a.string_most = 0;
		check(&strings[i], 0x100, n, false);
		REQUIRE_EQ(CMD(&a, FW_COUNT, 33), 0);
		EXPECT_EQ(a.answer[0], had + times);
		EXPECT(times >= n / 2);
	}
	expect_running(&a);
}

static u64 lie_rcx, lie_rip;

static void lie(struct vm1 *vm, u32 reason)
{
	if (reason != EXIT_IO || !(vmread(VMCS_EXIT_QUALIFICATION) & BIT(4)))
		return;
	vm->no_string = true;		/* goes on with these, nothing is served */
	vm->g.regs[RCX] = lie_rcx;
	vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + lie_rip);
}

/* A host that says that more is left than there was, or moves RIP into the string's middle. */
TEST(string_lies, "attack-P3-host-lies-about-a-run")
{
	static const struct { u64 rcx, rip, reason; } bad[] = {
		{ 13, 0, CVM_R_DECODE }, { 0xffffffff, 0, CVM_R_DECODE }, { 1024, 0, CVM_R_DECODE },
		{ 5, 1, CVM_R_BAD_RESUME }, { 0, 0x10, CVM_R_BAD_RESUME }, { 12, 0x100, CVM_R_BAD_RESUME },
	};

	begin();
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		for (u32 s = i % 3; s < ARRAY_SIZE(strings); s += 3) {	/* an INS and an OUTS */
			about("lie", i);
			vm1_start_protected(&a);
			whole(&strings[s], 0x100, 3, false);
			place(&strings[s], BUFFER + 0x100, 12, false, false);
			a.at_exit = lie;
			lie_rcx = bad[i].rcx;
			lie_rip = bad[i].rip;
			expect_stopped(&a, CMD(&a, FW_EXEC), bad[i].reason);
			vm1_destroy(&a);
		}
}

/* Bounce memory that is not the host's to give: never read, never written. */
TEST(string_frames, "attack-P1-bounce-area-in-private-memory")
{
	u64 all[2] = { 0 };
	u32 r;

	begin();
	for (u32 s = 0; s < ARRAY_SIZE(strings); s++) {
		vm1_start_protected(&a);
		whole(&strings[s], 0x100, 3, false);
		REQUIRE_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
		place(&strings[s], BUFFER + 0x100, 12, false, false);
		vm1_select(&a);
		ept_map(a.g.ept, CVM_BOUNCE_GPA, a.hpa[DATA >> 12], EPT_LEAF);
		invept(2, all);
		a.no_bounce = true;		/* L1 will not mend it */
		r = CMD(&a, FW_EXEC);
		EXPECT_EQ(r, EXIT_EPT_VIOLATION);
		EXPECT_EQ(vmread(VMCS_GUEST_PHYSICAL_ADDRESS), CVM_BOUNCE_GPA);
		expect_running(&a);
		a.no_bounce = false;		/* now it does; the instruction is done as if nothing had been */
		EXPECT_EQ(vm1_run(&a), AT_COMMAND);
		EXPECT_EQ(a.answer[0], BUFFER + 0x100 + 12 * strings[s].size);
		REQUIRE_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
		EXPECT_EQ(a.answer[0], 0);
		expect_running(&a);
		vm1_destroy(&a);
	}
}
