/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/multiboot2.h"

#include "start/bytes.h"

#define MIB		((u64)1 << 20)
#define GIB4		((u64)1 << 32)
#define POOL_MIN	(48 * MIB)
#define POOL_RAM_SHARE	32u		/* one part in so many of RAM */

enum { TAG_END = 0, TAG_CMDLINE = 1, TAG_MODULE = 3, TAG_MMAP = 6, TAG_ACPI_OLD = 14, TAG_ACPI_NEW = 15 };

/* Reads that know where the tag ends. */
struct span {
	const u8 *p;
	size_t n;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Copies a string of at most s.n bytes; false if it has no end or does not fit. */
static bool copy_string(char *dst, size_t size, struct span s)
{
	for (size_t i = 0; i < s.n && i < size; i++) {
		dst[i] = (char)s.p[i];
		if (!dst[i])
			return true;
	}
	return false;
}

/* If `word` begins with `want` and ends there (or, where want ends in '=', goes on), the rest. */
static const char *match(const char *word, const char *want)
{
	while (*want)
		if (*word++ != *want++)
			return NULL;
	if (want[-1] == '=' || !*word || is_space(*word))
		return word;
	return NULL;
}

static int parse_cmdline(struct mb2_info *out, const char *s, const char **error)
{
	while (*s) {
		const char *v;

		if (match(s, "fallback=native")) {
			out->fallback_native = true;
		} else if ((v = match(s, "pool="))) {
			u64 n = 0;

			while (*v >= '0' && *v <= '9' && n < 1000000)
				n = n * 10 + (u64)(*v++ - '0');
			if (!n || n > 1000000 || (*v && !is_space(*v)))
				return bad(error, "pool= wants a number of MiB");
			out->pool_mib = n;
		} else if (!is_space(*s) && !match(s, "tpm=com2")) {	/* that is the Quoter's */
			return bad(error, "unknown word on RootVisor's command line (known: fallback=native, pool=<MiB>, tpm=com2)");
		}
		if (is_space(*s))
			s++;
		else
			while (*s && !is_space(*s))
				s++;
	}
	return 0;
}

static int parse_module(struct mb2_info *out, struct span s, const char **error)
{
	struct mb2_module m = { 0 }, *to;
	const char *rest;
	u32 i = 0;

	if (s.n < 9)
		return bad(error, "a module tag is too short");
	m.start = get32(s.p);
	m.end = get32(s.p + 4);
	if (!copy_string(m.cmdline, sizeof(m.cmdline), (struct span) { s.p + 8, s.n - 8 }))
		return bad(error, "a module's command line has no end or is longer than 2047 bytes");
	if ((rest = match(m.cmdline, "vmlinuz")))
		to = &out->kernel;
	else if ((rest = match(m.cmdline, "initrd")))
		to = &out->initrd;
	else if ((rest = match(m.cmdline, "guardian")))
		to = &out->guardian;
	else
		return bad(error, "a module's first word is none of vmlinuz, initrd, guardian");
	if (m.end <= m.start)
		return bad(error, "a module is empty");
	if (to->end)
		return bad(error, "two modules have the same role");
	while (is_space(*rest))
		rest++;
	to->start = m.start;
	to->end = m.end;
	do
		to->cmdline[i++] = *rest;
	while (*rest++);
	return 0;
}

static int parse_mmap(struct mb2_info *out, struct span s, const char **error)
{
	u32 entry_size;

	if (s.n < 8 || (entry_size = get32(s.p)) < 24 || entry_size % 8 || (s.n - 8) % entry_size)
		return bad(error, "the memory map has a bad entry size");
	if (out->map.n)
		return bad(error, "there are two memory maps");
	for (size_t at = 8; at < s.n; at += entry_size) {
		u64 start = get64(s.p + at), size = get64(s.p + at + 8);

		if (!size)
			continue;
		if (start + size < start)
			return bad(error, "a range of the memory map wraps around");
		if (out->map.n == MEMMAP_MAX) {
			*error = "the memory map has more than 128 ranges";
			return -ENOSPC;
		}
		out->map.r[out->map.n++] = (struct memmap_range) {
			.start = start, .end = start + size, .type = get32(s.p + at + 16) };
	}
	return 0;
}

static int parse_rsdp(struct mb2_info *out, struct span s, u32 size, const char **error)
{
	if (s.n < size)
		return bad(error, "an RSDP tag is too short");
	if (size < out->rsdp_size)
		return 0;		/* the newer one is there already */
	for (u32 i = 0; i < size; i++)
		out->rsdp[i] = s.p[i];
	out->rsdp_size = size;
	return 0;
}

static int check_whole(struct mb2_info *out, const char **error)
{
	int r;

	if (!out->map.n)
		return bad(error, "the boot loader gave no memory map");
	r = memmap_normalise(&out->map);
	if (r < 0)
		*error = "the memory map is too fragmented";
	return r;
}

int mb2_parse(const void *info, size_t limit, struct mb2_info *out, const char **error)
{
	const u8 *p = info;
	size_t total, at = 8;
	int r = 0;

	*out = (struct mb2_info) { 0 };
	*error = "the boot information has a bad size";
	if (limit < 16)
		return -EINVAL;
	total = get32(p);
	if (total < 16 || total > limit)
		return -EINVAL;
	for (;;) {
		struct span s;
		u32 type, size;

		*error = "the boot information ends without an end tag";
		if (total - at < 8)
			return -EINVAL;
		type = get32(p + at);
		size = get32(p + at + 4);
		*error = "a tag of the boot information has a bad size";
		if (size < 8 || size > total - at)
			return -EINVAL;
		if (type == TAG_END)
			break;
		s = (struct span) { p + at + 8, size - 8 };
		switch (type) {
		case TAG_CMDLINE:
			*error = "RootVisor's command line has no end or is longer than 511 bytes";
			if (!copy_string(out->cmdline, sizeof(out->cmdline), s))
				return -EINVAL;
			r = parse_cmdline(out, out->cmdline, error);
			break;
		case TAG_MODULE:
			r = parse_module(out, s, error);
			break;
		case TAG_MMAP:
			r = parse_mmap(out, s, error);
			break;
		case TAG_ACPI_OLD:
		case TAG_ACPI_NEW:
			r = parse_rsdp(out, s, type == TAG_ACPI_OLD ? 20 : 36, error);
			break;
		}
		if (r < 0)
			return r;
		*error = "the boot information ends without an end tag";
		if (ALIGN_UP((u64)size, 8) > total - at)
			return -EINVAL;
		at += (size_t)ALIGN_UP((u64)size, 8);
	}
	r = check_whole(out, error);
	if (!r)
		*error = NULL;
	return r;
}

int mb2_free(const struct mb2_info *mb, u64 image_start, u64 image_end, struct memmap *out, u64 *at, const char **error)
{
	const struct mb2_module *m[] = { &mb->kernel, &mb->initrd, &mb->guardian };
	int r;

	*out = mb->map;
	*at = image_start;
	if (!memmap_is_ram(out, image_start, image_end))
		return bad(error, "the memory map has no RAM where RootVisor is");
	r = memmap_set(out, image_start, image_end, MEM_RESERVED);
	for (u32 i = 0; i < ARRAY_SIZE(m) && !r; i++) {
		if (!m[i]->end)
			continue;
		*at = m[i]->start;
		if (!memmap_is_ram(out, m[i]->start, m[i]->end))
			return bad(error, "a module is not in free RAM");
		r = memmap_set(out, m[i]->start & PAGE_MASK, ALIGN_UP(m[i]->end, PAGE_SIZE), MEM_RESERVED);
	}
	*error = r < 0 ? "the memory map is too fragmented" : NULL;
	return r;
}

u64 mb2_pool_size(const struct mb2_info *mb, const struct memmap *free_map)
{
	u64 size = ALIGN_UP(memmap_ram_bytes(&mb->map) / POOL_RAM_SHARE, MIB), room = memmap_largest(free_map, MIB, GIB4) / 2 & ~(MIB - 1);

	if (mb->pool_mib)
		return mb->pool_mib * MIB;
	if (size > room)
		size = room;
	return size < POOL_MIN ? POOL_MIN : size;
}
