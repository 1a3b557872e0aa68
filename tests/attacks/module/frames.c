// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cvmattack.h"

/* One page at most a call; the direct map is where the host's own code would touch the frame. */
static void *direct(loff_t pos, size_t *count)
{
	if (pos < 0 || !pfn_valid(pos >> PAGE_SHIFT))
		return NULL;
	*count = min_t(size_t, *count, PAGE_SIZE - offset_in_page(pos));
	return __va(pos);
}

static ssize_t physical_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	void *from = direct(*pos, &count);
	void *copy;

	if (!from)
		return -EINVAL;
	copy = kmalloc(count, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, from, count);
	if (copy_to_user(to, copy, count))
		count = 0;
	kfree(copy);
	*pos += count;
	return count ? count : -EFAULT;
}

static ssize_t physical_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	void *to = direct(*pos, &count);
	void *copy;

	if (!to)
		return -EINVAL;
	copy = memdup_user(from, count);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	memcpy(to, copy, count);
	kfree(copy);
	*pos += count;
	return count;
}

static const struct file_operations physical_file = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = physical_read,
	.write = physical_write,
	.llseek = default_llseek,
};

void frames_start(struct dentry *dir)
{
	debugfs_create_file("physical", 0600, dir, NULL, &physical_file);
}
