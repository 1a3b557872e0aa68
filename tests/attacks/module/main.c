// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A test's attacker with ring 0 on the host. Never load this on a machine that matters: it gives host
 * root every frame, and what KVM keeps of every guest.
 */
#include <linux/debugfs.h>
#include <linux/module.h>

#include "cvmattack.h"

static struct dentry *dir;

static int __init cvmattack_init(void)
{
	int r;

	dir = debugfs_create_dir("cvmattack", NULL);
	if (IS_ERR(dir))
		return PTR_ERR(dir);
	r = sample_start(dir);
	if (r < 0) {
		debugfs_remove(dir);
		return r;
	}
	frames_start(dir);
	return 0;
}

static void __exit cvmattack_exit(void)
{
	sample_stop();
	debugfs_remove(dir);
}

module_init(cvmattack_init);
module_exit(cvmattack_exit);
MODULE_DESCRIPTION("Ring-0 attacker for tests of protected guests");
MODULE_LICENSE("GPL");
