/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Guardian's image in ring 0, freestanding, under its own page tables: every operation once,
 * with the faults that RootVisor serves. Prints "ok"/"not ok" lines, and as "NAME hex" what the
 * caller checks with other implementations. Physical memory stands for what the EPT maps; the
 * guest window, behind all memory, is one 1 GiB page over GUEST_MEMORY.
 */
#include <stdbool.h>

#include "cvm/guardian.h"

#define EPERM	1
#define ENOENT	2
#define EINVAL	22
#define ENOSYS	38
#define EBADMSG	74

#define PAGE		4096u
#define GUEST_MEMORY	0x80000000ull
#define WINDOW_ENTRY	(GUEST_MEMORY | 0xe3 | 1ull << 63)
#define FW_PART		(4 * CVM_MEASURE_CHUNK)	/* four chunks: hashed at once */
#define FW_SIZE		(FW_PART + CVM_MEASURE_CHUNK + PAGE + 100)
#define CMDLINE_GPA	0x100000u
#define CMDLINE_SIZE	11u
#define ROOTVISOR_SIZE	70001u

int64_t enter(uint64_t op, struct cvm_g_mailbox *mb, uint64_t entry, uint64_t stack, uint64_t cr3);
extern const uint8_t handlers[];
extern uint32_t multiboot_info[], vector;
extern uint64_t fault_rip, leaked, leaked_vector[2];
void main(void);
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

static const uint8_t *module;
static uint64_t module_size;
static struct cvm_g_mailbox *const mb = (void *)CVM_G_MAILBOX;
static const struct cvm_g_header *const header = (void *)CVM_G_IMAGE;
static uint64_t *window;		/* the PDPT entry of the guest window */
static struct cvm_report report;
static uint64_t idt[64];

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	asm volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return 1;
	return 0;
}

static void outb(uint16_t port, uint8_t v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static void print(const char *s)
{
	while (*s)
		outb(0xe9, (uint8_t)*s++);
}

static void print_hex(const void *buf, size_t n)
{
	const uint8_t *p = buf;

	for (; n; n--, p++) {
		outb(0xe9, (uint8_t)"0123456789abcdef"[*p >> 4]);
		outb(0xe9, (uint8_t)"0123456789abcdef"[*p & 15]);
	}
}

static void print_number(uint64_t v)
{
	if (v > 9)
		print_number(v / 10);
	outb(0xe9, (uint8_t)('0' + v % 10));
}

static void show(const char *name, const void *buf, size_t n)
{
	print(name);
	print(" ");
	print_hex(buf, n);
	print("\n");
}

static void count(const char *name, uint64_t v)
{
	print("COUNT ");
	print(name);
	print(" ");
	print_number(v);
	print("\n");
}

static void check(const char *name, bool good)
{
	print(good ? "ok " : "not ok ");
	print(name);
	print("\n");
}

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static uint32_t cpu7_ebx(void)
{
	uint32_t eax = 7, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static void load_idt(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) p = { sizeof(idt) - 1, (uint64_t)idt };

	for (unsigned i = 0; i < 20; i++) {
		uint64_t a = (uint64_t)handlers + i * 32;

		idt[2 * i] = (a & 0xffff) | 8 << 16 | 0x8eull << 40 | (a >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = a >> 32;
	}
	asm volatile("lidt %0" : : "m"(p));
}

/* As RootVisor lays a Guardian out. */
static void load_image(void)
{
	uint64_t *pml4;

	memset((void *)CVM_G_IMAGE, 0, CVM_G_IMAGE_MAX);
	memcpy((void *)CVM_G_IMAGE, module, module_size);
	memset(mb, 0, PAGE);
	pml4 = (uint64_t *)header->page_table;
	window = (uint64_t *)(pml4[CVM_G_GUEST >> 39] & 0xffffffffff000ull);
	*window = WINDOW_ENTRY;
	wrmsr(0xc0000100, header->fs_base);
}

static bool is_vmcall(void)
{
	return vector == 6 && !memcmp((const void *)fault_rip, "\x0f\x01\xc1", 3);
}

/* One operation that must end by VMCALL, with nothing but RAX in registers. */
static int64_t call(uint32_t op)
{
	int64_t r;

	mb->abi_version = CVM_ABI_VERSION;
	mb->op = op;
	r = enter(op, mb, header->entry, header->stack_top, header->page_table);
	if (!is_vmcall()) {
		print("not ok the Guardian faulted: vector ");
		print_number(vector);
		print(", RIP ");
		print_hex(&fault_rip, 8);
		print("\n");
		return -1000;
	}
	if (leaked || leaked_vector[0] || leaked_vector[1])
		print("not ok registers are clear after an operation\n");
	return r;
}

static uint8_t *guest(uint64_t gpa)
{
	return (uint8_t *)GUEST_MEMORY + gpa;
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i + seed) * 167 + (i >> 8) * 13);
}

