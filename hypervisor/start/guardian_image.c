/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/guardian_image.h"

#include "start/bytes.h"
#include "cvm/guardian.h"

int guardian_image_check(const u8 *file, u64 size, const char **error)
{
	struct cvm_g_header h;
	const u64 page = PAGE_SIZE - 1;

	if (size < sizeof(h))
		return bad(error, "the Guardian image is too short");
	for (u32 i = 0; i < sizeof(h); i++)
		((u8 *)&h)[i] = file[i];
	if (h.magic != CVM_G_MAGIC)
		return bad(error, "the Guardian image has a bad magic number");
	if (h.abi_version != CVM_ABI_VERSION)
		return bad(error, "the Guardian image speaks another ABI version");
	if (h.image_size != size)
		return bad(error, "the Guardian image's size is not that of the file");
	if (!h.memory_size || h.memory_size & page || h.memory_size > CVM_G_IMAGE_MAX || h.memory_size < size)
		return bad(error, "the Guardian image's memory size is bad");
	if (!h.text_size || h.text_size & page || h.rodata_size & page || h.text_size > h.memory_size ||
	    h.rodata_size > h.memory_size - h.text_size)
		return bad(error, "the Guardian image's text or rodata size is bad");
	if (h.entry < CVM_G_IMAGE || h.entry - CVM_G_IMAGE >= h.text_size)
		return bad(error, "the Guardian image's entry is not in its text");
	if (h.stack_top <= CVM_G_IMAGE + h.text_size + h.rodata_size ||
	    h.stack_top > CVM_G_IMAGE + h.memory_size || h.stack_top & 15)
		return bad(error, "the Guardian image's stack is not in its writable memory");
	if (h.page_table & page || h.page_table < CVM_G_IMAGE ||
	    h.page_table - CVM_G_IMAGE >= h.memory_size)
		return bad(error, "the Guardian image's page table is not a page of its memory");
	*error = NULL;
	return 0;
}
