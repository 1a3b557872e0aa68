/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The archive's format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst, "newc". */
#include "key.h"

#include "layout.h"
#include "mem.h"
#include "plan.h"

#define S_DIRECTORY	0040700u
#define S_FILE		0100400u
#define TRAILER		"TRAILER!!!"

/* The part of a word behind @name, or NULL. */
static const uint8_t *value(const uint8_t *word, uint32_t size, const char *name, uint32_t *left)
{
	uint32_t n = 0;

	for (; name[n]; n++)
		if (n >= size || word[n] != (uint8_t)name[n])
			return NULL;
	*left = size - n;
	return word + n;
}

static bool number(const uint8_t *s, uint32_t size, uint32_t *ret)
{
	uint32_t v = 0;

	if (!size || size > 5)
		return false;
	for (uint32_t i = 0; i < size; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(s[i] - '0');
	}
	*ret = v;
	return v >= 1 && v <= KEY_WAIT_MAX;
}

static enum reason take_word(const uint8_t *word, uint32_t size, struct key_wish *wish)
{
	const uint8_t *v;
	uint32_t n;

	v = value(word, size, "cvm.key.wait=", &n);
	if (v)
		return number(v, n, &wish->wait) ? R_OK : R_BAD_KEY_OPTION;
	v = value(word, size, "cvm.key", &n);
	if (!v)
		return R_OK;
	if (n != 9 || memcmp(v, "=required", 9))
		return R_BAD_KEY_OPTION;
	wish->required = true;
	return R_OK;
}

enum reason key_parse(const uint8_t *cmdline, uint32_t size, struct key_wish *wish)
{
	uint32_t start = 0;

	*wish = (struct key_wish){ .wait = KEY_WAIT_DEFAULT };
	for (uint32_t i = 0; i <= size; i++) {
		enum reason r;

		if (i < size && cmdline[i] != ' ' && cmdline[i] != '\t' && cmdline[i] != '\n')
			continue;
		r = take_word(cmdline + start, i - start, wish);
		if (r)
			return r;
		start = i + 1;
	}
	return R_OK;
}

static bool apart(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_size)
{
	return a_end <= b || b + b_size <= a;
}

enum reason key_check_place(const struct launch *l, const struct bzimage *bz)
{
	uint64_t start = (uint64_t)l->initrd_gpa + l->initrd_size, end = start + KEY_ARCHIVE_MAX;
	uint64_t run_size = plan_run_size(bz, l->kernel_size - bz->setup_size);

	if (!l->initrd_size)
		return R_KEY_NO_INITRD;
	if (end > l->low_top || end > (uint64_t)bz->initrd_addr_max + 1 ||
	    !apart(start, end, l->kernel_gpa, l->kernel_size) || !apart(start, end, bz->pref_address, run_size))
		return R_BAD_LAUNCH_TABLE;
	return R_OK;
}

static uint8_t *put_hex(uint8_t *p, uint32_t v)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		*p++ = (uint8_t)"0123456789abcdef"[v >> shift & 15];
	return p;
}

static uint32_t pad(uint8_t *out, uint32_t at)
{
	while (at % 4)
		out[at++] = 0;
	return at;
}

/* One entry at @at, which is a multiple of 4; all owned by root, time 0. */
static uint32_t entry(uint8_t *out, uint32_t at, uint32_t inode, uint32_t mode, const char *name, const uint8_t *data,
		      uint32_t size)
{
	uint32_t name_size = 1;
	uint8_t *p = out + at;

	while (name[name_size - 1])
		name_size++;
	memcpy(p, "070701", 6);
	p = put_hex(p + 6, inode);
	p = put_hex(p, mode);
	for (int i = 0; i < 2; i++)		/* uid, gid */
		p = put_hex(p, 0);
	p = put_hex(p, 1);			/* links */
	p = put_hex(p, 0);			/* mtime */
	p = put_hex(p, size);
	for (int i = 0; i < 4; i++)		/* devices */
		p = put_hex(p, 0);
	p = put_hex(p, name_size);
	p = put_hex(p, 0);			/* check */
	memcpy(p, name, name_size);
	at = pad(out, at + 110 + name_size);
	memcpy(out + at, data, size);
	return pad(out, at + size);
}

uint32_t key_archive(uint8_t *out, uint32_t before, const struct cvm_key *key)
{
	uint32_t skip = -before & 3, at = 0;

	memset(out, 0, KEY_ARCHIVE_MAX);
	out += skip;
	at = entry(out, at, 0x63766d01, S_DIRECTORY, "cvm", NULL, 0);
	at = entry(out, at, 0x63766d02, S_FILE, "cvm/disk.key", key->bytes, key->size);
	return skip + entry(out, at, 0, 0, TRAILER, NULL, 0);
}
