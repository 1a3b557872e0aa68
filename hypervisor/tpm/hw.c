/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine itself. Image only. */
#include "tpm.h"

static uint32_t hw_read(void *ctx, uint32_t offset, uint32_t size)
{
	volatile uint8_t *p = (volatile uint8_t *)ctx + offset;

	return size == 4 ? *(volatile uint32_t *)p : *p;
}

static void hw_write(void *ctx, uint32_t offset, uint32_t size, uint32_t value)
{
	volatile uint8_t *p = (volatile uint8_t *)ctx + offset;

	if (size == 4)
		*(volatile uint32_t *)p = value;
	else
		*p = (uint8_t)value;
}

static uint8_t hw_in(void *ctx, uint16_t port)
{
	uint8_t v;

	(void)ctx;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "d"(port) : "memory");
	return v;
}

static void hw_out(void *ctx, uint16_t port, uint8_t value)
{
	(void)ctx;
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port) : "memory");
}

static uint64_t hw_now(void *ctx)
{
	uint32_t low, high;

	(void)ctx;
	__asm__ volatile("pause; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

void tpm_hw_init(struct tpm_hw *hw, void *base, uint64_t tsc_khz)
{
	*hw = (struct tpm_hw) { .ctx = base, .read = hw_read, .write = hw_write, .in = hw_in, .out = hw_out,
				.now = hw_now, .ticks_per_ms = tsc_khz };
}
