/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-384 over long data in the image: BearSSL's context, OpenSSL's block function (its
 * AVX2 code: 19 instructions a byte, its AVX code: 23, against 37), which is one object of libcrypto.a
 * that needs nothing but words of CPU capabilities. Kernel and initrd are tens
 * of megabytes, so this is most of what protection adds to a guest's start: where the CPU has
 * AVX2, four chunks go at once (sha384_four.c).
 */
#include "crypto.h"

#define BLOCK	128u

/* OpenSSL's view of the CPU: CPUID.1 EDX (bit 30: Intel), ECX; CPUID.7 EBX, ECX. */
unsigned int OPENSSL_ia32cap_P[4];
#define CAP0_INTEL	(1u << 30)
#define CAP1_AVX	(1u << 28 | 1u << 9)	/* with SSSE3 */
#define CPU7_AVX2	(1u << 5)
#define CAP2_AVX2	(CPU7_AVX2 | 1u << 3 | 1u << 8)	/* with BMI1 and BMI2: the function wants all three */
#define XCR0_AVX	(1u << 2)

/* libcrypto: state of eight words, whole blocks of input. */
void sha512_block_data_order(uint64_t state[8], const void *in, size_t blocks);

/* RootVisor enters with every state component enabled that the CPU has. */
static bool has_avx(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo & XCR0_AVX;
}

static void see_cpu(void)
{
	if (has_avx()) {
		OPENSSL_ia32cap_P[0] = CAP0_INTEL;
		OPENSSL_ia32cap_P[1] = CAP1_AVX;
		OPENSSL_ia32cap_P[2] = sha384_cpu & CAP2_AVX2;
	}
}

bool sha384_four(const uint8_t *data, size_t each, uint8_t out[4][CVM_DIGEST_SIZE])
{
	if (!(sha384_cpu & CPU7_AVX2) || !has_avx())
		return false;
	sha384_four_blocks(data, each, out);
	return true;
}

void sha384_update(br_sha384_context *c, const void *data, size_t size)
{
	size_t whole = size / BLOCK;

	if (c->count % BLOCK) {		/* never so when measuring: each chunk begins anew */
		br_sha384_update(c, data, size);
		return;
	}
	if (whole) {			/* the function takes no zero: it would hash what follows */
		see_cpu();
		sha512_block_data_order(c->val, data, whole);
		c->count += whole * BLOCK;
	}
	br_sha384_update(c, (const uint8_t *)data + whole * BLOCK, size % BLOCK);
}
