/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console.h"

#include "io.h"
#include "variant.h"

#define COM1		0x3f8
#define COM_DLL		(COM1 + 0)
#define COM_IER		(COM1 + 1)
#define COM_FCR		(COM1 + 2)
#define COM_LCR		(COM1 + 3)
#define COM_LSR		(COM1 + 5)
#define LSR_THRE	0x20
#define FIFO_SIZE	16

/* A VM without a serial port must not hang the boot. */
#define SPIN_MAX	100000

static unsigned int fifo_room;

void con_init(void)
{
	outb(COM_IER, 0);
	outb(COM_LCR, 0x80);
	outb(COM_DLL, 1);	/* 115200 */
	outb(COM_IER, 0);
	outb(COM_LCR, 0x03);	/* 8n1 */
	outb(COM_FCR, 0x07);	/* FIFO on and empty */
	fifo_room = 0;
}

/* Every port access is an exit: one status read for each FIFO filling. */
static void put(char c)
{
	if (!fifo_room) {
		for (int i = 0; i < SPIN_MAX && !(inb(COM_LSR) & LSR_THRE); i++)
			__asm__ volatile("pause");
		fifo_room = FIFO_SIZE;
	}
	fifo_room--;
	outb(COM1, (uint8_t)c);
}

void con_puts(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			put('\r');
		put(*s);
	}
}

void con_dec(uint32_t v)
{
	char digits[10];
	int n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		put(digits[--n]);
}

void con_hex(uint32_t v)
{
	con_puts("0x");
	for (int shift = 28; shift >= 0; shift -= 4)
		put("0123456789abcdef"[v >> shift & 15]);
}

static _Noreturn void stop(enum reason r)
{
	variant_stop(r);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void die(enum reason r)
{
	con_puts("cvmboot: ");
	con_puts(reason_text(r));
	con_puts("\n");
	stop(r);
}

void die_num(enum reason r, const char *what, int32_t v)
{
	con_puts("cvmboot: ");
	con_puts(reason_text(r));
	con_puts(": ");
	con_puts(what);
	con_puts(" ");
	if (v < 0 && v > -4096) {
		con_puts("-");
		con_dec((uint32_t)-v);
	} else {
		con_hex((uint32_t)v);
	}
	con_puts("\n");
	stop(r);
}
