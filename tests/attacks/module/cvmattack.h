/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CVMATTACK_H
#define CVMATTACK_H

#include <linux/dcache.h>

/* Samples of the CPU at KVM's exit handler: files `pid`, `samples` and `state` in @dir. */
int sample_start(struct dentry *dir);
void sample_stop(void);

/* File `physical` in @dir: the offset is a physical address; reads and writes go by the direct map. */
void frames_start(struct dentry *dir);

#endif
