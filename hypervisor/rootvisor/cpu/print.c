/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Console: COM1 (115200 8N1). No wait is unbounded. */
#include "rv/rv.h"

#include <stdarg.h>

#include "cpu/cpu.h"
#include "rv/smp.h"

#define COM1		0x3f8
#define COM_LSR		(COM1 + 5)
#define LSR_THRE	0x20

static bool serial_there, in_line;

void console_init(void)
{
	static const u8 setup[][2] = {
		{ 1, 0 }, { 3, 0x80 }, { 0, 1 }, { 1, 0 }, { 3, 3 }, { 2, 7 }, { 4, 3 } };

	outb(COM1 + 7, 0x5a);		/* scratch register: is there a UART? */
	serial_there = inb(COM1 + 7) == 0x5a;
	for (u32 i = 0; serial_there && i < ARRAY_SIZE(setup); i++)
		outb((u16)(COM1 + setup[i][0]), setup[i][1]);
}

static void serial_put(char ch)
{
	if (!serial_there)
		return;
	for (u32 i = 0; i < 100000 && !(inb(COM_LSR) & LSR_THRE); i++)
		cpu_relax();
	outb(COM1, (u8)ch);
}

static void put_char(char ch)
{
	in_line = ch != '\n';
	if (ch == '\n')
		serial_put('\r');
	serial_put(ch);
}

static void put_string(const char *s)
{
	while (*s)
		put_char(*s++);
}

static void put_number(u64 v, u32 base)
{
	char buf[24];
	u32 n = 0;

	do {
		buf[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		put_char(buf[--n]);
}

static void vprint(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		bool is_long = false;

		if (*fmt != '%') {
			put_char(*fmt);
			continue;
		}
		while (*++fmt == 'l')
			is_long = true;
		switch (*fmt) {
		case 's':
			put_string(va_arg(ap, const char *));
			break;
		case 'u':
		case 'x':
			put_number(is_long ? va_arg(ap, u64) : va_arg(ap, u32), *fmt == 'u' ? 10 : 16);
			break;
		}
	}
}

void rv_printf(const char *fmt, ...)
{
	va_list ap;

	if (!in_line)
		put_string("rootvisor: ");
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
}

void rv_panic(const char *fmt, ...)
{
	va_list ap;

	put_string(in_line ? "\nROOTVISOR PANIC: " : "ROOTVISOR PANIC: ");
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	put_string("\n");
	smp_stop_others(false);
	halt_forever();
}