static void test_header(void)
{
	check("header: magic and sizes", header->magic == CVM_G_MAGIC && header->image_size == module_size &&
	      header->abi_version == CVM_ABI_VERSION && header->memory_size % PAGE == 0 &&
	      header->text_size + header->rodata_size <= header->memory_size &&
	      header->memory_size <= CVM_G_IMAGE_MAX);
}

static void test_launch(void)
{
	struct cvm_g_measure part = { .kind = CVM_COMP_FIRMWARE, .gpa = CVM_FW_GPA, .size = FW_PART, .total = FW_SIZE,
				      .first = 1 };
	uint64_t t;
	int64_t r;

	check("nothing before INIT", call(CVM_G_SEAL) == -EPERM && call(CVM_G_SIGN) == -EPERM);
	check("unknown operation", call(99) == -ENOSYS);
	mb->init = (struct cvm_g_init){ .vm_id = 3, .max_gfn = 1023, .nr_ram = 1, .ram = { { 0, 0x400000 } },
					.cpu7_ebx = cpu7_ebx() };
	t = rdtsc();
	r = call(CVM_G_INIT);
	count("init", rdtsc() - t);
	check("INIT", r == 0);
	check("INIT once", call(CVM_G_INIT) == -EPERM);
	check("a VM is no Quoter", call(CVM_G_QUOTER_INIT) == -EPERM);

	fill(guest(CVM_FW_GPA), FW_SIZE, 1);
	mb->measure = part;
	*window = 0;			/* not there yet: RootVisor brings it and enters again */
	enter(CVM_G_MEASURE, mb, header->entry, header->stack_top, header->page_table);
	check("MEASURE: a guest page is missing", vector == 14);
	*window = WINDOW_ENTRY;
	t = rdtsc();
	r = call(CVM_G_MEASURE);
	count("measure-256-KiB", rdtsc() - t);
	check("MEASURE: again", r == 0);
	part.gpa += FW_PART;
	part.size = FW_SIZE - FW_PART;
	part.first = 0;
	part.last = 1;
	mb->measure = part;
	check("MEASURE: last part", call(CVM_G_MEASURE) == 0);
	fill(guest(CMDLINE_GPA), PAGE, 2);
	mb->measure = (struct cvm_g_measure){ .index = 1, .kind = CVM_COMP_CMDLINE, .gpa = CMDLINE_GPA,
					      .size = CMDLINE_SIZE, .total = CMDLINE_SIZE, .first = 1, .last = 1 };
	check("MEASURE: a short component", call(CVM_G_MEASURE) == 0);
	check("LAUNCH", call(CVM_G_LAUNCH) == 0);
	show("FIRMWARE", guest(CVM_FW_GPA), FW_SIZE);
	show("CMDLINE", guest(CMDLINE_GPA), CMDLINE_SIZE);
	show("LAUNCH", mb->launch.digest, sizeof(mb->launch.digest));
}

static int64_t page_call(uint32_t op, uint64_t gfn, uint32_t slot)
{
	mb->page = (struct cvm_g_page){ .gfn = gfn, .slot = slot };
	return call(op);
}

static void test_seal(void)
{
	static uint8_t want[PAGE], sealed[PAGE];
	uint8_t *slot = (uint8_t *)CVM_G_SLOTS + 2 * PAGE;
	uint64_t t;
	int64_t r;

	fill(want, PAGE, 7);
	memcpy(slot, want, PAGE);
	check("UNSEAL: never sealed", page_call(CVM_G_UNSEAL, 1023, 2) == -ENOENT);
	t = rdtsc();
	r = page_call(CVM_G_SEAL, 1023, 2);
	count("seal", rdtsc() - t);
	check("SEAL", r == 0);
	check("SEAL: ciphertext", memcmp(slot, want, PAGE) != 0);
	memcpy(sealed, slot, PAGE);
	check("SEAL: not twice", page_call(CVM_G_SEAL, 1023, 2) == -EINVAL);
	slot[100] ^= 1;
	check("UNSEAL: tampered", page_call(CVM_G_UNSEAL, 1023, 2) == -EBADMSG);
	memcpy(slot, sealed, PAGE);
	t = rdtsc();
	r = page_call(CVM_G_UNSEAL, 1023, 2);
	count("unseal", rdtsc() - t);
	check("UNSEAL", r == 0 && !memcmp(slot, want, PAGE));
	memcpy(slot, sealed, PAGE);
	check("UNSEAL: replayed", page_call(CVM_G_UNSEAL, 1023, 2) == -ENOENT);
	check("SEAL: behind the last gfn", page_call(CVM_G_SEAL, 1024, 2) == -EINVAL);
}

