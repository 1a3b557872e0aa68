/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The digests that the launch measurement is made of (cvm/report.h). */
#include "crypto.h"

uint32_t sha384_cpu;

/* What any CPU can; the image links better ones (sha384_bulk.c). */
__attribute__((weak)) void sha384_update(br_sha384_context *c, const void *data, size_t size)
{
	br_sha384_update(c, data, size);
}

__attribute__((weak)) bool sha384_four(const uint8_t *data, size_t each, uint8_t out[4][CVM_DIGEST_SIZE])
{
	(void)data;
	(void)each;
	(void)out;
	return false;
}

void sha384_chunks(br_sha384_context *list, const uint8_t *data, size_t size)
{
	uint8_t digest[4][CVM_DIGEST_SIZE];
	br_sha384_context one;
	size_t n;

	for (; size; data += n, size -= n) {
		if (size >= 4 * CVM_MEASURE_CHUNK && sha384_four(data, CVM_MEASURE_CHUNK, digest)) {
			n = 4 * CVM_MEASURE_CHUNK;
			br_sha384_update(list, digest, sizeof(digest));
			continue;
		}
		n = size < CVM_MEASURE_CHUNK ? size : CVM_MEASURE_CHUNK;
		br_sha384_init(&one);
		sha384_update(&one, data, n);
		br_sha384_out(&one, digest[0]);
		br_sha384_update(list, digest[0], sizeof(digest[0]));
	}
}
