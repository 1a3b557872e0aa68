/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "key-wait.h"

#include "console.h"
#include "io.h"
#include "key.h"
#include "mem.h"
#include "variant.h"

#define POLLS_A_SECOND	50u
#define DELAY_PORT	0x80

/* 512-aligned, so it never crosses a page. */
static struct cvm_key key __attribute__((aligned(512)));

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* The host may stretch the time, since it decides when the VM runs: it may also not run it at all. */
static void wait(uint32_t seconds, uint32_t khz)
{
	uint64_t start = rdtsc(), end = start + (uint64_t)khz * 1000 * seconds;
	uint32_t interval = khz / POLLS_A_SECOND * 1000;

	while (!variant_key_get(&key)) {
		uint64_t next = rdtsc() + interval;

		if (next > end)
			die(R_NO_KEY);
		while (rdtsc() < next)
			__asm__ volatile("pause");
		/* RootVisor answers the call by itself; this exit goes to the host, which must run to bring the key.
		 * An interrupt of its own makes an exit, too, but not in every emulator while IF is 0. */
		inb(DELAY_PORT);
	}
}

static void wipe(volatile uint8_t *p, uint32_t size)
{
	while (size--)
		*p++ = 0;
}

void key_deliver(struct launch *l, const struct bzimage *bz, uint64_t tsc_khz)
{
	struct key_wish wish;
	enum reason r = key_parse((const uint8_t *)l->cmdline_gpa, l->cmdline_size, &wish);

	if (!r && wish.required)
		r = key_check_place(l, bz);
	if (r)
		die(r);
	if (!wish.required)
		return;
	con_puts("cvmboot: waiting up to ");
	con_dec(wish.wait);
	con_puts(" s for the disk key\n");
	wait(wish.wait, (uint32_t)tsc_khz);
	if (!key.size || key.size > CVM_KEY_MAX)
		die(R_KEY_FAILED);
	l->initrd_size += key_archive((uint8_t *)l->initrd_gpa + l->initrd_size, l->initrd_size, &key);
	wipe((uint8_t *)&key, sizeof(key));
	con_puts("cvmboot: the disk key is there\n");
}
