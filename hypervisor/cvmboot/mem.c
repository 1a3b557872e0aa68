/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem.h"

/* Copies upwards, so it also moves overlapping bytes downwards. */
void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;
	size_t dwords = n / 4, bytes = n % 4;

	__asm__ volatile("rep movsl" : "+D"(d), "+S"(src), "+c"(dwords) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(bytes) : : "memory");
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	uint32_t fill = 0x01010101u * (uint8_t)c;
	size_t dwords = n / 4, bytes = n % 4;

	__asm__ volatile("rep stosl" : "+D"(d), "+c"(dwords) : "a"(fill) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(bytes) : "a"(fill) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
