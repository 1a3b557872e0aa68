/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-384 (FIPS 180-4) of four messages of one size at once: one message in each of the four 64-bit
 * lanes of a vector. For the image it is compiled for AVX2, and called only if the CPU has it
 * (sha384_bulk.c): 8.5 instructions a byte where one message alone takes 19 to 23. No secret is
 * ever hashed here, and no branch or address depends on the data.
 */
#include "crypto.h"

#define BLOCK	128u
#define WORDS	(BLOCK / 8)

typedef uint64_t v4 __attribute__((vector_size(32)));
typedef uint8_t bytes __attribute__((vector_size(32)));
typedef bytes loose __attribute__((aligned(1), may_alias));

static const uint64_t constant[80] = {
	0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
	0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
	0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
	0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
	0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
	0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
	0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
	0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
	0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
	0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
	0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
	0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
	0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
	0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
	0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
	0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

static const uint64_t initial[8] = {
	0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
	0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};

#define EACH(x)		((v4){ (x), (x), (x), (x) })
#define ROTR(x, n)	((x) >> (n) ^ (x) << (64 - (n)))
#define BIG0(x)		(ROTR(x, 28) ^ ROTR(x, 34) ^ ROTR(x, 39))
#define BIG1(x)		(ROTR(x, 14) ^ ROTR(x, 18) ^ ROTR(x, 41))
#define ROTR8(x)	((v4)__builtin_shuffle((bytes)(x), (bytes){						\
	1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 8,						\
	17, 18, 19, 20, 21, 22, 23, 16, 25, 26, 27, 28, 29, 30, 31, 24 }))
#define SMALL0(x)	(ROTR(x, 1) ^ ROTR8(x) ^ (x) >> 7)
#define SMALL1(x)	(ROTR(x, 19) ^ ROTR(x, 61) ^ (x) >> 6)
#define CH(x, y, z)	((((y) ^ (z)) & (x)) ^ (z))
#define MAJ(x, y, z)	((((x) ^ (y)) & ((y) ^ (z))) ^ (y))

#define ROUND(a, b, c, d, e, f, g, h, i) do {						\
	h += w[i] + EACH(k[i]) + BIG1(e) + CH(e, f, g);					\
	d += h;										\
	h += BIG0(a) + MAJ(a, b, c);							\
} while (0)

/* w[i] of the next sixteen rounds. */
#define NEXT(i)	(w[i] += SMALL1(w[((i) + 14) % WORDS]) + w[((i) + 9) % WORDS] + SMALL0(w[((i) + 1) % WORDS]))

#define EIGHT(i, before) do {								\
	before(i); ROUND(a, b, c, d, e, f, g, h, i);					\
	before(i + 1); ROUND(h, a, b, c, d, e, f, g, i + 1);				\
	before(i + 2); ROUND(g, h, a, b, c, d, e, f, i + 2);				\
	before(i + 3); ROUND(f, g, h, a, b, c, d, e, i + 3);				\
	before(i + 4); ROUND(e, f, g, h, a, b, c, d, i + 4);				\
	before(i + 5); ROUND(d, e, f, g, h, a, b, c, i + 5);				\
	before(i + 6); ROUND(c, d, e, f, g, h, a, b, i + 6);				\
	before(i + 7); ROUND(b, c, d, e, f, g, h, a, i + 7);				\
} while (0)
#define NOTHING(i) ((void)0)

/* Four big-endian words of each message become four vectors, one word of each message in each. */
static inline void load(v4 *w, const uint8_t *in, size_t each)
{
	static const bytes swap = { 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8,
				    23, 22, 21, 20, 19, 18, 17, 16, 31, 30, 29, 28, 27, 26, 25, 24 };
	v4 m[4], low[2], high[2];

	for (unsigned i = 0; i < 4; i++)
		m[i] = (v4)__builtin_shuffle((bytes)*(const loose *)(in + i * each), swap);
	for (unsigned i = 0; i < 2; i++) {
		low[i] = __builtin_shuffle(m[2 * i], m[2 * i + 1], (v4){ 0, 4, 2, 6 });
		high[i] = __builtin_shuffle(m[2 * i], m[2 * i + 1], (v4){ 1, 5, 3, 7 });
	}
	w[0] = __builtin_shuffle(low[0], low[1], (v4){ 0, 1, 4, 5 });
	w[1] = __builtin_shuffle(high[0], high[1], (v4){ 0, 1, 4, 5 });
	w[2] = __builtin_shuffle(low[0], low[1], (v4){ 2, 3, 6, 7 });
	w[3] = __builtin_shuffle(high[0], high[1], (v4){ 2, 3, 6, 7 });
}

static void block(v4 state[8], const uint8_t *in, size_t each)
{
	v4 w[WORDS], a = state[0], b = state[1], c = state[2], d = state[3];
	v4 e = state[4], f = state[5], g = state[6], h = state[7];
	const uint64_t *k = constant;

	for (unsigned i = 0; i < WORDS; i += 4)
		load(w + i, in + 8 * i, each);
	EIGHT(0, NOTHING);
	EIGHT(8, NOTHING);
	for (k += WORDS; k < constant + 80; k += WORDS) {
		EIGHT(0, NEXT);
		EIGHT(8, NEXT);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

void sha384_four_blocks(const uint8_t *data, size_t each, uint8_t out[4][CVM_DIGEST_SIZE])
{
	uint8_t end[BLOCK] = { 0x80 };		/* the padding: one more block, the same for all */
	v4 state[8];

	for (unsigned i = 0; i < 8; i++)
		state[i] = EACH(initial[i]);
	for (size_t at = 0; at < each; at += BLOCK)
		block(state, data + at, each);
	for (unsigned i = 0; i < 8; i++)
		end[BLOCK - 1 - i] = (uint8_t)((uint64_t)each * 8 >> 8 * i);
	block(state, end, 0);
	for (unsigned i = 0; i < CVM_DIGEST_SIZE; i++)
		for (unsigned lane = 0; lane < 4; lane++)
			out[lane][i] = (uint8_t)(state[i / 8][lane] >> (56 - i % 8 * 8));
}
