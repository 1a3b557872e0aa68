/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output, the outcome of a test, the list of tests. */
#include <stdarg.h>

#include "l1.h"

#define COM1 0x3f8

extern const struct test tests_start[], tests_end[];

static enum status status;
static const char *subject;
static u64 subject_value;
static u32 complaints;

void zero(void *p, u64 n) { memset(p, 0, n); }
void copy(void *to, const void *from, u64 n) { memcpy(to, from, n); }
int compare(const void *a, const void *b, u64 n) { return memcmp(a, b, n); }

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *p, int c, size_t n)
{
	void *d = p;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return p;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

/* Verdicts go to port e9h alone, where nobody else writes lines; everything else also to COM1, for
 * people and so that the runner sees progress. */
static void put_e9(char c) { out8(0xe9, (u8)c); }
static void put_both(char c)
{
	put_e9(c);
	while (!(in8(COM1 + 5) & 0x20))
		;
	out8(COM1, (u8)c);
}

static void put_number(void (*put)(char), u64 v, u32 base)
{
	char b[24];
	u32 n = 0;

	do
		b[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (n)
		put(b[--n]);
}

static void format(void (*put)(char), const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		bool wide = false;
		u64 v;

		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		if (*++fmt == 'l') {
			wide = true;
			fmt++;
		}
		switch (*fmt) {
		case 's':
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put(*s);
			break;
		case 'd': {
			s64 d = wide ? va_arg(ap, s64) : va_arg(ap, s32);

			if (d < 0)
				put('-');
			put_number(put, d < 0 ? (u64)-d : (u64)d, 10);
			break;
		}
		case 'u':
		case 'x':
			v = wide ? va_arg(ap, u64) : va_arg(ap, u32);
			put_number(put, v, *fmt == 'x' ? 16 : 10);
			break;
		default:
			put(*fmt);
			break;
		}
	}
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format(put_both, fmt, ap);
	va_end(ap);
}

static void verdict(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void verdict(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format(put_e9, fmt, ap);
	va_end(ap);
}

void about(const char *name, u64 value)
{
	subject = name;
	subject_value = value;
}

static void complain(const char *file, int line)
{
	if (++complaints == 20)
		say("  ... and more\n");
	if (complaints >= 20)
		return;
	say("  %s:%d: ", file, line);
	if (subject)
		say("[%s %lx] ", subject, subject_value);
}

void expect(const char *file, int line, const char *what, u64 got, u64 want)
{
	if (got == want)
		return;
	status = FAILURE;
	complain(file, line);
	if (complaints < 20)
		say("%s: got %lx, want %lx\n", what, got, want);
}

void note(enum status s, const char *file, int line, const char *text)
{
	if (s > status)
		status = s;
	complain(file, line);
	if (complaints < 20)
		say("%s\n", text);
}

u64 number(const char *s)
{
	u64 n = 0;

	while (s && *s >= '0' && *s <= '9')
		n = n * 10 + (u64)(*s++ - '0');
	return n;
}

/* One of the prefixes, which commas separate. */
static bool starts_with(const char *s, const char *prefixes)
{
	for (const char *p = prefixes;; p++) {
		u32 i = 0;

		while (*p && *p != ' ' && *p != ',' && s[i] == *p) {
			i++;
			p++;
		}
		if (!*p || *p == ' ' || *p == ',')
			return true;
		while (*p && *p != ' ' && *p != ',')
			p++;
		if (*p != ',')
			return false;
	}
}

void l1_main(const u8 *boot_params) __attribute__((noreturn));

/* Options: first=N starts at the N-th test (the runner's way on behind a crash); only=PREFIX[,PREFIX...]. */
void l1_main(const u8 *boot_params)
{
	static const char *const names[] = { "SUCCESS", "SKIP", "ERROR", "FAILURE" };
	u32 n = (u32)(tests_end - tests_start);
	const char *only;
	u64 ticks;

	out8(0x21, 0xff);		/* no interrupts of the legacy controllers */
	out8(0xa1, 0xff);
	paging_init();
	traps_init(0);
	machine_init(boot_params);
	only = machine_option("only=");
	say("\nL1 payload: %u tests, command line: %s\n", n, machine.cmdline);
	for (u32 i = 0; i < n; i++)
		if (!only || starts_with(tests_start[i].name, only))
			verdict("\nPLAN %u %s\n", i, tests_start[i].name);
	for (u32 i = (u32)number(machine_option("first=")); i < n; i++) {
		const struct test *t = &tests_start[i];

		if (only && !starts_with(t->name, only))
			continue;
		say("- %s\n", t->name);
		verdict("\nSTART %u %s\n", i, t->name);
		status = SUCCESS;
		complaints = 0;
		about(NULL, 0);
		arena_reset();
		ticks = tsc();
		run_guarded(t->run);
		ticks = tsc() - ticks;
		about("clean-up of the test", 0);
		trap_hook = NULL;
		smp_clean();
		run_guarded(vmx_stop);
		l2_forget();
		if (status != SUCCESS)
			say("  %s\n", names[status]);
		verdict("\nTICKS %s %lu\nTEST %s %s\n", t->name, ticks, t->name, names[status]);
	}
	verdict("\nDONE\n");
	say("L1 payload: done\n");
	machine_off();
}