static void test_decode(void)
{
	struct cvm_g_cpu cpu = { .gpr = { [0] = 0x1122334455667788, [7] = 0xfee00010 }, .rip = 0x1000, .rflags = 2,
				 .cr0 = 1, .efer = 1 << 10,
				 .seg_ar = { 0xc093, 0xa09b, 0xc093, 0xc093, 0xc093, 0xc093 } };
	uint64_t t;
	int64_t r;

	memcpy(guest(0x1000), "\x48\x89\x07", 3);	/* mov %rax,(%rdi) */
	mb->cpu = cpu;
	mb->access = (struct cvm_g_access){ .kind = CVM_G_MMIO, .write = 1, .gpa = 0xfee00010, .vcpu = 5 };
	t = rdtsc();
	r = call(CVM_G_DECODE);
	count("decode", rdtsc() - t);
	check("DECODE: first half", r == 0 && mb->step.kind == CVM_G_STEP_STORE &&
	      mb->step.size == 4 && mb->step.gpa == 0xfee00010 && mb->step.data == 0x55667788);
	check("CONTINUE: second half", call(CVM_G_CONTINUE) == 0 && mb->step.kind == CVM_G_STEP_STORE &&
	      mb->step.gpa == 0xfee00014 && mb->step.data == 0x11223344);
	check("CONTINUE: done", call(CVM_G_CONTINUE) == 0 && mb->step.kind == CVM_G_STEP_DONE &&
	      mb->cpu.rip == 0x1003);
	check("CONTINUE: nothing under way", call(CVM_G_CONTINUE) == -EINVAL);
}

static void test_report(void)
{
	mb->extend = (struct cvm_rtmr_extend){ .index = 1, .digest = { 1, 2, 3 } };
	check("EXTEND", call(CVM_G_EXTEND) == 0);
	memset(&mb->report, 0, sizeof(mb->report));
	fill(mb->report.user_data, sizeof(mb->report.user_data), 9);
	uint64_t t = rdtsc();
	int64_t r = call(CVM_G_REPORT);

	count("report", rdtsc() - t);
	check("REPORT", r == 0);
	report = mb->report;
	report.vm_id = 3;
}

/* The stack lies right behind what is read-only, and was zero. */
static void test_stack(void)
{
	const uint64_t *p = (const uint64_t *)(CVM_G_IMAGE + header->text_size + header->rodata_size);
	uint64_t size = header->stack_top - (uint64_t)p, used;

	while (!*p)
		p++;
	used = header->stack_top - (uint64_t)p;
	count("stack_bytes", used);
	check("at most half of the stack is used", used <= size / 2);
}

static void test_quoter(void)
{
	uint64_t t;
	int64_t r;

	load_image();
	fill((uint8_t *)CVM_G_ROOTVISOR, ROOTVISOR_SIZE, 11);
	memcpy((void *)CVM_G_PRISTINE, module, module_size);
	mb->quoter = (struct cvm_g_quoter){ .rootvisor_size = ROOTVISOR_SIZE, .guardian_size = module_size };
	t = rdtsc();
	r = call(CVM_G_QUOTER_INIT);
	count("quoter_init", rdtsc() - t);
	check("QUOTER_INIT", r == 0);
	show("KEY", mb->quoter.key, 65);
	show("GUARDIAN", mb->quoter.guardian_digest, 48);
	memcpy(report.rootvisor_digest, mb->quoter.rootvisor_digest, 48);
	memcpy(report.guardian_digest, mb->quoter.guardian_digest, 48);
	check("the Quoter is no VM", call(CVM_G_SEAL) == -EPERM);
	mb->report = report;
	t = rdtsc();
	r = call(CVM_G_SIGN);
	count("sign", rdtsc() - t);
	check("SIGN", r == 0);
	show("REPORT", &mb->report, sizeof(mb->report));
	mb->report.launch_digest[0] ^= 1;
	check("SIGN: altered", call(CVM_G_SIGN) == -EINVAL);
}

void main(void)
{
	const uint32_t *info = (const uint32_t *)(uint64_t)multiboot_info[0];
	const uint32_t *mod = (const uint32_t *)(uint64_t)info[6];

	load_idt();
	module = (const uint8_t *)(uint64_t)mod[0];
	module_size = mod[1] - mod[0];
	load_image();
	test_header();
	test_launch();
	test_seal();
	test_decode();
	test_report();
	test_stack();
	test_quoter();
	test_stack();
	print("END\n");
	outb(0xf4, 0);
}
